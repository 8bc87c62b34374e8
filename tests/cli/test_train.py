"""`flask model train` as a new user tries it: three folders of pictures and no recipe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.conftest import SHARED
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.registry import Registry
from webapp.training.drawings import draw_scene

pytestmark = pytest.mark.tensorflow
KINDS = ("bicycle", "lorry", "sailing-boat")
WEIGHTS = SHARED / "data" / "weights" / "mobilenet_v2_1.0_224_notop.weights.h5"


def test_three_folders_of_photos_become_a_live_model(tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / "mine" / kind).mkdir(parents=True)
        for seed in range(6):
            draw_scene(kind, seed, (320, 200)).save(tmp_path / "mine" / kind / f"{seed}.jpg")
    (tmp_path / "data").mkdir()
    app = create_app(Config(data=tmp_path / "data", models=tmp_path / "models", secret_key="k" * 32))
    weights = str(WEIGHTS) if WEIGHTS.is_file() else "none"
    answer = app.test_cli_runner().invoke(args=["model", "train", "my-things", "--data", str(tmp_path / "mine"), "--weights", weights])
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.splitlines()[-1] == "It is live."

    card = json.loads((tmp_path / "models" / "my-things" / "1" / "card.json").read_text())
    assert [label["display"] for label in card["labels"]] == ["Bicycle", "Lorry", "Sailing boat"]
    assert card["training"]["settings"]["stages"][0]["epochs"] == 20

    registry = Registry(tmp_path / "models")
    live = LiteRTClassifier(registry.version_folder("my-things", 1), registry.card("my-things"))
    answers = {kind: live.rank(np.asarray(draw_scene(kind, 99, (320, 200)))).probabilities for kind in KINDS}
    if WEIGHTS.is_file():  # from random weights eighteen pictures teach nothing
        assert [KINDS[int(one.argmax())] for one in answers.values()] == list(KINDS)
