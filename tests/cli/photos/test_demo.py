"""`flask demo`: our samples or pictures of one's own, as bars in the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

from tests.conftest import draw
from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "my car.jpg").write_bytes(draw("#C00000"))
    return tmp_path / "my car.jpg"


def test_a_picture_is_answered_in_words_and_bars(runner: FlaskCliRunner, photo: Path) -> None:
    done = runner.invoke(args=["demo", str(photo)])
    lines = done.stdout.splitlines()
    assert (done.exit_code, lines[0], lines[1].startswith("Ferrari,")) == (0, str(photo), True)
    assert "█" in lines[3] and lines[3].strip().startswith("Ferrari") and lines[3].endswith("%")
    assert len(lines) == 8


def test_nothing_of_it_is_stored(runner: FlaskCliRunner, photo: Path, client) -> None:
    runner.invoke(args=["demo", str(photo)])
    assert client.get("/api/v1/photos").json["items"] == []


def test_a_bad_picture_is_named_and_the_others_are_shown(
    runner: FlaskCliRunner, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("hello")
    done = runner.invoke(args=["demo", str(tmp_path / "notes.jpg"), str(photo)])
    assert (done.exit_code, "notes.jpg: " in done.stderr, "Ferrari," in done.stdout) == (
        1,
        True,
        True,
    )


def test_an_empty_folder_is_an_error(runner: FlaskCliRunner, tmp_path: Path) -> None:
    assert runner.invoke(args=["demo", str(tmp_path)]).exit_code == 1


@pytest.mark.parametrize("answer", ["q\n", "quit\n", ""])
def test_the_menu_ends_calmly(runner: FlaskCliRunner, answer: str) -> None:
    done = runner.invoke(args=["demo"], input=answer)
    assert (done.exit_code, done.stdout, "McLaren" in done.stderr) == (0, "", True)


@pytest.mark.parametrize("typed", ["{}", "'{}'", '"{}"', "{escaped}"])
def test_the_menu_takes_a_path_as_terminals_write_it(
    runner: FlaskCliRunner, photo: Path, typed: str
) -> None:
    text = typed.format(photo, escaped=str(photo).replace(" ", "\\ "))
    assert "Ferrari," in runner.invoke(args=["demo"], input=f"{text}\n").stdout


def test_the_menu_shows_a_sample_by_its_number(
    runner: FlaskCliRunner, classifier: FakeClassifier
) -> None:
    classifier.says(mclaren=0.9)
    done = runner.invoke(args=["demo"], input="5\nq\n")
    assert done.stdout.splitlines()[:2] == ["McLaren", "McLaren, 90 %."]


def test_the_menu_shows_all_samples(runner: FlaskCliRunner, classifier: FakeClassifier) -> None:
    assert runner.invoke(args=["demo"], input="a\nq\n").exit_code == 0
    assert classifier.ranked_photos == 12


@pytest.mark.parametrize("typed", ["99", "0", "/no/such/picture.jpg", "'", "?", "nonsense"])
def test_the_menu_goes_on_after_nonsense(runner: FlaskCliRunner, photo: Path, typed: str) -> None:
    done = runner.invoke(args=["demo"], input=f"{typed}\n{photo}\n")
    assert (done.exit_code, "Ferrari," in done.stdout) == (0, True)


def test_without_a_model_it_says_so(config: Config) -> None:
    done = create_app(config).test_cli_runner().invoke(args=["demo"], input="1\n")
    assert (done.exit_code, "No model is installed" in done.stderr, done.stdout) == (1, True, "")
