"""What the report before training finds."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scipy", reason="the readers need SciPy")

from PIL import Image, ImageEnhance

from tests.training.toys import COLORS, picture, write_pictures
from webapp.inference.models.card import Label
from webapp.training.dataset_report import make_report, report_lines
from webapp.training.recipe import DataSource, Recipe

RECIPE = Recipe(name="toys", title="Toys")


def report_on(folder: Path, recipe: Recipe = RECIPE) -> dict[str, Any]:
    return make_report(recipe, [folder])


def test_it_counts_by_label_and_source(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", 2)
    write_pictures(tmp_path / "b", 3, first_seed=100)
    (tmp_path / "a" / "red" / "000.png").unlink()
    recipe = replace(RECIPE, data=(DataSource("a", "photos"), DataSource("b", "frames")))
    report = make_report(recipe, [tmp_path / "a", tmp_path / "b"])
    assert report["counts"]["red"] == {"frames": 3, "photos": 1}
    assert (report["photos"], report["imbalance"]) == (14, 1.25)


def test_it_names_unreadable_and_tiny_files(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    (tmp_path / "red" / "broken.jpg").write_bytes(b"not a photo")
    picture(5, COLORS["red"], (300, 200)).save(tmp_path / "red" / "large.png")
    report = report_on(tmp_path)
    assert [Path(file["file"]).name for file in report["unreadable"]] == ["broken.jpg"]
    assert len(report["tiny"]) == 3
    assert {"file": f"{tmp_path.name}/red/000.png", "width": 60, "height": 40} in report["tiny"]


def test_exact_and_near_duplicates_are_told_apart(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3)
    shutil.copy(tmp_path / "red" / "000.png", tmp_path / "red" / "again.png")
    ImageEnhance.Brightness(Image.open(tmp_path / "red" / "001.png")).enhance(0.95).save(
        tmp_path / "red" / "near.png"
    )
    report = report_on(tmp_path)
    assert [[Path(file).name for file in names] for names in report["exact_duplicates"]] == [
        ["000.png", "again.png"]
    ]
    assert [[Path(file).name for file in names] for names in report["near_duplicates"]] == [
        ["001.png", "near.png"]
    ]


def test_a_burst_is_seen_through_a_file_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    for seed, second in ((1, "20260101120000"), (2, "20260101120001"), (1, "20260601120000")):
        picture(seed, COLORS["red"]).save(tmp_path / "red" / f"{second}.png")
    assert [len(names) for names in report_on(tmp_path)["near_duplicates"]] == [2]


def test_photos_that_look_alike_under_two_labels_are_listed(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    shutil.copy(tmp_path / "red" / "000.png", tmp_path / "blue" / "same.png")
    ImageEnhance.Brightness(Image.open(tmp_path / "red" / "001.png")).enhance(0.95).save(
        tmp_path / "green" / "near.png"
    )
    first, second = report_on(tmp_path)["two_labels"]
    root = tmp_path.name
    assert first == {
        "first": f"{root}/blue/same.png",
        "first_label": "blue",
        "second": f"{root}/red/000.png",
        "second_label": "red",
        "same_file": True,
        "difference": 0.0,
    }
    assert (second["first"], second["second"], second["same_file"]) == (
        f"{root}/green/near.png",
        f"{root}/red/001.png",
        False,
    )


def test_a_shared_hash_of_other_colours_is_no_suspicion(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    Image.open(tmp_path / "red" / "000.png").convert("L").convert("RGB").save(
        tmp_path / "blue" / "grey.png"
    )
    assert report_on(tmp_path)["two_labels"] == []


def test_labels_are_compared_with_those_of_the_recipe(tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    recipe = replace(
        RECIPE, labels=(Label("red", "Red"), Label("green", "Green"), Label("white", "White"))
    )
    report = report_on(tmp_path, recipe)
    assert (report["unknown_labels"], report["empty_labels"]) == (["blue"], ["white"])


def test_its_text_says_what_is_fine_too(tmp_path: Path) -> None:
    text = "\n".join(report_lines(report_on(write_pictures(tmp_path, 2))))
    assert text.startswith("toys: 6 photos, 3 labels, 1 source\n")
    assert "Cannot be read: none." in text
    assert "The largest label (blue, 2) has 1.0 times the photos of the smallest (blue, 2)." in text


def test_in_its_text_a_long_list_is_cut_short(tmp_path: Path) -> None:
    text = "\n".join(report_lines(report_on(write_pictures(tmp_path, 9))))
    assert "Smaller than 100 pixels: 27" in text
    assert "… and 7 more: see --json" in text


def test_as_json_it_is_complete(tmp_path: Path) -> None:
    report = json.loads(json.dumps(report_on(write_pictures(tmp_path, 9))))
    assert len(report["tiny"]) == report["photos"] == 27
