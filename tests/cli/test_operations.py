"""`flask prepare` and `flask doctor`."""

from __future__ import annotations

import io

import pytest
from flask import Flask

from tests.conftest import ROOT, draw
from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.services.accounts import users
from webapp.storage.database import db
from webapp.storage.sqlite import checkpoint_if_large


@pytest.fixture
def new_app(config: Config) -> Flask:
    return create_app(config, FakeClassifier())


def test_the_first_start_prints_a_password_once(new_app: Flask) -> None:
    runner = new_app.test_cli_runner()
    first, second = runner.invoke(args=["prepare"]), runner.invoke(args=["prepare"])
    assert first.exit_code == second.exit_code == 0
    password = first.stdout.split("password")[-1].split()[0]
    assert "password" not in second.stdout
    with new_app.app_context():
        assert users.log_in("admin", password).role == "admin"


def test_a_given_password_is_used_and_not_printed(config: Config) -> None:
    app = create_app(
        config.model_copy(update={"admin_password": "given by the operator"}), FakeClassifier()
    )
    assert "given" not in app.test_cli_runner().invoke(args=["prepare"]).stdout
    with app.app_context():
        assert users.log_in("admin", "given by the operator").name == "admin"


def test_a_password_that_cannot_be_used_stops_the_start(config: Config) -> None:
    app = create_app(config.model_copy(update={"admin_password": "short"}), FakeClassifier())
    done = app.test_cli_runner().invoke(args=["prepare"])
    assert done.exit_code == 1
    assert "MARQUE_ADMIN_PASSWORD" in done.stderr


def test_doctor_finds_the_shipped_model_well(config: Config) -> None:
    app = create_app(config.model_copy(update={"models": ROOT / "models"}))
    runner = app.test_cli_runner()
    runner.invoke(args=["prepare"])
    done = runner.invoke(args=["doctor"])
    assert done.exit_code == 0, done.output
    for line in (
        *("SQLite", "Database", "600 photos and 6,000 requests a minute"),
        *("f1-teams: 4 golden photos", "car-detector: 4 golden photos"),
    ):
        assert line in done.stdout


def test_doctor_tells_what_to_do_about_a_database_without_tables(config: Config) -> None:
    done = create_app(config, FakeClassifier()).test_cli_runner().invoke(args=["doctor"])
    assert (
        done.exit_code == 1
        and "no such table: files. `flask prepare` brings the database up to date." in done.output
    )


def test_doctor_says_when_there_is_no_model(config: Config) -> None:
    app = create_app(config)
    runner = app.test_cli_runner()
    runner.invoke(args=["prepare"])
    done = runner.invoke(args=["doctor"])
    assert done.exit_code == 1
    assert "WRONG" in done.stdout
    assert "No model is installed" in done.stdout


def test_doctor_says_when_the_redis_of_the_rate_limits_is_away(config: Config) -> None:
    pytest.importorskip("redis", reason="the Python package redis is not installed")
    app = create_app(config.model_copy(update={"rate_url": "redis://127.0.0.1:1"}))
    runner = app.test_cli_runner()
    runner.invoke(args=["prepare"])
    done = runner.invoke(args=["doctor"])
    assert done.exit_code == 1 and "no Redis answers there" in done.stdout


def test_doctor_notices_damage(config: Config, app: Flask, client) -> None:
    for number in range(30):
        client.post("/api/v1/photos", data={"file": (io.BytesIO(draw(mark=number)), "a.jpg")})
    with app.app_context():
        db.session.remove()
        checkpoint_if_large(at_least=1)
        db.engine.dispose()
    path = config.data / "marque.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xa5" * 4096 * 3
    path.write_bytes(content)
    done = app.test_cli_runner().invoke(args=["doctor"])
    assert done.exit_code == 1
    assert "damaged" in done.stdout or "malformed" in done.stdout
