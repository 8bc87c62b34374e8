"""Keys of the JSON API: what they open, what is refused and why, and when a key was used."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from webapp.config import Config
from webapp.services.accounts import api_keys
from webapp.storage.database import db
from webapp.storage.tables import ApiKey, now


def header(app: Flask, scope: str = "predict", **fields: object) -> dict[str, str]:
    with app.app_context():
        _row, text = api_keys.create_key("camera", scope, **fields)  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {text}"}


def last_used(app: Flask):
    with app.app_context():
        return db.session.query(ApiKey).one().last_used_at


@pytest.mark.parametrize("path", ["/api/v1/photos", "/api/images", "/healthcheck"])
def test_an_expired_key_is_a_401_that_says_so(app: Flask, client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=header(app, expires_at=now() - timedelta(days=3)))
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert f"expired on {now() - timedelta(days=3):%Y-%m-%d}" in answer.json["detail"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_works_until_it_expires(app: Flask, client: FlaskClient) -> None:
    assert (
        client.get(
            "/api/v1/photos", headers=header(app, expires_at=now() + timedelta(minutes=1))
        ).status_code
        == 200
    )


def test_a_scope_that_is_too_small_is_a_403_with_both_scopes(
    app: Flask, client: FlaskClient
) -> None:
    answer = client.get("/api/v1/export", headers=header(app))
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert "predict" in answer.json["detail"] and "review" in answer.json["detail"]


@pytest.mark.parametrize(
    "sent", ["Bearer mq_unknown", "Bearer ", "Basic YTpi", "Bearer " + "x" * 5000]
)
def test_a_key_that_is_none_is_a_401(client: FlaskClient, sent: str) -> None:
    answer = client.get("/api/v1/photos", headers={"Authorization": sent})
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")


def test_using_a_key_is_noted(app: Flask, client: FlaskClient) -> None:
    key = header(app)
    assert last_used(app) is None
    client.get("/api/v1/photos", headers=key)
    assert now() - last_used(app) < timedelta(minutes=1)


def test_it_is_noted_once_a_minute(app: Flask, client: FlaskClient) -> None:
    key = header(app)
    client.get("/api/v1/photos", headers=key)
    first = last_used(app)
    client.get("/api/v1/photos", headers=key)
    assert last_used(app) == first
    with app.app_context():
        db.session.query(ApiKey).update({"last_used_at": first - timedelta(minutes=2)})
        db.session.commit()
    client.get("/api/v1/photos", headers=key)
    assert last_used(app) > first


def test_a_busy_database_neither_holds_a_reader_up_nor_refuses_it(
    app: Flask, client: FlaskClient, config: Config
) -> None:
    key = header(app)
    other = sqlite3.connect(config.data / "marque.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = client.get("/api/v1/photos", headers=key)
    other.execute("ROLLBACK")
    other.close()
    assert answer.status_code == 200
    assert last_used(app) is None


def test_a_history_that_cannot_be_written_to_is_still_read_with_a_key(
    app: Flask, client: FlaskClient
) -> None:
    key = header(app)
    with app.app_context():
        db.session.execute(
            text(
                "CREATE TRIGGER no_more BEFORE UPDATE ON api_keys "
                "BEGIN SELECT RAISE(ABORT, 'read-only'); END"
            )
        )
        db.session.commit()
    assert client.get("/api/v1/photos", headers=key).status_code == 200
    assert last_used(app) is None
