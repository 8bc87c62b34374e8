"""Answers that are a parent, in JSON: what is stored, what is right, what is counted."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from tests.conftest import draw
from tests.fakes import FakeClassifier, make_card_of_makes
from webapp.extensions import get_registry
from webapp.services.labels.relabel import remember_label_sets
from webapp.storage.database import db, writing
from webapp.storage.labels import events
from webapp.storage.labels.canonical import labels_of_parent
from webapp.storage.tables import KnownLabel

Upload = Callable[..., str]
API = "/api/v1/photos"


@pytest.fixture
def classifier() -> FakeClassifier:
    """A model that takes every photo for one of two Audis."""
    classifier = FakeClassifier(make_card_of_makes())
    classifier.says(**{"audi-a4": 0.48, "audi-a5": 0.45})
    return classifier


def prediction_of(client: FlaskClient, public_id: str) -> dict[str, object]:
    return client.get(f"{API}/{public_id}").json["prediction"]


def label(client: FlaskClient, key: dict[str, str], public_id: str, name: str) -> str:
    """Give a photo a ground truth; returns its outcome."""
    path, body = f"{API}/{public_id}/ground-truth", {"label": name}
    return client.put(path, json=body, headers=key).json["outcome"]


def test_a_photo_answered_by_its_parent_says_so(client: FlaskClient, upload: Upload) -> None:
    prediction = prediction_of(client, upload())
    assert (prediction["decision"], prediction["level"]) == ("Audi", "parent")
    assert prediction["parent"] == {"label": "Audi", "probability": pytest.approx(0.93)}
    assert prediction["label"] == "audi-a4"


def test_a_photo_that_is_not_stored_says_it_too(client: FlaskClient) -> None:
    answer = client.post("/api/v1/classify", data={"file": (io.BytesIO(draw()), "car.jpg")})
    prediction = answer.json["prediction"]
    assert (prediction["decision"], prediction["level"]) == ("Audi", "parent")
    assert prediction["parent"]["label"] == "Audi"


def test_a_label_and_nothing_are_levels_too(
    client: FlaskClient, upload: Upload, classifier: FakeClassifier
) -> None:
    classifier.says(**{"audi-a4": 0.9, "audi-a5": 0.05})
    assert prediction_of(client, upload(mark=1))["level"] == "label"
    classifier.says(**{"audi-a4": 0.4, "audi-a5": 0.3})
    prediction = prediction_of(client, upload(mark=2))
    assert (prediction["level"], prediction["decision"]) == ("none", "unclassified")
    assert prediction["parent"] == {"label": "Audi", "probability": pytest.approx(0.7)}


@pytest.mark.parametrize(
    ("truth", "outcome"),
    [
        ("audi-a4", "correct"),
        ("audi-a5", "correct"),
        ("bmw-m3", "wrong"),
        ("lada", "wrong"),
        ("none", "wrong"),
        ("unusable", "unusable"),
    ],
)
def test_it_is_correct_when_it_is_the_parent_of_the_ground_truth(
    client: FlaskClient, upload: Upload, key: dict[str, str], truth: str, outcome: str
) -> None:
    assert label(client, key, upload(), truth) == outcome


def test_the_statistics_count_it_as_right(
    client: FlaskClient, upload: Upload, key: dict[str, str]
) -> None:
    for mark, truth in enumerate(("audi-a4", "audi-a5", "bmw-m3")):
        label(client, key, upload(mark=mark), truth)
    checked = client.get("/api/v1/stats?model=makes").json["checked"]
    assert (checked["right"]["hits"], checked["wrong"]["hits"]) == (2, 1)
    assert (checked["parent"]["hits"], checked["parent"]["n"]) == (2, 3)


def test_photos_are_found_by_a_parent_or_one_of_its_labels(
    client: FlaskClient, upload: Upload, classifier: FakeClassifier
) -> None:
    photos = [upload()]
    for mark, name in enumerate(("audi-a5", "bmw-m3"), 1):
        classifier.says(**{name: 0.95})
        photos.append(upload(mark=mark))
    for query in ("parent=Audi", "parent=Audi&model=makes"):
        answer = client.get(f"{API}?{query}&sort=oldest").json
        assert [photo["id"] for photo in answer["items"]] == photos[:2]
    assert client.get(f"{API}?parent=Fiat").json["items"] == []


def test_photos_are_found_by_the_parent_that_was_the_answer(
    client: FlaskClient, upload: Upload
) -> None:
    public_id = upload()
    answer = client.get(f"{API}?decision=Audi").json
    assert [photo["id"] for photo in answer["items"]] == [public_id]


def test_a_version_that_answered_before_parents_were_kept_gets_them(
    app: Flask, upload: Upload
) -> None:
    upload()
    with app.app_context():
        with writing():
            db.session.execute(update(KnownLabel).values(parent=None))
        assert labels_of_parent("Audi") == []
        events.remembered_sets.clear()
        remember_label_sets(get_registry())
        assert labels_of_parent("Audi") == ["audi-a4", "audi-a5"]
