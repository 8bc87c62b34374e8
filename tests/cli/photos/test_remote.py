"""`flask photos classify --url`: photos go to a running server, results look the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify
from flask.testing import FlaskClient, FlaskCliRunner
from werkzeug.serving import make_server

from tests.browser.conftest import whole_answers
from tests.conftest import draw
from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.services.accounts import api_keys
from webapp.services.photos import remote
from webapp.storage.database import db


@contextmanager
def running(app: Callable[..., Any]) -> Iterator[str]:
    """The address of a server of this app."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    waiting = {"poll_interval": 0.02}  # seconds that the end of a test waits for
    thread = threading.Thread(target=server.serve_forever, kwargs=waiting, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def others(cars: FakeClassifier) -> list[FakeClassifier]:
    return [cars]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with running(whole_answers(app)) as results:
        yield results


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos, and one that is cut off."""
    results = tmp_path / "photos"
    results.mkdir()
    for number in range(6):
        (results / f"машина {number}.jpg").write_bytes(draw(mark=number))
    (results / "broken.jpg").write_bytes(draw()[:300])
    return results


@pytest.fixture
def answering(tmp_path: Path) -> Callable[..., Flask]:
    """A server that gives these answers one after the other, then a prediction to everybody."""

    def make(*answers: Callable[[], Any]) -> Flask:
        app, left = Flask("answering"), list(answers)
        text = {
            "decision": "ferrari",
            "label": "ferrari",
            "familiarity": None,
            "model": {"name": "f1-teams", "version": 1},
        }
        ranked = [
            {"rank": place, "label": name, "class_id": place, "probability": 0.5}
            for place, name in ((1, "ferrari"), (2, "bwt"))
        ]

        @app.post("/api/v1/classify")
        def classify() -> Any:
            return (
                left.pop(0)()
                if left
                else jsonify(
                    prediction={**text, "confidence": 0.5, "ranked": ranked, "elapsed_ms": 1.0}
                )
            )

        return app

    return make


def classify(
    runner: FlaskCliRunner, address: str, *arguments: object, env: dict[str, str] | None = None
):
    return runner.invoke(
        args=["photos", "classify", "--url", address, *map(str, arguments)], env=env
    )


def test_a_server_says_what_this_machine_would(
    runner: FlaskCliRunner, address: str, folder: Path
) -> None:
    there = classify(runner, address, folder, "--json", "-")
    here = runner.invoke(args=["photos", "classify", str(folder), "--json", "-"])
    rows = [json.loads(done.stdout) for done in (there, here)]
    for row in (row for some in rows for row in some if "prediction" in row):
        row["prediction"].pop("elapsed_ms")
        row["cars"][0]["prediction"].pop("elapsed_ms")
    assert rows[0] == rows[1]
    assert (there.exit_code, "6 classified, 1 failed." in there.stderr) == (1, True)


def test_all_models_of_the_server_can_be_asked(
    runner: FlaskCliRunner, address: str, folder: Path
) -> None:
    (row,) = json.loads(
        classify(runner, address, folder / "машина 0.jpg", "--model", "all", "--json", "-").stdout
    )
    assert [text["model"]["name"] for text in row["predictions"]] == ["f1-teams", "stanford-cars"]


def test_with_store_the_server_remembers_them(
    runner: FlaskCliRunner, address: str, folder: Path, client: FlaskClient
) -> None:
    done = classify(runner, address, folder, "--store", "--truth", "ferrari", "--format", "jsonl")
    kept = client.get("/api/v1/photos").json["items"]
    assert {json.loads(line).get("photo") for line in done.stdout.splitlines()} - {None} == {
        item["id"] for item in kept
    }
    assert {item["ground_truth"] for item in kept} == {"ferrari"}


class TestClosed:
    """A server that wants a key."""

    @pytest.fixture
    def config(self, config: Config) -> Config:
        return config.model_copy(update={"uploads": "login"})

    def test_without_a_key_it_says_how_to_give_one(
        self, runner: FlaskCliRunner, address: str, folder: Path
    ) -> None:
        done = classify(runner, address, folder)
        assert (done.exit_code, "--key or MARQUE_KEY" in done.stderr) == (1, True)

    def test_a_wrong_key_is_an_error(
        self, runner: FlaskCliRunner, address: str, folder: Path
    ) -> None:
        done = classify(runner, address, folder, "--key", "nonsense")
        assert (done.exit_code, "--key or MARQUE_KEY" in done.stderr) == (1, True)

    def test_the_key_comes_from_the_environment(
        self, app: Flask, runner: FlaskCliRunner, address: str, folder: Path
    ) -> None:
        with app.app_context():
            _row, key = api_keys.create_key("folder", "predict")
            db.session.remove()
        assert (
            "6 classified, 1 failed."
            in classify(runner, address, folder, env={"MARQUE_KEY": key}).stderr
        )


def test_a_server_that_is_not_there_is_named(
    runner: FlaskCliRunner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LONGEST_WAIT", 0.0)
    done = classify(runner, "http://127.0.0.1:9", folder)
    assert (done.exit_code, "http://127.0.0.1:9 cannot be reached: " in done.stderr) == (1, True)


@pytest.mark.parametrize("address", ["ftp://example.org", "http://", "//"])
def test_an_address_that_is_none_is_refused(
    runner: FlaskCliRunner, folder: Path, address: str
) -> None:
    done = classify(runner, address, folder)
    assert (done.exit_code, "is no address" in done.stderr) == (1, True)


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_a_busy_server_says(
    runner: FlaskCliRunner, folder: Path, answering, status: int
) -> None:
    busy = [lambda: Response("", status, {"Retry-After": "0"})] * 3
    with running(answering(*busy)) as address:
        done = classify(runner, address, folder, "--processes", 1)
    assert (done.exit_code, "7 classified, 0 failed." in done.stderr) == (0, True)


def test_a_long_wait_is_cut_short(
    runner: FlaskCliRunner, folder: Path, answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LONGEST_WAIT", 0.01)
    with running(answering(lambda: Response("", 503, {"Retry-After": "86400"}))) as address:
        assert classify(runner, address, folder).exit_code == 0


def test_a_server_that_stays_busy_ends_it_with_what_was_written_kept(
    runner: FlaskCliRunner, folder: Path, tmp_path: Path, answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LONGEST_WAIT", 0.0)
    out, app = tmp_path / "found.jsonl", answering()
    app.after_request(
        lambda answer: answer if len(calls) < 3 else Response('{"detail": "Full."}', 503)
    )
    calls: list[int] = []
    app.before_request(lambda: calls.append(1))
    with running(app) as address:
        done = classify(runner, address, folder, "--out", out, "--processes", 1)
    assert (done.exit_code, "is busy: Full." in done.stderr, len(out.read_text().splitlines())) == (
        1,
        True,
        2,
    )
    with running(answering()) as address:
        done = classify(runner, address, folder, "--out", out, "--resume")
    assert (done.exit_code, len(out.read_text().splitlines())) == (0, 7)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda: ("<h1>Hello</h1>", 200), "not like a Marque"),
        (lambda: ("no", 404), "Is it a Marque?"),
        (lambda: Response("", 301, {"Location": "https://example.org/"}), "https://example.org/"),
        (lambda: (jsonify(detail="The disk is full."), 507), "The disk is full."),
    ],
)
def test_an_answer_that_makes_no_sense_ends_it_in_words(
    runner: FlaskCliRunner, folder: Path, answering, answer, word: str
) -> None:
    with running(answering(answer)) as address:
        done = classify(runner, address, folder)
    assert (done.exit_code, word in done.stderr) == (1, True)


def test_no_model_is_needed_here(config: Config, folder: Path, answering, tmp_path: Path) -> None:
    app = create_app(config)
    with running(answering()) as address:
        done = classify(app.test_cli_runner(), address, folder, "--csv", "-")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 8)
