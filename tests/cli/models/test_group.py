"""`flask model list` and `flask model show`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from webapp.app import create_app
from webapp.config import Config
from webapp.inference.models.card import CARD_FILE, InputSpec, Label, ModelCard

TEST = {
    "n": 200,
    "top1": 0.95,
    "top1_interval": [0.91, 0.97],
    "top5": 1.0,
    "ece_before": 0.1,
    "ece_after": 0.02,
    "per_label": {},
    "sources": {},
}
CARD = ModelCard(
    name="toy",
    version=1,
    title="Toy colours",
    noun="colour",
    noun_plural="colours",
    question="Which?",
    summary="Two colours.",
    labels=(Label("red", "Red"), Label("blue", "Blue")),
    input=InputSpec(32, 48),
    temperature=1.0,
    threshold=0.6,
    limits=("Everything else.",),
    metrics={"test": TEST},
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two versions of a model, the first live."""
    for version in (1, 2):
        folder = tmp_path / "models" / "toy" / str(version)
        folder.mkdir(parents=True)
        (folder / CARD_FILE).write_text(replace(CARD, version=version).to_json())
    (tmp_path / "models" / "toy" / "LIVE").write_text("1\n")
    return tmp_path / "models"


@pytest.fixture
def app(models: Path, tmp_path: Path) -> Flask:
    return create_app(Config(data=tmp_path, models=models, secret_key="k" * 32))


def test_list_names_every_version_and_the_live_one(app: Flask) -> None:
    lines = app.test_cli_runner().invoke(args=["model", "list"]).output.splitlines()
    assert lines == ["toy 1\tlive\t95.0% of 200 test photos", "toy 2\t-\t95.0% of 200 test photos"]


def test_list_says_what_is_wrong_with_a_card(app: Flask, models: Path) -> None:
    (models / "toy" / "2" / CARD_FILE).write_text("{}")
    rows = json.loads(app.test_cli_runner().invoke(args=["model", "list", "--json"]).output)
    assert rows[0]["problem"] == ""
    assert "name: Field required" in rows[1]["problem"]


def test_show_tells_the_card_in_words(app: Flask) -> None:
    text = app.test_cli_runner().invoke(args=["model", "show", "toy"]).output
    assert "Toy colours (toy 1)" in text
    assert "95.0% of 200 right (95 % interval 91.0% to 97.0%)" in text
    assert "Everything else." in text


def test_show_says_what_it_was_measured_on(app: Flask, models: Path) -> None:
    card = replace(CARD, training={"settings": {"cars": "detect"}})
    (models / "toy" / "1" / CARD_FILE).write_text(card.to_json())
    text = app.test_cli_runner().invoke(args=["model", "show", "toy"]).output
    assert "Measured on the main car that a detector found" in text


def test_show_gives_one_version_as_json(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["model", "show", "toy", "--version", "2", "--json"])
    assert json.loads(answer.output)["version"] == 2


def test_show_refuses_an_unknown_model_in_one_sentence(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["model", "show", "boat"])
    assert answer.exit_code == 1
    assert answer.output == "Error: There is no model called 'boat'.\n"


@pytest.mark.tensorflow
def test_train_refuses_a_name_that_is_no_folder(app: Flask, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow")
    answer = app.test_cli_runner().invoke(
        args=["model", "train", "../boat", "--data", str(tmp_path)]
    )
    assert "A model's name is made of" in answer.output
