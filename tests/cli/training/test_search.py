"""`flask model search`, and a training with what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.training.toys import toy_recipe, write_pictures
from webapp.training.recipe_text import recipe_text

pytestmark = pytest.mark.tensorflow


def toys(folder: Path) -> list[str]:
    """Options for a job on toy pictures."""
    (folder / "start.toml").write_text(recipe_text(toy_recipe()), encoding="utf-8")
    return [
        "--data",
        str(write_pictures(folder / "toys", 8)),
        "--weights",
        "none",
        "--recipe",
        str(folder / "start.toml"),
    ]


def test_a_training_takes_the_recipe_that_a_search_wrote(app: Flask, tmp_path: Path) -> None:
    options, out = toys(tmp_path), tmp_path / "best.toml"
    answer = app.test_cli_runner().invoke(
        args=[
            "model",
            "search",
            "toy",
            *options,
            "--trials",
            "2",
            "--epochs",
            "2",
            "--out",
            str(out),
        ]
    )
    assert answer.exit_code == 0, answer.output
    assert "Study toy: 2 trials" in answer.stdout
    assert (tmp_path / "training" / "search.sqlite").is_file()

    trained = app.test_cli_runner().invoke(args=["model", "train", "toy", *options[:-1], str(out)])
    assert trained.exit_code == 0, trained.output
    card = json.loads((tmp_path / "models" / "toy" / "1" / "card.json").read_text())
    assert f"batch       {card['training']['settings']['batch']}" in answer.stdout


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--study", "../up", "A study's name"),
        ("--out", "/nowhere/best.toml", "There is no folder"),
        ("--storage", "nothing", "database of the study"),
        ("--weights", "toy@7", "There is no version 7"),
        ("--storage", "oracle://somewhere/studies", "database of the study"),
    ],
)
def test_it_refuses_what_cannot_be_used_in_one_sentence(
    app: Flask, tmp_path: Path, option: str, value: str, complaint: str
) -> None:
    answer = app.test_cli_runner().invoke(
        args=["model", "search", "toy", *toys(tmp_path), "--trials", "1", option, value]
    )
    assert answer.exit_code == 1
    assert complaint in answer.stderr.splitlines()[-1]
