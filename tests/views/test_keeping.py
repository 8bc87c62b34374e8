"""A rule of keeping in the browser: typed, looked at, applied."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.views.conftest import Send


def test_it_shows_what_would_go_and_deletes_nothing(admin: FlaskClient, send: Send) -> None:
    for number in range(3):
        send(mark=number)
    page = admin.get("/admin/keeping?per_class=1&older_than=0").text
    assert "Delete 2 photos" in page and "McLaren" in page
    assert "3 photos" in admin.get("/gallery").text


def test_it_deletes_what_it_showed(admin: FlaskClient, send: Send) -> None:
    for number in range(3):
        send(mark=number)
    page = admin.post("/admin/keeping", data={"per_class": "1", "older_than": ""}, follow_redirects=True).text
    assert "2 photos. For good in 7 days." in page and "1 photo" in page
    admin.post("/labels/undo", data={"batch": re.findall(r'name="batch" value="([\w-]+)"', page)[0]})
    assert "3 photos" in admin.get("/gallery").text


def test_a_rule_that_lets_nothing_go_says_so(admin: FlaskClient) -> None:
    assert "Nothing would go" in admin.get("/admin/keeping?per_class=500&older_than=90d").text


@pytest.mark.parametrize("question", ["per_class=many", "per_class=1&older_than=long"])
def test_a_rule_that_makes_no_sense_is_said(admin: FlaskClient, question: str) -> None:
    answer = admin.get(f"/admin/keeping?{question}")
    assert answer.status_code == 400 and 'role="alert"' in answer.text
