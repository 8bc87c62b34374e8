"""The page of API keys: made and shown once, listed, revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.views.conftest import text_of
from webapp.services.accounts import api_keys
from webapp.storage.database import db
from webapp.storage.tables import ApiKey, now


def cells(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def made_key(page: str) -> str:
    match = re.search(r'class="secret">([^<]+)<', page)
    assert match is not None
    return match[1]


def test_an_empty_page_says_what_a_key_is_for(admin: FlaskClient) -> None:
    assert "Nobody has a key yet" in text_of(admin.get("/admin/keys"))


def test_a_key_is_shown_once_and_opens_the_json_api(app: Flask, admin: FlaskClient) -> None:
    form = {"name": "gate camera", "scope": "review", "expires": ""}
    key = made_key(text_of(admin.post("/admin/keys", data=form, follow_redirects=True)))
    assert key not in text_of(admin.get("/admin/keys"))
    answer = app.test_client().get(
        "/api/v1/exports/none", headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code != 401


def test_the_list_tells_scope_use_and_state(app: Flask, admin: FlaskClient) -> None:
    with app.app_context():
        api_keys.create_key("camera", "predict", now() + timedelta(days=400))
        api_keys.create_key("old robot", "admin", now() - timedelta(days=1))
        api_keys.revoke_key(api_keys.create_key("lost", "review")[0].id)
    page = cells(text_of(admin.get("/admin/keys")))
    assert "1 key in use" in page
    assert "camera Predict" in page and "never Until" in page
    assert "old robot Admin" in page and "Expired" in page
    assert "lost Review" in page and "Revoked" in page


def test_a_key_may_have_a_last_day(app: Flask, admin: FlaskClient) -> None:
    admin.post("/admin/keys", data={"name": "camera", "scope": "predict", "expires": "2999-12-31"})
    with app.app_context():
        assert f"{api_keys.all_keys()[0].expires_at}" == "3000-01-01 00:00:00+00:00"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"scope": "king"}, {"expires": "2001-01-01"}, {"expires": "soon"}]
)
def test_what_cannot_be_made_is_said_and_what_was_typed_stays(
    admin: FlaskClient, wrong: dict[str, str]
) -> None:
    answer = admin.post(
        "/admin/keys", data={"name": "camera", "scope": "review", "expires": ""} | wrong
    )
    assert answer.status_code == 422 and "No key was made" in text_of(answer)
    assert '<option selected value="review">' in text_of(answer) or "scope" in wrong


def test_revoking_asks_first_and_ends_the_key_at_once(app: Flask, admin: FlaskClient) -> None:
    with app.app_context():
        row, text = api_keys.create_key("camera", "predict")
    header = {"Authorization": f"Bearer {text}"}
    assert "Revoke" in text_of(admin.get(f"/admin/keys/{row.id}/revoke"))
    assert app.test_client().get("/api/v1/photos", headers=header).status_code == 200
    page = text_of(admin.post(f"/admin/keys/{row.id}/revoke", follow_redirects=True))
    assert "Revoked: the key of <b>camera.</b>" in page
    assert app.test_client().get("/api/v1/photos", headers=header).status_code == 401


def test_revoking_twice_changes_nothing(app: Flask, admin: FlaskClient) -> None:
    with app.app_context():
        row, _text = api_keys.create_key("camera", "predict")
        before = api_keys.revoke_key(row.id).revoked_at
    admin.post(f"/admin/keys/{row.id}/revoke")
    assert "already" in text_of(admin.get(f"/admin/keys/{row.id}/revoke"))
    with app.app_context():
        assert db.session.get_one(ApiKey, row.id).revoked_at == before
