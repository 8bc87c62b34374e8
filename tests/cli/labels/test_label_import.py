"""`flask photos import`: a look first, then one batch; folders may bring their photos along."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from tests.conftest import draw
from webapp.gallery_filter import GalleryFilter
from webapp.services.photos import gallery as history

Upload = Callable[..., str]


@pytest.fixture
def bring(runner: FlaskCliRunner):
    def run(*arguments: str, code: int = 0) -> str:
        done = runner.invoke(args=["photos", "import", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "labels.csv").write_text("filename,label\ncar.jpg,haas\n")
    return tmp_path / "labels.csv"


def truths(app: Flask) -> list[tuple[str, str | None]]:
    with app.app_context():
        return [
            (photo.filename, photo.ground_truth)
            for photo in history.gallery_page(GalleryFilter()).items
        ]


def test_it_looks_before_it_leaps(app: Flask, bring, upload: Upload, table: Path) -> None:
    upload()
    output = bring(str(table))
    assert "1 cars get a label" in output and "Nothing was changed" in output
    assert truths(app) == [("car.jpg", None)]


def test_it_does_it_when_told(app: Flask, bring, upload: Upload, table: Path) -> None:
    upload()
    assert "1 cars labelled. Batch " in bring(str(table), "--apply")
    assert truths(app) == [("car.jpg", "haas")]


def test_a_box_without_a_label_is_drawn_and_not_called_labelled(
    app: Flask, bring, upload: Upload, tmp_path: Path
) -> None:
    upload()
    table = tmp_path / "boxes.csv"
    table.write_text("filename,label,x,y,width,height\ncar.jpg,car,0.1,0.1,0.5,0.5\n")
    output = bring(str(table), "--apply")
    assert "1 cars labelled or drawn. Batch " in output
    assert truths(app) == [("car.jpg", None)]


def test_what_cannot_be_taken_is_said_and_the_exit_code_tells(
    bring, upload: Upload, table: Path
) -> None:
    assert "1 left out, unknown photo:\n  line 2: car.jpg" in bring(str(table), code=1)


def test_a_folder_brings_its_photos_along(app: Flask, bring, tmp_path: Path) -> None:
    for number, label in enumerate(("haas", "bwt")):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / f"{label}.jpg").write_bytes(draw(mark=number))
    assert "2 are about photos that are not here yet" in bring(str(tmp_path / "data"), "--add")
    assert "2 photos added." in bring(str(tmp_path / "data"), "--add", "--apply")
    assert sorted(truths(app)) == [("bwt.jpg", "bwt"), ("haas.jpg", "haas")]


def test_a_folder_may_have_its_labels_in_a_table(
    app: Flask, bring, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "car.jpg").write_bytes(draw())
    bring(str(tmp_path / "photos"), "--labels", str(table), "--add", "--apply")
    assert truths(app) == [("car.jpg", "haas")]


def test_an_export_that_was_sorted_by_hand_comes_back(
    app: Flask, bring, runner: FlaskCliRunner, upload: Upload, tmp_path: Path
) -> None:
    upload(ground_truth="haas")
    runner.invoke(
        args=["photos", "export", "--format", "folders", "--out", str(tmp_path / "data"), "--quiet"]
    )
    (tmp_path / "data" / "haas").rename(tmp_path / "data" / "bwt")
    bring(str(tmp_path / "data"), "--replace", "--apply")
    assert truths(app) == [("car.jpg", "bwt")]


def test_a_file_of_another_kind_is_refused(bring, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear\n")
    assert "no column for the label" in bring(str(tmp_path / "letter.txt"), code=1)


def test_a_folder_of_new_photos_says_how_they_come_in(bring, tmp_path: Path) -> None:
    (tmp_path / "data" / "haas").mkdir(parents=True)
    (tmp_path / "data" / "haas" / "car.jpg").write_bytes(draw())
    assert "add --add" in bring(str(tmp_path / "data"), code=1)


def test_a_look_before_adding_names_folders_that_are_no_label(bring, tmp_path: Path) -> None:
    (tmp_path / "data" / "tank").mkdir(parents=True)
    (tmp_path / "data" / "tank" / "car.jpg").write_bytes(draw())
    assert "1 left out, unknown label" in bring(str(tmp_path / "data"), "--add", code=1)


def test_a_photo_that_is_refused_is_named_and_the_exit_code_tells(
    app: Flask, bring, tmp_path: Path
) -> None:
    (tmp_path / "data" / "haas").mkdir(parents=True)
    (tmp_path / "data" / "haas" / "car.jpg").write_bytes(draw())
    (tmp_path / "data" / "haas" / "notes.jpg").write_text("hello")
    output = bring(str(tmp_path / "data"), "--add", "--apply", code=1)
    assert "notes.jpg: " in output and "1 photos added. 1 were refused." in output
    assert truths(app) == [("car.jpg", "haas")]


def test_an_empty_folder_is_an_error(bring, tmp_path: Path) -> None:
    assert "There are no labels in" in bring(str(tmp_path), code=1)
