"""`flask webhooks`, and what the doctor says of them."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskCliRunner

from webapp.domain import GIVEN_UP
from webapp.services.webhooks import webhooks
from webapp.storage.database import db, writing
from webapp.storage.tables import WebhookDelivery

URL = "https://8.8.8.8/marque"


def run(runner: FlaskCliRunner, *words: str) -> tuple[int, str]:
    done = runner.invoke(args=["webhooks", *words])
    return done.exit_code, done.output


def test_one_is_added_listed_and_removed(app: Flask, runner: FlaskCliRunner) -> None:
    code, output = run(runner, "add", URL, "--event", "model.promoted")
    assert code == 0 and "whsec_" in output
    assert (
        run(runner, "list")[1]
        == f"1\ton\t0 waiting\t0 arrived\t0 given up\tmodel.promoted\t{URL}\n"
    )
    assert run(runner, "remove", "1") == (0, "Removed the webhook to 8.8.8.8.\n")
    assert run(runner, "list") == (0, "")


def test_a_private_address_is_refused(runner: FlaskCliRunner) -> None:
    code, output = run(runner, "add", "http://192.168.1.1/")
    assert code == 1 and "not a public address" in output


def test_a_test_without_a_worker_says_who_is_missing(runner: FlaskCliRunner) -> None:
    run(runner, "add", URL)
    code, output = run(runner, "test", "1", "--wait", "0")
    assert code == 1 and "no worker was seen" in output


def test_an_unknown_number_is_an_error(runner: FlaskCliRunner) -> None:
    assert [run(runner, *words)[0] for words in (("remove", "7"), ("test", "7"))] == [1, 1]


def test_the_doctor_names_webhooks_that_fail(app: Flask, runner: FlaskCliRunner) -> None:
    assert "Webhooks      none" in runner.invoke(args=["doctor"]).output
    run(runner, "add", URL)
    with app.app_context():
        webhooks.send_test(1)
        with writing():
            row = db.session.query(WebhookDelivery).one()
            row.state, row.answer = GIVEN_UP, "It answered 500."
    assert (
        "WRONG  Webhooks      8.8.8.8: 0 wait, 1 given up (It answered 500.)"
        in runner.invoke(args=["doctor"]).output
    )
