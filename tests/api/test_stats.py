"""The stats in JSON."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from tests.answers import AUDIT, Checked, certain, remember
from tests.fakes import FakeClassifier


def test_it_counts_what_was_checked_and_what_was_audited(
    client: FlaskClient, app: Flask, classifier: FakeClassifier
) -> None:
    card = classifier.card
    with app.app_context():
        remember(
            card,
            [
                Checked("haas", certain(card, "haas"), AUDIT),
                Checked("haas", certain(card, "bwt", 0.8)),
            ],
        )
    body = client.get("/api/v1/stats").json
    assert (body["model"], body["checked"]["n"], body["audited"]["n"]) == (
        {"name": "f1-teams", "version": 1},
        2,
        1,
    )
    assert body["checked"]["right"]["share"] == 0.5
    assert body["mix_ups"] == [{"ground_truth": "haas", "decision": "bwt", "n": 1}]
    assert body["labels"][0]["found"]["hits"] == 1
    assert client.get("/api/v1/stats?min_confidence=0.85").json["checked"]["n"] == 1


def test_without_a_checked_photo_shares_are_null(client: FlaskClient) -> None:
    body = client.get("/api/v1/stats").json
    assert body["checked"]["right"] == {"hits": 0, "n": 0, "share": None, "low": 0.0, "high": 1.0}
    assert body["checked"]["macro_f1"] is None


def test_a_strange_model_is_not_there(client: FlaskClient) -> None:
    assert client.get("/api/v1/stats?model=lada").status_code == 404
    assert client.get("/api/v1/stats?model=f1-teams@one").status_code == 400
