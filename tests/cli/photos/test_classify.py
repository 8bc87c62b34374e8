"""`flask photos classify`: files, folders, patterns; clean stdout; honest exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskCliRunner

from tests.cars import LEFT, RIGHT
from tests.conftest import ROOT, draw
from tests.fakes import FakeClassifier, FakeDetector
from webapp.cli.photos.output_formats import COLUMNS, table_lines
from webapp.cli.photos.paths import find_photos


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
    assert "3 classified, 0 failed." in done.stderr
    assert "classified," not in done.stdout


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
    assert "3 classified, 1 failed." in done.stderr


def test_nothing_is_stored_unless_asked_for(runner: FlaskCliRunner, folder: Path, client) -> None:
    runner.invoke(args=["photos", "classify", str(folder)])
    assert client.get("/api/v1/photos").json["items"] == []


def test_with_store_the_photos_are_in_the_history(
    runner: FlaskCliRunner, folder: Path, client
) -> None:
    done = runner.invoke(
        args=["photos", "classify", str(folder), "--store", "--truth", "mclaren", "--json", "-"]
    )
    assert {row["photo"] for row in json.loads(done.stdout)} == {
        item["id"] for item in client.get("/api/v1/photos").json["items"]
    }
    assert {item["ground_truth"] for item in client.get("/api/v1/photos").json["items"]} == {
        "mclaren"
    }


def test_storing_twice_adds_nothing(runner: FlaskCliRunner, folder: Path, client) -> None:
    for _ in range(2):
        done = runner.invoke(args=["photos", "classify", str(folder), "--store", "--json", "-"])
    assert all(row["duplicate"] for row in json.loads(done.stdout))
    assert len(client.get("/api/v1/photos").json["items"]) == 3


def test_a_path_that_does_not_exist_is_an_error(runner: FlaskCliRunner) -> None:
    done = runner.invoke(args=["photos", "classify", "/no/such/photo.jpg"])
    assert done.exit_code == 1
    assert "No such file" in done.stderr


def test_a_folder_without_photos_says_what_it_looked_for(
    runner: FlaskCliRunner, tmp_path: Path
) -> None:
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
    (row,) = csv.DictReader(io.StringIO(table_lines({"path": name, "error": "no"})), COLUMNS)
    assert row["path"] == f"'{name}"


# ---- formats ----


def classify(runner: FlaskCliRunner, *arguments: object):
    return runner.invoke(args=["photos", "classify", *map(str, arguments)])


def test_each_line_of_jsonl_is_a_photo(runner: FlaskCliRunner, folder: Path) -> None:
    lines = classify(runner, folder, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["prediction"]["label"] for line in lines] == [
        "mclaren",
        "redbull",
        "ferrari",
    ]


def test_a_filename_map_has_class_id_and_class_name(runner: FlaskCliRunner, folder: Path) -> None:
    assert json.loads(classify(runner, folder, "--format", "filename-map").stdout) == {
        "a.jpg": {"class_id": 4, "class_name": "mclaren"},
        "b.PNG": {"class_id": 6, "class_name": "redbull"},
        "c.webp": {"class_id": 2, "class_name": "ferrari"},
    }


def test_photos_of_one_name_are_called_by_their_paths_in_a_map(
    runner: FlaskCliRunner, folder: Path
) -> None:
    (folder / "more" / "a.jpg").write_bytes(draw("#C00000"))
    results = json.loads(classify(runner, folder, "--format", "filename-map").stdout)
    assert set(results) == {
        str(folder / "a.jpg"),
        str(folder / "more" / "a.jpg"),
        "b.PNG",
        "c.webp",
    }


def test_a_map_has_no_place_for_errors_and_stays_json(runner: FlaskCliRunner, folder: Path) -> None:
    (folder / "a.jpg").write_bytes(b"hello")
    done = classify(runner, folder, "--format", "filename-map")
    assert set(json.loads(done.stdout)) == {"b.PNG", "c.webp"}
    assert (done.exit_code, "a.jpg: " in done.stderr) == (1, True)


@pytest.mark.parametrize("name", ["found.json", "found.jsonl", "found.csv"])
def test_the_ending_of_the_file_says_the_format(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path, name: str
) -> None:
    assert classify(runner, folder, "--out", tmp_path / name).exit_code == 0
    start = {"found.json": "[", "found.jsonl": '{"path"', "found.csv": "path,"}[name]
    assert (tmp_path / name).read_text().startswith(start)


def test_a_prediction_names_five_labels_or_all(runner: FlaskCliRunner, folder: Path) -> None:
    few, every = (
        json.loads(classify(runner, folder / "a.jpg", "--json", "-", *more).stdout)[0]
        for more in ([], ["--all-labels"])
    )
    assert len(few["prediction"]["ranked"]) == 5
    assert every["prediction"]["ranked"][:5] == few["prediction"]["ranked"]
    assert len(every["prediction"]["ranked"]) == 10


def test_a_stored_photo_has_the_same_row_as_one_that_is_not(
    runner: FlaskCliRunner, folder: Path
) -> None:
    looked, stored = (
        json.loads(classify(runner, folder / "a.jpg", "--json", "-", *more).stdout)[0]
        for more in ([], ["--store"])
    )
    for row in (looked, stored):
        row["prediction"].pop("elapsed_ms")
    assert looked["prediction"] == stored["prediction"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--json", "-", "--csv", "-"], "One format"),
        (["--json", "-", "--format", "csv"], "One format"),
        (["--out", "found.xlsx"], "does not say how"),
        (["--resume"], "--resume"),
        (["--resume", "--json", "found.json"], "--resume"),
        (["--resume", "--format", "jsonl"], "--resume"),
        (["--truth", "mclaren"], "--store"),
    ],
)
def test_options_that_contradict_each_other_are_explained(
    runner: FlaskCliRunner, folder: Path, options: list[str], word: str
) -> None:
    done = classify(runner, folder, *options)
    assert (done.exit_code, word in done.stderr) == (2, True)


def test_a_file_that_cannot_be_written_is_an_error_in_words(
    runner: FlaskCliRunner, folder: Path
) -> None:
    done = classify(runner, folder, "--format", "jsonl", "--out", folder / "none" / "found.jsonl")
    assert (done.exit_code, "cannot be written: No such file" in done.stderr) == (1, True)


def test_nothing_is_written_when_nobody_can_rank(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "found.json").write_text("[]")
    done = classify(runner, folder, "--json", tmp_path / "found.json", "--model", "nothing")
    assert (done.exit_code, (tmp_path / "found.json").read_text()) == (1, "[]")


# ---- going on ----


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("lost", [1, 40, 100_000])
def test_a_file_that_was_cut_off_is_completed(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path, kind: str, lost: int
) -> None:
    out = tmp_path / f"found.{kind}"
    classify(runner, folder, "--out", out)
    whole = out.read_bytes()
    out.write_bytes(whole[:-lost])
    assert classify(runner, folder, "--out", out, "--resume").exit_code == 0
    assert paths_in(out) == [
        str(folder / "a.jpg"),
        str(folder / "b.PNG"),
        str(folder / "more" / "deep" / "c.webp"),
    ]


def paths_in(out: Path) -> list[str]:
    lines = out.read_text().splitlines()
    return (
        [json.loads(line)["path"] for line in lines]
        if out.suffix == ".jsonl"
        else [row["path"] for row in csv.DictReader(lines)]
    )


def test_what_is_done_is_not_done_again(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path, classifier: FakeClassifier
) -> None:
    out = tmp_path / "found.jsonl"
    classify(runner, folder, "--out", out)
    done = classify(runner, folder, "--out", out, "--resume")
    assert (classifier.ranked_photos, len(paths_in(out))) == (3, 3)
    assert "3 of 3 are in" in done.stderr


def test_new_photos_of_the_folder_are_added(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found.csv"
    classify(runner, folder, "--out", out)
    (folder / "0.jpg").write_bytes(draw(mark=5))
    classify(runner, folder, "--out", out, "--resume")
    assert [Path(path).name for path in paths_in(out)] == ["a.jpg", "b.PNG", "c.webp", "0.jpg"]


def test_what_failed_before_still_counts(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path
) -> None:
    (folder / "a.jpg").write_bytes(b"hello")
    out = tmp_path / "found.jsonl"
    assert [
        classify(runner, folder, "--out", out, *more).exit_code for more in ([], ["--resume"])
    ] == [1, 1]
    assert len(paths_in(out)) == 3


@pytest.mark.parametrize("name", ["found.jsonl", "found.csv"])
def test_a_file_of_something_else_is_left_alone(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("name,price\ncar,7\n")
    done = classify(runner, folder, "--out", tmp_path / name, "--resume")
    assert (done.exit_code, "Nothing was changed" in done.stderr) == (1, True)
    assert (tmp_path / name).read_text() == "name,price\ncar,7\n"


def test_a_path_with_a_line_end_or_a_formula_is_found_again(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(folder)
    for number, name in enumerate(("two\nlines.jpg", "=1+1.jpg", 'quo"ted.jpg')):
        (folder / name).write_bytes(draw(mark=number))
    names = sorted(item.name for item in folder.glob("*.jpg"))
    for _ in range(2):
        done = classify(runner, *names, "--out", tmp_path / "found.csv", "--resume")
    assert "4 of 4 are in" in done.stderr


# ---- a whole process ----


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A hundred photos."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number:03}.jpg").write_bytes(draw(mark=number))
    return folder


def start(tmp_path: Path, *arguments: object, **more: Any) -> subprocess.Popen[bytes]:
    """The command as a person runs it, with the shipped model."""
    command = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        "wsgi",
        "photos",
        "classify",
        *map(str, arguments),
    ]
    env = {**os.environ, "MARQUE_DATA": str(tmp_path / "data")}
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, **more)


def read_until(out: Path, lines: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the file has this number of lines."""
    while process.poll() is None and (not out.exists() or out.read_bytes().count(b"\n") < lines):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_killed_in_the_middle_it_goes_on_without_loss_or_repetition(
    many: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / f"found.{kind}"
    process = start(tmp_path, many, "--out", out)
    read_until(out, 20, process)
    process.kill()
    process.communicate()
    before = len(paths_in(out))
    again = start(tmp_path, many, "--out", out, "--resume")
    assert (again.wait(), before < 100) == (0, True)
    again.communicate()
    assert paths_in(out) == [str(path) for path in sorted(many.iterdir())]


def test_killed_while_storing_it_goes_on_and_stores_each_once(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    process = start(tmp_path, many, "--store", "--out", out)
    read_until(out, 20, process)
    process.kill()
    process.communicate()
    again = start(tmp_path, many, "--store", "--out", out, "--resume")
    assert again.communicate()[1].decode().count("failed") == 1
    assert paths_in(out) == [str(path) for path in sorted(many.iterdir())]
    with closing(sqlite3.connect(tmp_path / "data" / "marque.sqlite")) as history:
        assert history.execute(
            "SELECT COUNT(*), COUNT(DISTINCT sha256) FROM photos"
        ).fetchone() == (100, 100)


def test_ctrl_c_ends_it_with_a_whole_list(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    process = start(
        tmp_path, many, many, *[many / item.name for item in many.iterdir()], "--json", out
    )
    read_until(out, 20, process)
    process.send_signal(signal.SIGINT)
    text = process.communicate()[1].decode()
    rows = json.loads(out.read_text())
    assert 20 <= len(rows) <= 100
    if len(rows) < 100:  # a quick machine may have been done
        assert (process.returncode, "Stopped." in text, "Traceback" in text) == (130, True, False)


def test_a_reader_that_goes_away_is_no_traceback(many: Path, tmp_path: Path) -> None:
    process = start(tmp_path, many, "--format", "jsonl", stdout=subprocess.PIPE)
    line = process.stdout.readline()
    process.stdout.close()
    text = process.stderr.read().decode()
    process.stderr.close()
    process.wait()
    assert json.loads(line)["path"].endswith("000.jpg")
    assert "Traceback" not in text and "Exception" not in text


def test_each_car_has_a_line_with_its_box(
    runner: FlaskCliRunner, folder: Path, detector: FakeDetector
) -> None:
    lines = classify(runner, folder / "a.jpg").stdout.splitlines()
    assert [line.partition("a.jpg ")[2].partition("]")[0] for line in lines] == [
        "[0.05 0.10 0.40 0.50",
        "[0.55 0.25 0.40 0.50",
    ]
    (row,) = json.loads(classify(runner, folder / "a.jpg", "--json", "-").stdout)
    assert [car["box"] for car in row["cars"]] == [list(LEFT), list(RIGHT)]
    assert row["prediction"] == row["cars"][0]["prediction"]
    table = csv.DictReader(io.StringIO(classify(runner, folder / "a.jpg", "--csv", "-").stdout))
    assert [(line["x"], line["width"]) for line in table] == [("0.05", "0.4"), ("0.55", "0.4")]


def test_without_looking_for_cars_the_whole_photo_counts_as_one(
    runner: FlaskCliRunner, folder: Path, detector: FakeDetector
) -> None:
    (line,) = classify(runner, folder / "a.jpg", "--whole").stdout.splitlines()
    assert "[" not in line
    (row,) = json.loads(classify(runner, folder / "a.jpg", "--whole", "--json", "-").stdout)
    assert [car["found_by"] for car in row["cars"]] == ["whole"]


def test_stored_photos_have_their_cars_too(
    runner: FlaskCliRunner, folder: Path, detector: FakeDetector
) -> None:
    (row,) = json.loads(classify(runner, folder / "a.jpg", "--store", "--json", "-").stdout)
    assert [car["box"] for car in row["cars"]] == [list(LEFT), list(RIGHT)]
