"""`flask model train` as a new user tries it: three folders of pictures and no recipe."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.conftest import ROOT, SHARED
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.models.registry import Registry
from webapp.training.recipe import Recipe, fitted

pytestmark = pytest.mark.tensorflow
KINDS = ("bicycle", "lorry", "sailing-boat")
WEIGHTS = SHARED / "data" / "weights" / "mobilenet_v2_1.0_224_notop.weights.h5"


def picture_of(kind: str, number: int) -> Image.Image:
    """One of the seven pictures of 320 x 200 that stand below each other in the file of a kind."""
    with Image.open(ROOT / "tests" / "pictures" / "vehicles" / f"{kind}.jpg") as sheet:
        return sheet.crop((0, 200 * number, 320, 200 * (number + 1)))


def fitted_and_short(recipe: Recipe, photos: int) -> Recipe:
    """The recipe for this number of photos, with a tenth of its epochs."""
    recipe = fitted(recipe, photos)
    return replace(recipe, stages=tuple(replace(stage, epochs=2) for stage in recipe.stages))


def test_three_folders_of_photos_become_a_live_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.training.train.fitted", fitted_and_short)
    for kind in KINDS:
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for number in range(6):
            picture_of(kind, number).save(tmp_path / "mine" / kind / f"{number}.jpg", quality=95)
    (tmp_path / "data").mkdir()
    app = create_app(
        Config(data=tmp_path / "data", models=tmp_path / "models", secret_key="k" * 32)
    )
    weights = str(WEIGHTS) if WEIGHTS.is_file() else "none"
    answer = app.test_cli_runner().invoke(
        args=["model", "train", "my-things", "--data", str(tmp_path / "mine"), "--weights", weights]
    )
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.splitlines()[-1] == "It is live."

    card = json.loads((tmp_path / "models" / "my-things" / "1" / "card.json").read_text())
    assert [label["display"] for label in card["labels"]] == ["Bicycle", "Lorry", "Sailing boat"]
    assert card["training"]["settings"]["stages"][0]["epochs"] == 2

    registry = Registry(tmp_path / "models")
    live = LiteRTClassifier(registry.version_folder("my-things", 1), registry.card("my-things"))
    answers = {kind: live.predict(np.asarray(picture_of(kind, 6))).probabilities for kind in KINDS}
    if WEIGHTS.is_file():  # from random weights eighteen pictures teach nothing
        assert [KINDS[int(probabilities.argmax())] for probabilities in answers.values()] == list(
            KINDS
        )
