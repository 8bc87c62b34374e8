"""Models in the JSON API, on the models that the repository ships."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.conftest import ROOT
from tests.fakes import FakeClassifier, make_card
from webapp.app import create_app
from webapp.config import Config
from webapp.storage.database import db


@pytest.fixture
def shipped(config: Config) -> FlaskClient:
    app = create_app(config.model_copy(update={"models": ROOT / "models"}))
    with app.app_context():
        db.create_all()
    return app.test_client()


def test_the_shipped_model_is_listed_and_live(shipped: FlaskClient) -> None:
    listed = {item["name"]: item for item in shipped.get("/api/v1/models").json["items"]}
    assert listed["f1-teams"]["live"] in listed["f1-teams"]["versions"]
    assert listed["f1-teams"]["labels"] == 10


def test_its_card_says_how_it_was_measured(shipped: FlaskClient) -> None:
    live = shipped.get("/api/v1/models").json["items"][0]["live"]
    card = shipped.get(f"/api/v1/models/f1-teams/{live}").json
    assert card["live"] is True
    assert card["split"]["fingerprint"]
    assert len(card["labels"]) == 10


@pytest.mark.parametrize(
    "path", ["/api/v1/models/nobody/1", "/api/v1/models/f1-teams/999", "/api/v1/models/../1"]
)
def test_an_unknown_model_is_a_404(shipped: FlaskClient, path: str) -> None:
    assert shipped.get(path).status_code == 404


def test_an_empty_models_folder_is_an_empty_list(config: Config) -> None:
    client = create_app(config).test_client()
    assert client.get("/api/v1/models").json == {"items": []}


# ---- versions: two fakes, of which the first is live ----


@pytest.fixture
def others() -> list[FakeClassifier]:
    return [FakeClassifier(make_card(2))]


@pytest.fixture
def two(client: FlaskClient, config: Config) -> FlaskClient:
    """Version 1 is live, version 2 waits."""
    (config.models / "f1-teams" / "LIVE").write_text("1\n")
    return client


def test_a_model_names_its_versions_and_to_reviewers_its_history(
    two: FlaskClient, key: dict[str, str]
) -> None:
    shown = two.get("/api/v1/models/f1-teams").json
    assert (shown["versions"], shown["live"], "history" in shown) == ([1, 2], 1, False)
    assert two.get("/api/v1/models/f1-teams", headers=key).json["history"] == []
    assert two.get("/api/v1/models/nobody").status_code == 404


def test_two_versions_are_compared_on_this_history(two: FlaskClient, key: dict[str, str]) -> None:
    comparison = two.get("/api/v1/models/f1-teams/compare?a=1&b=2", headers=key).json
    assert (
        comparison["state"],
        comparison["photos"],
        comparison["unknown"],
        comparison["comparison"],
    ) == (
        "few",
        0,
        [1, 2],
        None,
    )


def test_promote_then_go_back(two: FlaskClient, key: dict[str, str]) -> None:
    refused = two.post("/api/v1/models/f1-teams/promote", json={"version": 2}, headers=key)
    assert refused.status_code == 409
    assert refused.json["detail"].startswith("Say why")
    done = two.post(
        "/api/v1/models/f1-teams/promote",
        json={"version": 2, "why": "the first photos"},
        headers=key,
    ).json
    assert (done["from"], done["to"], done["who"], done["forced"]) == (1, 2, "API key tests", True)
    assert two.post("/api/v1/models/f1-teams/rollback", headers=key).json["to"] == 1
    assert [
        item["kind"] for item in two.get("/api/v1/models/f1-teams", headers=key).json["history"]
    ] == ["rollback", "promote"]


@pytest.mark.parametrize("path", ["compare?a=1&b=2", "promote", "rollback"])
def test_a_key_is_needed(two: FlaskClient, path: str) -> None:
    call = two.get if path.startswith("compare") else two.post
    assert call(f"/api/v1/models/f1-teams/{path}").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"version": "two"},
        {"version": True},
        {"version": 2, "force": "yes"},
        {"version": 2, "why": 7},
    ],
)
def test_a_body_that_makes_no_sense_is_a_400(
    two: FlaskClient, key: dict[str, str], body: dict[str, object]
) -> None:
    assert two.post("/api/v1/models/f1-teams/promote", json=body, headers=key).status_code == 400
    assert two.post("/api/v1/models/f1-teams/promote", data="[1]", headers=key).status_code == 400
    assert two.get("/api/v1/models/f1-teams/compare?a=1", headers=key).status_code == 400


# ---- the shipped detector, which has a card but no labels ----


def test_the_card_of_a_detector_is_read_like_any_other(shipped: FlaskClient) -> None:
    live = shipped.get("/api/v1/models/car-detector").json["live"]
    card = shipped.get(f"/api/v1/models/car-detector/{live}").json
    assert (card["name"], card["version"], card["live"]) == ("car-detector", live, True)
    assert card["metrics"]["test"]
    assert "labels" not in card


def test_a_detector_has_a_title_and_no_labels(shipped: FlaskClient) -> None:
    model = shipped.get("/api/v1/models/car-detector").json
    assert (model["title"], model["labels"]) == ("Car detector", None)


def test_how_many_photos_is_refused_for_a_detector(
    shipped: FlaskClient, key: dict[str, str]
) -> None:
    body = {"kind": "compare", "model": "car-detector", "challenger": 1, "newest": 10}
    answer = shipped.post("/api/v1/jobs", json=body, headers=key)
    assert (answer.status_code, "newest is for models" in answer.text) == (400, True)


def test_a_call_without_parameters_refuses_them(shipped: FlaskClient) -> None:
    answer = shipped.get("/api/v1/models?bogus=1")
    assert (answer.status_code, "query.bogus" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/models/car-detector/labels", "/api/v1/stats?model=car-detector"],
)
def test_what_needs_labels_says_that_a_detector_has_none(shipped: FlaskClient, path: str) -> None:
    answer = shipped.get(path)
    assert answer.status_code == 404
    assert "car-detector finds cars and names none" in answer.json["detail"]
