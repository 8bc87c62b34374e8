"""Recipes as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from webapp.errors import TrainingError
from webapp.training.recipe import RECIPES, find_recipe, named, read_recipe, with_labels


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_house_can_be_read(path: Path) -> None:
    assert read_recipe(path).name == path.stem


def test_it_names_an_unknown_setting(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('name = "odd"\ntitle = "Odd"\n[augmentation]\nflipp = 0.5\n')
    with pytest.raises(TrainingError, match="unknown setting flipp"):
        read_recipe(path)


def test_it_names_a_setting_of_the_wrong_kind(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('name = "odd"\ntitle = "Odd"\nbatch = "many"\n')
    with pytest.raises(TrainingError, match="batch must be int, got 'many'"):
        read_recipe(path)


def test_a_stage_needs_sizes_in_steps_of_32(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(
        'name = "odd"\ntitle = "Odd"\n[[stages]]\nname = "one"\nepochs = 1\nrate = 1e-3\nunfreeze = 1.0\nheight = 100\nwidth = 96\n'
    )
    with pytest.raises(TrainingError, match="multiples of 32, got 100 x 96"):
        read_recipe(path)


def test_without_a_recipe_the_folders_name_the_labels() -> None:
    recipe = with_labels(find_recipe("my-cars"), ["pick-up", "estate_car"])
    assert [label.display for label in recipe.labels] == ["Estate car", "Pick up"]
    assert recipe.title == "My cars"


def test_it_refuses_a_folder_that_is_no_label_of_the_recipe() -> None:
    with pytest.raises(TrainingError, match="no label for the folder lotus"):
        with_labels(find_recipe("f1-teams"), ["ferrari", "lotus"])


def test_it_refuses_a_name_that_leaves_the_models_folder() -> None:
    with pytest.raises(TrainingError, match="A model's name"):
        named(find_recipe("f1-teams"), "../elsewhere")
