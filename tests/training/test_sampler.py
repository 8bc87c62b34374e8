"""The batches of an epoch: photos with labels, blended or not, and other things beside them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.training.test_measure import make_example
from webapp.errors import TrainingError
from webapp.inference.models.card import InputSpec, Label
from webapp.training.batches import Sampler
from webapp.training.other_things import exposed, kept_apart
from webapp.training.recipe import Augmentation, Recipe, TrainingStage

pytestmark = pytest.mark.tensorflow
STAGE = TrainingStage("all", epochs=1, rate=1e-3, unfreeze=1.0, height=32, width=32)
RECIPE = Recipe(
    name="toy",
    title="Toy",
    labels=tuple(Label(name=name, display=name) for name in ("blue", "green", "red")),
    input=InputSpec(height=32, width=32),
    stages=(STAGE,),
    batch=8,
    smoothing=0.0,
    exposure=0.25,
    augmentation=Augmentation(flip=0, erase=0, brightness=0, contrast=0, saturation=0),
)
WHITE = np.full((40, 40, 3), 255, np.uint8)


def write_others(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 40), (number, number, number)).save(folder / f"{number:02}.png")
    return folder


def greys(photos: np.ndarray | list[np.ndarray]) -> list[int]:
    return [int(photo[0, 0, 0]) for photo in photos]


def first_batch(
    recipe: Recipe, others: list[np.ndarray], stage: TrainingStage = STAGE
) -> tuple[np.ndarray, np.ndarray]:
    examples = [
        make_example(number, ("blue", "green", "red")[number % 3], 0) for number in range(9)
    ]
    return next(iter(Sampler(examples, recipe, others).batches(stage, [1])))


def test_each_batch_has_other_things_for_which_all_labels_are_alike() -> None:
    views, targets = first_batch(RECIPE, [WHITE])
    assert len(views) == len(targets) == 8 + 2
    assert views[-2:].min() > 254
    assert np.allclose(targets[-2:], 1 / 3)
    assert (targets[:-2].max(axis=1) == 1).all()


def test_without_other_things_a_batch_has_none() -> None:
    views, _targets = first_batch(RECIPE, [])
    assert len(views) == 8


def test_what_it_learns_from_is_kept_out_of_what_measures_it(tmp_path: Path) -> None:
    folder = write_others(tmp_path / "others", 9)
    assert greys(exposed(folder, RECIPE, 64)) == [2, 5, 8]
    assert greys(kept_apart(folder, RECIPE)) == [0, 1, 3, 4, 6, 7]


def test_without_an_exposure_all_photos_of_other_things_measure(tmp_path: Path) -> None:
    folder, recipe = write_others(tmp_path / "others", 4), replace(RECIPE, exposure=0.0)
    assert exposed(folder, recipe, 64) == []
    assert greys(kept_apart(folder, recipe)) == [0, 1, 2, 3]


def test_too_few_photos_of_other_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="too few photos of other things"):
        exposed(write_others(tmp_path / "others", 2), RECIPE, 64)


def test_a_stage_may_leave_its_photos_unblended() -> None:
    how = replace(RECIPE.augmentation, mixup=1.0)
    recipe = replace(RECIPE, exposure=0.0, augmentation=how)
    targets = first_batch(recipe, [], replace(STAGE, blended=False))[1]
    assert set(targets.ravel()) == {0.0, 1.0}
    assert set(first_batch(recipe, [])[1].ravel()) != {0.0, 1.0}
