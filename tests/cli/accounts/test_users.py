"""`flask users` and `flask keys`."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskCliRunner

from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.services.accounts import api_keys, users


def test_a_user_is_created_with_a_password_shown_once(app: Flask, runner: FlaskCliRunner) -> None:
    done = runner.invoke(args=["users", "create", "Anna", "--role", "admin"])
    assert done.exit_code == 0
    password = done.stdout.rsplit(maxsplit=1)[-1]
    with app.app_context():
        assert users.log_in("Anna", password).role == "admin"


def test_nothing_has_to_be_prepared_before(config: Config) -> None:
    app = create_app(config, FakeClassifier())
    assert app.test_cli_runner().invoke(args=["users", "create", "Anna"]).exit_code == 0
    with app.app_context():
        assert [user.name for user in users.all_users()] == ["Anna"]


def test_a_name_that_is_taken_is_an_error(runner: FlaskCliRunner) -> None:
    runner.invoke(args=["users", "create", "Anna"])
    done = runner.invoke(args=["users", "create", "Anna"])
    assert done.exit_code == 1
    assert "already" in done.stderr


def test_a_forgotten_password_is_replaced(app: Flask, runner: FlaskCliRunner) -> None:
    runner.invoke(args=["users", "create", "Anna"])
    password = runner.invoke(args=["users", "password", "Anna"]).stdout.rsplit(maxsplit=1)[-1]
    with app.app_context():
        assert users.log_in("Anna", password).name == "Anna"


def test_a_password_for_nobody_is_an_error(runner: FlaskCliRunner) -> None:
    assert runner.invoke(args=["users", "password", "Nobody"]).exit_code == 1


def test_users_are_listed(runner: FlaskCliRunner) -> None:
    runner.invoke(args=["users", "create", "Anna"])
    assert "Anna\treviewer" in runner.invoke(args=["users", "list"]).stdout


def test_a_key_is_created_listed_and_revoked(app: Flask, runner: FlaskCliRunner) -> None:
    text = runner.invoke(
        args=["keys", "create", "gate camera", "--scope", "review"]
    ).stdout.split()[-1]
    with app.app_context():
        assert api_keys.find_key(text) is not None
    assert f"{text[:10]}…\treview\tgate camera" in runner.invoke(args=["keys", "list"]).stdout
    assert runner.invoke(args=["keys", "revoke", text[:10]]).exit_code == 0
    with app.app_context():
        assert api_keys.find_key(text) is None


def test_a_key_may_have_a_last_day(runner: FlaskCliRunner) -> None:
    done = runner.invoke(args=["keys", "create", "robot", "--expires", "2999-12-31"])
    assert "expires 3000-01-01 00:00 UTC" in done.stdout
    assert "never used\tuntil 3000-01-01 00:00 UTC" in runner.invoke(args=["keys", "list"]).stdout


def test_a_last_day_that_makes_no_sense_is_an_error(runner: FlaskCliRunner) -> None:
    done = runner.invoke(args=["keys", "create", "robot", "--expires", "tomorrow"])
    assert done.exit_code == 1 and "2027-01-31" in done.stderr


def test_revoking_an_unknown_key_is_an_error(runner: FlaskCliRunner) -> None:
    assert runner.invoke(args=["keys", "revoke", "mq_none"]).exit_code == 1
