"""`flask photos classify --model`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from flask.testing import FlaskClient, FlaskCliRunner

from tests.conftest import draw
from tests.fakes import FakeClassifier


@pytest.fixture
def others(cars: FakeClassifier) -> list[FakeClassifier]:
    return [cars]


@pytest.fixture
def photo(tmp_path: Path) -> str:
    (tmp_path / "red.jpg").write_bytes(draw("#C00000"))
    return str(tmp_path / "red.jpg")


def classify(runner: FlaskCliRunner, photo: str, *options: str):
    return runner.invoke(args=["photos", "classify", photo, *options])


def test_a_named_model_answers(runner: FlaskCliRunner, photo: str) -> None:
    (row,) = json.loads(classify(runner, photo, "--model", "stanford-cars", "--json", "-").stdout)
    assert row["prediction"]["model"]["name"] == "stanford-cars" and "predictions" not in row


def test_all_models_answer_on_one_line(runner: FlaskCliRunner, photo: str) -> None:
    done = classify(runner, photo, "--model", "all")
    assert "f1-teams: Ferrari," in done.stdout and "· stanford-cars: Ferrari 458," in done.stdout


def test_all_models_have_a_line_each_in_a_table(runner: FlaskCliRunner, photo: str) -> None:
    rows = list(
        csv.DictReader(io.StringIO(classify(runner, photo, "--model", "all", "--csv", "-").stdout))
    )
    assert [row["model"] for row in rows] == ["f1-teams", "stanford-cars"]


def test_what_all_said_is_stored(runner: FlaskCliRunner, photo: str, client: FlaskClient) -> None:
    (row,) = json.loads(classify(runner, photo, "--model", "all", "--store", "--json", "-").stdout)
    assert len(row["predictions"]) == 2
    assert len(client.get(f"/api/v1/photos/{row['photo']}?model=all").json["predictions"]) == 2


def test_an_unknown_model_is_an_error_that_names_the_live_ones(
    runner: FlaskCliRunner, photo: str
) -> None:
    done = classify(runner, photo, "--model", "nothing")
    assert done.exit_code == 1 and "Live: f1-teams, stanford-cars" in done.stderr


@pytest.mark.parametrize("lines", [2, 3, 4])
def test_a_table_that_was_cut_between_two_models_is_completed(
    runner: FlaskCliRunner, tmp_path: Path, lines: int
) -> None:
    for name, color in (("a.jpg", "#C00000"), ("b.jpg", "#0600EF")):
        (tmp_path / name).write_bytes(draw(color))
    out, photos = tmp_path / "found.csv", [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    command = ["photos", "classify", *photos, "--model", "all", "--out", str(out), "--resume"]
    runner.invoke(args=command)
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:lines]))
    assert runner.invoke(args=command).exit_code == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["path"], row["model"]) for row in rows] == [
        (path, model) for path in photos for model in ("f1-teams", "stanford-cars")
    ]
