"""`flask photos classify`: files, folders, patterns; clean stdout; honest exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

from tests.conftest import draw
from webapp.cli.finding import find_photos
from webapp.cli.results import COLUMNS, Table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, one of them two folders down, and a text file."""
    deep = tmp_path / "photos" / "more" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_bytes(draw("#FF8700"))
    (tmp_path / "photos" / "b.PNG").write_bytes(draw("#0600EF", format="PNG"))
    (deep / "c.webp").write_bytes(draw("#C00000", format="WEBP"))
    (tmp_path / "photos" / "notes.txt").write_text("not a photo")
    return tmp_path / "photos"


def test_a_folder_becomes_a_json_list(runner: FlaskCliRunner, folder: Path) -> None:
    done = runner.invoke(args=["photos", "classify", str(folder), "--json", "-"])
    rows = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {Path(row["path"]).name: row["prediction"]["label"] for row in rows} == {
        "a.jpg": "mclaren",
        "b.PNG": "redbull",
        "c.webp": "ferrari",
    }


def test_progress_and_counts_go_to_stderr(runner: FlaskCliRunner, folder: Path) -> None:
    done = runner.invoke(args=["photos", "classify", str(folder), "--json", "-"])
    assert "3 ranked, 0 failed." in done.stderr
    assert "ranked," not in done.stdout


def test_a_csv_has_a_line_for_each_photo(runner: FlaskCliRunner, folder: Path) -> None:
    done = runner.invoke(args=["photos", "classify", str(folder), "--csv", "-"])
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in rows] == ["mclaren", "redbull", "ferrari"]
    assert float(rows[0]["confidence"]) > float(rows[0]["second_confidence"])


def test_without_a_format_it_prints_sentences(runner: FlaskCliRunner, folder: Path) -> None:
    done = runner.invoke(args=["photos", "classify", str(folder / "a.jpg")])
    assert "a.jpg: McLaren," in done.stdout


def test_a_bad_file_is_named_and_the_rest_is_ranked(runner: FlaskCliRunner, folder: Path) -> None:
    (folder / "broken.jpg").write_bytes(draw()[:300])
    done = runner.invoke(args=["photos", "classify", str(folder), "--json", "-"])
    assert done.exit_code == 1
    assert "broken.jpg" in done.stderr
    assert "3 ranked, 1 failed." in done.stderr


def test_nothing_is_stored_unless_asked_for(runner: FlaskCliRunner, folder: Path, client) -> None:
    runner.invoke(args=["photos", "classify", str(folder)])
    assert client.get("/api/v1/photos").json["items"] == []


def test_with_store_the_photos_are_in_the_history(runner: FlaskCliRunner, folder: Path, client) -> None:
    done = runner.invoke(args=["photos", "classify", str(folder), "--store", "--truth", "mclaren", "--json", "-"])
    assert {row["photo"] for row in json.loads(done.stdout)} == {one["id"] for one in client.get("/api/v1/photos").json["items"]}
    assert {one["ground_truth"] for one in client.get("/api/v1/photos").json["items"]} == {"mclaren"}


def test_storing_twice_adds_nothing(runner: FlaskCliRunner, folder: Path, client) -> None:
    for _ in range(2):
        done = runner.invoke(args=["photos", "classify", str(folder), "--store", "--json", "-"])
    assert all(row["duplicate"] for row in json.loads(done.stdout))
    assert len(client.get("/api/v1/photos").json["items"]) == 3


def test_a_path_that_does_not_exist_is_an_error(runner: FlaskCliRunner) -> None:
    done = runner.invoke(args=["photos", "classify", "/no/such/photo.jpg"])
    assert done.exit_code == 1
    assert "No such file" in done.stderr


def test_a_folder_without_photos_says_what_it_looked_for(runner: FlaskCliRunner, tmp_path: Path) -> None:
    done = runner.invoke(args=["photos", "classify", str(tmp_path)])
    assert done.exit_code == 1
    assert ".jpg" in done.stderr


def test_a_pattern_finds_files(folder: Path) -> None:
    assert [path.name for path in find_photos([str(folder / "*.jpg")])] == ["a.jpg"]


def test_a_file_that_is_named_twice_is_ranked_once(folder: Path) -> None:
    assert len(list(find_photos([str(folder), str(folder / "a.jpg")]))) == 3


def test_links_in_folders_are_not_followed(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    (folder / "link.jpg").symlink_to("/etc/passwd")
    assert len(list(find_photos([str(folder)]))) == 3


def test_a_pipe_is_refused_and_never_waited_for(runner: FlaskCliRunner, folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    done = runner.invoke(args=["photos", "classify", str(folder)])
    assert done.exit_code == 1
    assert "pipe.jpg: This is not a regular file." in done.stderr


def test_a_name_that_is_not_utf8_does_no_harm(runner: FlaskCliRunner, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(draw(mark=9))
    done = runner.invoke(args=["photos", "classify", str(folder), "--json", "-"])
    assert done.exit_code == 0
    assert len(json.loads(done.stdout)) == 4


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0.jpg", "+1.jpg", "-1.jpg", "@SUM.jpg"])
def test_a_cell_is_never_a_formula(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(Table().row({"path": name, "error": "no"}, first=True)), COLUMNS)
    assert row["path"] == f"'{name}"
