"""Recipes as data."""

from pathlib import Path

import pytest

from webapp.errors import TrainingError
from webapp.training.detector.recipe import find_detector_recipe
from webapp.training.recipe import RECIPES, find_recipe, fitted, named, read_recipe, with_labels


def called(*names: str) -> dict[str, str]:
    """Labels that the data calls by their names."""
    return {name: name for name in names}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_read(path: Path) -> None:
    recipe = find_detector_recipe(path.stem) or read_recipe(path)
    assert recipe.name == path.stem


def test_a_recipe_of_a_detector_names_an_unknown_setting(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('task = "detect"\nname = "odd"\ntitle = "Odd"\nanchors = 3\n')
    with pytest.raises(TrainingError, match=r"odd\.toml: unknown setting anchors"):
        find_detector_recipe("odd", path)


def test_it_says_that_a_recipe_is_a_detectors() -> None:
    with pytest.raises(TrainingError, match="is the recipe of a detector"):
        read_recipe(RECIPES / "car-detector.toml")


def test_it_names_an_unknown_setting(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('name = "odd"\ntitle = "Odd"\n[augmentation]\nflipp = 0.5\n')
    with pytest.raises(TrainingError, match=r"odd\.toml: unknown setting augmentation\.flipp"):
        read_recipe(path)


def test_it_says_that_cars_are_drawn_no_more(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text('name = "old"\ntitle = "Old"\ndrawings = 20\n')
    with pytest.raises(TrainingError, match=r"old\.toml: drawings is no setting any more"):
        read_recipe(path)


def test_it_names_a_setting_of_the_wrong_kind(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('name = "odd"\ntitle = "Odd"\nbatch = "many"\n')
    with pytest.raises(TrainingError, match="batch must be a valid integer, got 'many'"):
        read_recipe(path)


def test_a_stage_needs_sizes_in_steps_of_32(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(
        'name = "odd"\ntitle = "Odd"\n[[stages]]\nname = "first"\nepochs = 1\nrate = 1e-3\n'
        "unfreeze = 1.0\nheight = 100\nwidth = 96\n"
    )
    with pytest.raises(TrainingError, match=r"stages\.0\.height must be a multiple of 32, got 100"):
        read_recipe(path)


def test_without_a_recipe_the_folders_name_the_labels() -> None:
    recipe = with_labels(find_recipe("my-cars"), called("pick-up", "estate_car"))
    assert [label.display for label in recipe.labels] == ["Estate car", "Pick up"]
    assert recipe.title == "My cars"


def test_it_refuses_a_folder_that_is_no_label_of_the_recipe() -> None:
    with pytest.raises(TrainingError, match="no label for the folder lotus"):
        with_labels(find_recipe("f1-teams"), called("ferrari", "lotus"))


def test_it_names_all_folders_that_are_no_label_of_the_recipe() -> None:
    with pytest.raises(TrainingError, match="no label for the folders lotus, tyrrell"):
        with_labels(find_recipe("f1-teams"), called("ferrari", "tyrrell", "lotus"))


def test_it_refuses_a_name_that_leaves_the_models_folder() -> None:
    with pytest.raises(TrainingError, match="A model's name"):
        named(find_recipe("f1-teams"), "../elsewhere")


def test_labels_from_the_data_are_named_by_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "cars.toml"
    path.write_text(
        'name = "cars"\ntitle = "Cars"\nlabels = "folders"\n'
        '[naming]\ndrop = " \\\\d{4}$"\nparent = "^(Land Rover|\\\\S+)"\n'
    )
    labels = with_labels(
        read_recipe(path), called("Land Rover LR2 SUV 2012", "Audi S4 Sedan 2007")
    ).labels
    assert [(label.display, label.parent) for label in labels] == [
        ("Audi S4 Sedan", "Audi"),
        ("Land Rover LR2 SUV", "Land Rover"),
    ]


def test_what_the_data_calls_a_label_is_shown() -> None:
    labels = with_labels(find_recipe("my-dogs"), {"n02085936": "Maltese_dog"}).labels
    assert (labels[0].name, labels[0].display) == ("n02085936", "Maltese dog")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            '[layout]\nkind = "heap"',
            "layout.kind must be 'folders', 'table', 'cars-devkit' or 'dogs', got 'heap'",
        ),
        ('[layout]\ncolumn = "Id"', "unknown setting layout.column"),
        ('[naming]\ndrop = "("', "naming.drop is no regular expression"),
        ('[naming]\nparent = "^A"', "naming parent needs a group"),
        ('backbone = "vgg"', r"odd\.toml: backbone must be one of mobilenet_v2.*, got 'vgg'"),
        ('schedule = "linear"', "schedule must be 'cosine' or 'plateau'"),
        (
            "[augmentation]\nrand_strength = 2.0",
            "augmentation.rand_strength must be less than or equal to 1",
        ),
        ('precision = "half"', "precision must be 'auto', 'float32' or 'mixed_bfloat16'"),
        ('labels = "files"', "labels must be"),
        ("display = 2026-11-30", r"odd\.toml: no setting is a date or a time"),
    ],
)
def test_it_refuses_what_it_does_not_know(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f'name = "odd"\ntitle = "Odd"\n{text}\n')
    with pytest.raises(TrainingError, match=complaint):
        read_recipe(path)


def test_without_stages_few_photos_are_seen_often_and_many_seldom() -> None:
    few, many = fitted(find_recipe("my-cars"), 30), fitted(find_recipe("my-cars"), 5000)
    assert (few.stages[0].epochs, few.stages[0].unfreeze, few.batch) == (20, 0.5, 8)
    assert (many.stages[0].epochs, many.stages[0].unfreeze, many.batch) == (4, 1.0, 32)


def test_stages_of_a_recipe_stay() -> None:
    recipe = find_recipe("f1-teams")
    assert fitted(recipe, 30) == recipe
