"""A retention rule in the browser: typed, looked at, applied."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.views.conftest import Send
from webapp.domain import SHORT
from webapp.extensions import get_tools
from webapp.services.jobs import parts, worker
from webapp.services.jobs.types.registry import JOB_TYPES


def run_jobs(app: Flask) -> None:
    worker.Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)


def test_it_shows_what_would_go_and_deletes_nothing(admin: FlaskClient, send: Send) -> None:
    for number in range(3):
        send(mark=number)
    page = admin.get("/admin/keeping?per_class=1&older_than=0").text
    assert "Delete 2 photos" in page and "McLaren" in page
    assert "3 photos" in admin.get("/gallery").text


def test_a_job_deletes_what_it_showed(app: Flask, admin: FlaskClient, send: Send) -> None:
    for number in range(3):
        send(mark=number)
    address = admin.post("/admin/keeping", data={"per_class": "1", "older_than": ""}).location
    assert "Keep 1 of each class" in admin.get(address).text
    run_jobs(app)
    page = admin.get(address).text
    assert (
        "2 photos deleted. For good in 7 days." in page and "1 photo" in admin.get("/gallery").text
    )
    admin.post(
        "/labels/undo", data={"batch": re.findall(r'name="batch" value="([\w-]+)"', page)[0]}
    )
    assert "3 photos" in admin.get("/gallery").text


def test_what_was_labelled_meanwhile_stays(app: Flask, admin: FlaskClient, send: Send) -> None:
    ids = [send(mark=number) for number in range(3)]
    address = admin.post("/admin/keeping", data={"per_class": "1", "older_than": ""}).location
    with app.app_context():
        claim = parts.claim_part(JOB_TYPES, "w1")
        assert claim is not None
        parts.do_part(claim, JOB_TYPES["keep"], get_tools())
    admin.post(f"/photos/{ids[0]}/label", data={"label": "haas"})
    run_jobs(app)
    assert "1 photo deleted. For good in 7 days. 1 stayed" in admin.get(address).text


def test_when_all_were_labelled_meanwhile_there_is_nothing_to_undo(
    app: Flask, admin: FlaskClient, send: Send
) -> None:
    ids = [send(mark=number) for number in range(2)]
    address = admin.post("/admin/keeping", data={"per_class": "1", "older_than": ""}).location
    with app.app_context():
        claim = parts.claim_part(JOB_TYPES, "w1")
        assert claim is not None
        parts.do_part(claim, JOB_TYPES["keep"], get_tools())
    admin.post(f"/photos/{ids[0]}/label", data={"label": "haas"})
    run_jobs(app)
    admin.get("/gallery")  # which shows the note about the label
    page = admin.get(address).text
    assert "Nothing was deleted. 1 stayed" in page and ">Undo<" not in page


def test_a_rule_that_lets_nothing_go_is_a_job_that_says_so(
    app: Flask, admin: FlaskClient, send: Send
) -> None:
    send()
    address = admin.post("/admin/keeping", data={"per_class": "5", "older_than": ""}).location
    run_jobs(app)
    page = admin.get(address).text
    assert "Nothing had to go." in page and ">Undo<" not in page


def test_a_rule_that_lets_nothing_go_says_so(admin: FlaskClient) -> None:
    assert "Nothing would go" in admin.get("/admin/keeping?per_class=500&older_than=90d").text


@pytest.mark.parametrize("query", ["per_class=many", "per_class=1&older_than=long"])
def test_a_rule_that_makes_no_sense_is_said(admin: FlaskClient, query: str) -> None:
    answer = admin.get(f"/admin/keeping?{query}")
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert answer.text.count('aria-invalid="true"') == 2
