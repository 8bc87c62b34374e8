"""`flask model search`, and a training with what it found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.children import children_in_this_process
from tests.training.toys import toy_recipe, write_pictures
from webapp.config import Config
from webapp.training.recipe import recipe_text

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Options for a job on toy pictures, the recipe last."""
    start, recipe = replace(toy_recipe(epochs=1), refit=False), tmp_path / "start.toml"
    recipe.write_text(recipe_text(start), encoding="utf-8")
    pictures = write_pictures(tmp_path / "toys", 8)
    return ["--data", str(pictures), "--weights", "none", "--recipe", str(recipe)]


def test_a_training_takes_the_recipe_that_a_search_wrote(
    runner: FlaskCliRunner, config: Config, options: list[str], tmp_path: Path
) -> None:
    best = str(tmp_path / "best.toml")
    limits = ["--trials", "2", "--epochs", "2", "--out", best]
    answer = runner.invoke(args=["model", "search", "toy", *options, *limits])
    assert answer.exit_code == 0, answer.output
    assert "Study toy: 2 trials" in answer.stdout
    assert (config.data / "training" / "search.sqlite").is_file()

    with children_in_this_process():
        trained = runner.invoke(args=["model", "train", "toy", *options[:-1], best])
    assert trained.exit_code == 0, trained.output
    card = json.loads((config.models / "toy" / "1" / "card.json").read_text())
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
    runner: FlaskCliRunner, options: list[str], option: str, value: str, complaint: str
) -> None:
    args = ["model", "search", "toy", *options, "--trials", "1", option, value]
    answer = runner.invoke(args=args)
    assert answer.exit_code == 1
    assert complaint in answer.stderr.splitlines()[-1]
