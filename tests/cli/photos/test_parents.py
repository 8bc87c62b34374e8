"""`flask photos classify` of photos whose answer is a parent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

from tests.conftest import draw
from tests.fakes import FakeClassifier, make_card_of_makes


@pytest.fixture
def classifier() -> FakeClassifier:
    """A model that takes every photo for one of two Audis."""
    classifier = FakeClassifier(make_card_of_makes())
    classifier.says(**{"audi-a4": 0.48, "audi-a5": 0.45})
    return classifier


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "a.jpg"
    path.write_bytes(draw())
    return str(path)


def test_it_is_said_in_a_sentence(runner: FlaskCliRunner, photo: str) -> None:
    done = runner.invoke(args=["photos", "classify", photo])
    assert "a.jpg: An Audi, 93\u202f%." in done.stdout


@pytest.mark.parametrize("stored", ["--store", "--no-store"])
def test_the_json_names_level_and_parent(runner: FlaskCliRunner, photo: str, stored: str) -> None:
    done = runner.invoke(args=["photos", "classify", photo, stored, "--json", "-"])
    prediction = json.loads(done.stdout)[0]["prediction"]
    assert (prediction["decision"], prediction["level"]) == ("Audi", "parent")
    assert prediction["parent"] == {"label": "Audi", "probability": pytest.approx(0.93)}
