"""Is it there, alive, ready."""

from __future__ import annotations

import io
import sqlite3

import pytest
from flask.testing import FlaskClient

from tests.conftest import draw
from webapp.app import create_app
from webapp.config import Config
from webapp.storage import database
from webapp.storage.database import db


def test_ping_answers_pong(client: FlaskClient) -> None:
    assert client.get("/ping").json == {"message": "pong"}


def test_it_is_live_and_ready(client: FlaskClient) -> None:
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").json == {
        "status": "ready",
        "model": {"name": "f1-teams", "version": 1},
    }


def test_without_a_model_it_is_live_but_not_ready(config: Config) -> None:
    app = create_app(config)
    with app.app_context():
        db.create_all()
    client = app.test_client()
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "No model is installed" in answer.json["problems"]["model"]


def test_with_a_locked_database_it_is_not_ready(
    client: FlaskClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 50)
    with client.application.app_context():
        db.engine.dispose()
    other = sqlite3.connect(config.data / "marque.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = client.get("/health/ready")
    other.execute("ROLLBACK")
    other.close()
    assert answer.status_code == 503
    assert "database" in answer.json["problems"]


def test_without_a_model_a_photo_is_answered_with_503(config: Config) -> None:
    app = create_app(config)
    with app.app_context():
        db.create_all()
    answer = app.test_client().post("/api/v1/photos", data={"file": (io.BytesIO(draw()), "a.jpg")})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
