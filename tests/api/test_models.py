"""Models through the JSON door, on the models that the repository ships."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.conftest import ROOT
from webapp.app import create_app
from webapp.config import Config
from webapp.storage.database import db


@pytest.fixture
def shipped(config: Config) -> FlaskClient:
    app = create_app(replace(config, models=ROOT / "models"))
    with app.app_context():
        db.create_all()
    return app.test_client()


def test_the_shipped_model_is_listed_and_live(shipped: FlaskClient) -> None:
    listed = {one["name"]: one for one in shipped.get("/api/v1/models").json["items"]}
    assert listed["f1-teams"]["live"] in listed["f1-teams"]["versions"]
    assert listed["f1-teams"]["labels"] == 10


def test_its_card_says_how_it_was_measured(shipped: FlaskClient) -> None:
    live = shipped.get("/api/v1/models").json["items"][0]["live"]
    card = shipped.get(f"/api/v1/models/f1-teams/{live}").json
    assert card["live"] is True
    assert card["split"]["fingerprint"]
    assert len(card["labels"]) == 10


@pytest.mark.parametrize("path", ["/api/v1/models/nobody/1", "/api/v1/models/f1-teams/999", "/api/v1/models/../1"])
def test_an_unknown_model_is_a_404(shipped: FlaskClient, path: str) -> None:
    assert shipped.get(path).status_code == 404


def test_an_empty_models_folder_is_an_empty_list(config: Config) -> None:
    client = create_app(config).test_client()
    assert client.get("/api/v1/models").json == {"items": []}
