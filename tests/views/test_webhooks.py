"""The pages of webhooks: added with a secret that is shown once, tried, switched, removed."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from webapp.domain import GIVEN_UP, PROMOTED, UNSURE, Who
from webapp.services.webhooks import webhooks
from webapp.storage.database import db, writing
from webapp.storage.tables import Webhook, WebhookDelivery

FORM = {"url": "https://8.8.8.8/marque", "events": [UNSURE, PROMOTED], "below": "60"}


@pytest.fixture
def number(app: Flask) -> int:
    with app.app_context():
        return webhooks.add(
            FORM["url"], FORM["events"], below="60", private=False, who=Who("Anna")
        ).id  # type: ignore[arg-type]


def test_an_empty_page_says_what_a_webhook_is(admin: FlaskClient) -> None:
    assert "Nobody is told yet" in admin.get("/admin/webhooks").text


def test_the_secret_is_shown_once(admin: FlaskClient) -> None:
    page = admin.post("/admin/webhooks", data=FORM, follow_redirects=True)
    secret = re.search(r"whsec_[\w+/=]+", page.text)
    assert secret is not None and "Nothing was told yet" in page.text
    assert secret[0] not in admin.get(page.request.path).text


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"url": "http://127.0.0.1/"}, "not a public address"),
        ({"events": []}, "at least one"),
        ({"below": "x"}, "percent"),
    ],
)
def test_what_cannot_be_made_is_said_and_what_was_typed_stays(
    admin: FlaskClient, wrong: dict[str, object], reason: str
) -> None:
    answer = admin.post("/admin/webhooks", data=FORM | wrong)
    assert (
        answer.status_code == 422 and reason in answer.text and "No webhook was made" in answer.text
    )
    assert f'value="{(FORM | wrong)["url"]}"' in answer.text


def test_a_test_waits_for_a_worker_and_the_page_says_so(
    app: Flask, admin: FlaskClient, number: int
) -> None:
    page = admin.post(f"/admin/webhooks/{number}/test", follow_redirects=True).text
    assert "A test is on its way" in page and "no worker was seen" in page
    assert ">waiting<" in page


def test_what_was_given_up_is_said_and_sent_again(
    app: Flask, admin: FlaskClient, number: int
) -> None:
    admin.post(f"/admin/webhooks/{number}/test")
    with app.app_context(), writing():
        row = db.session.query(WebhookDelivery).one()
        row.state, row.answer, row.attempts = GIVEN_UP, "It answered 500.", 8
    assert "1 given up" in admin.get("/admin/webhooks").text
    assert (
        "1 event never arrived and was given up. The last trouble: “It answered 500.”"
        in admin.get(f"/admin/webhooks/{number}").text
    )
    assert (
        "and 1 event that had been given up"
        in admin.post(f"/admin/webhooks/{number}/again", follow_redirects=True).text
    )
    with app.app_context():
        assert (webhooks.get_webhook(number).waiting, webhooks.get_webhook(number).given_up) == (
            1,
            0,
        )


def test_one_that_is_off_sends_no_test(admin: FlaskClient, number: int) -> None:
    assert (
        "Switched off"
        in admin.post(
            f"/admin/webhooks/{number}/switch", data={"on": "no"}, follow_redirects=True
        ).text
    )
    assert (
        "Switch it on, then send"
        in admin.post(f"/admin/webhooks/{number}/test", follow_redirects=True).text
    )
    assert (
        "Switched on"
        in admin.post(
            f"/admin/webhooks/{number}/switch", data={"on": "yes"}, follow_redirects=True
        ).text
    )


def test_removing_asks_first(app: Flask, admin: FlaskClient, number: int) -> None:
    assert "Remove <span>this webhook?" in admin.get(f"/admin/webhooks/{number}/remove").text
    assert "Removed:" in admin.post(f"/admin/webhooks/{number}/remove", follow_redirects=True).text
    with app.app_context():
        assert db.session.query(Webhook).count() == 0
    assert admin.get(f"/admin/webhooks/{number}").status_code == 404
