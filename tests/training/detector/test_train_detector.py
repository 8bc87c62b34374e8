"""A whole training of a detector on toy photos: stop, go on, publish, look."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.children import children_in_this_process
from tests.fakes import make_card
from tests.training.detector.toys import toy_recipe, write_toys
from webapp.errors import ModelRefusedError, ModelUnavailableError, TrainingError
from webapp.inference.model_import.model_import import Request, import_model
from webapp.inference.models.bundle import pack
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.held_out import LabelledPhoto, read_split
from webapp.inference.models.loading import load_detector
from webapp.inference.models.publish import publish
from webapp.inference.models.registry import Registry
from webapp.training.car_boxes import with_main_cars
from webapp.training.dataset import split_of
from webapp.training.detector.data import BoxData
from webapp.training.detector.recipe import DetectorRecipe
from webapp.training.detector.run import DetectorRun
from webapp.training.detector.train import train_detector
from webapp.training.earlier import earlier_parts
from webapp.training.job import TrainingJob, TrainingProgress
from webapp.training.readers import Listing
from webapp.training.recipe import SplitRule

pytestmark = pytest.mark.tensorflow


OTHER_SEED = replace(toy_recipe(), split=SplitRule(validation=0.15, test=0.15, seed=7))


class PowerCutError(Exception):
    """Somebody pulled the plug."""


def same_arrays(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def pull_the_plug(progress: TrainingProgress) -> None:
    if len(progress.history) == 1:
        raise PowerCutError


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob[DetectorRecipe]:
    folder = tmp_path_factory.mktemp("toy")
    return TrainingJob(
        toy_recipe(),
        write_toys(folder),
        folder / "models",
        folder / "work",
        unknown=folder / "photos",
    )


@pytest.fixture(scope="module")
def card(job: TrainingJob[DetectorRecipe]) -> DetectorCard:
    """A run that was cut off in its second epoch, and went on."""
    with pytest.raises(PowerCutError):
        train_detector(replace(job, on_step=pull_the_plug))
    with children_in_this_process():
        return train_detector(replace(job, resume=True))


def test_an_interrupted_run_ends_with_all_its_epochs(card: DetectorCard) -> None:
    assert len(card.training["history"]) == 2


def test_the_first_version_is_live_and_is_a_detector(
    job: TrainingJob[DetectorRecipe], card: DetectorCard
) -> None:
    registry = Registry(job.models)
    assert registry.detectors() == ["toy-detector"]
    assert registry.names() == []
    assert registry.live_version("toy-detector") == card.version == 1


def test_the_card_tells_how_well_it_finds_cars_of_each_size(card: DetectorCard) -> None:
    test = card.metrics["test"]
    assert {"ap50", "recall", "main_car", "false_alarms", "sources"} <= test.keys()
    assert set(test["recall"]) == {"small", "medium", "large"}
    assert card.metrics["unknown"]["n"] == 12


def test_the_layers_below_the_share_that_learns_stay_as_they_are(
    job: TrainingJob[DetectorRecipe], tmp_path: Path
) -> None:
    recipe = replace(toy_recipe(), unfreeze=0.5, epochs=1)
    run = DetectorRun(replace(job, recipe=recipe, work=tmp_path), recipe, BoxData(job.data, recipe))
    before = {layer.name: layer.get_weights() for layer in run.network.layers}
    run.train()
    after = {layer.name: layer.get_weights() for layer in run.network.layers}
    changed = {name for name in before if not same_arrays(before[name], after[name])}
    assert "stem" not in changed
    assert "score_8" in changed


def test_the_version_carries_the_list_of_its_files(
    job: TrainingJob[DetectorRecipe], card: DetectorCard
) -> None:
    split = read_split(job.models / "toy-detector" / "1", card)
    assert split is not None
    assert set(split.values()) == {"train", "validation", "test"}


def test_each_part_has_photos_with_and_without_a_car(job: TrainingJob[DetectorRecipe]) -> None:
    for seed in range(4):
        rule = SplitRule(validation=0.1, test=0.1, seed=seed)
        data = BoxData(job.data, replace(job.recipe, split=rule))
        for part in ("validation", "test"):
            counts = {len(data.boxes_of(photo.path)[0]) > 0 for photo in data.listed(part)}
            assert counts == {False, True}


def test_a_version_that_starts_from_it_is_measured_on_the_same_photos(
    job: TrainingJob[DetectorRecipe], card: DetectorCard
) -> None:
    earlier = BoxData(job.data, OTHER_SEED, job.models / "toy-detector" / "1" / "model.keras")
    split = read_split(job.models / "toy-detector" / "1", card)
    assert split_of(earlier.parts) == split != split_of(BoxData(job.data, OTHER_SEED).parts)


def test_it_says_when_nobody_knows_what_a_version_was_trained_on(
    job: TrainingJob[DetectorRecipe],
    card: DetectorCard,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "card.json").write_text(card.to_json())
    assert earlier_parts(tmp_path / "model.keras") == {}
    assert "toy-detector 1 carries no list of the photos" in capsys.readouterr().err


def test_both_engines_find_the_same(job: TrainingJob[DetectorRecipe], card: DetectorCard) -> None:
    folder = job.models / card.name / "1"
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    compiled, reference = load_detector(folder, "litert"), load_detector(folder, "keras")
    np.testing.assert_allclose(compiled.cells(pixels), reference.cells(pixels), atol=0.02)


def test_an_exported_version_comes_back(
    job: TrainingJob[DetectorRecipe], card: DetectorCard, tmp_path: Path
) -> None:
    pack(Registry(job.models), card.name, 1, tmp_path / "detector.zip")
    with children_in_this_process():
        import_model(Request(tmp_path / "detector.zip"), tmp_path / "models", live=True)
    registry = Registry(tmp_path / "models")
    assert registry.detectors() == [card.name] and registry.live_version(card.name) == 1
    assert registry.detector_card(card.name).golden == card.golden


def test_a_detector_is_no_version_of_a_model_that_names(
    job: TrainingJob[DetectorRecipe], card: DetectorCard, tmp_path: Path
) -> None:
    folder = tmp_path / card.name / "1"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(make_card(name=card.name).to_json())
    with pytest.raises(ModelRefusedError, match="is a model that names what it sees"):
        publish(job.models / card.name / "1", card, tmp_path)


def test_a_version_that_answers_differently_here_is_not_used(
    job: TrainingJob[DetectorRecipe], card: DetectorCard, tmp_path: Path
) -> None:
    golden = card.golden[0]
    cell, score, *box = golden.cells[0]
    moved = replace(golden, cells=((cell, score + 0.5, *box),))
    (tmp_path / "golden").mkdir()
    folder = job.models / card.name / "1"
    for name in ("model.tflite", golden.file):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "card.json").write_text(replace(card, golden=(moved,)).to_json())
    with pytest.raises(ModelUnavailableError, match="gives another answer on this machine"):
        load_detector(tmp_path, "litert")


def test_photos_get_the_box_of_the_car_that_the_live_detector_finds(
    job: TrainingJob[DetectorRecipe], card: DetectorCard
) -> None:
    path = job.data[0] / "00.png"
    folder = job.models / card.name / "1"
    least = replace(card, threshold=0.0)  # so that it finds something
    (folder / "card.json").write_text(least.to_json())
    listing = Listing((LabelledPhoto(path, "red"),), {"red": "red"})
    (photo,) = with_main_cars(listing, job.models).photos
    (folder / "card.json").write_text(card.to_json())
    assert photo.box is not None
    left, top, right, bottom = photo.box
    assert 0 <= left < right <= 96
    assert 0 <= top < bottom <= 96


def test_a_recipe_of_crops_needs_a_live_detector(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no detector is live"):
        with_main_cars(Listing((), {}), tmp_path)


def test_it_refuses_to_resume_nothing(job: TrainingJob[DetectorRecipe], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="There is no run to resume"):
        train_detector(replace(job, work=tmp_path, resume=True))


def test_it_refuses_photos_that_all_show_a_car(
    job: TrainingJob[DetectorRecipe], tmp_path: Path
) -> None:
    photos, _crops = write_toys(tmp_path)
    lines = (photos / "boxes.jsonl").read_text().splitlines()
    (photos / "boxes.jsonl").write_text("\n".join(line for line in lines if "car" in line))
    with pytest.raises(TrainingError, match="photos without a car"):
        train_detector(replace(job, data=(photos,), work=tmp_path / "work"))
