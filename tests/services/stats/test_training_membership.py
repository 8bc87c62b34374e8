"""The photos that a version was trained on, known by their bytes; its list is read once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import draw, install
from tests.fakes import FakeClassifier, make_card
from webapp.extensions import get_registry
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import fingerprint, write_split
from webapp.services.stats.training_membership import knows_training_photos, read_lists
from webapp.storage.stats import counters
from webapp.storage.stats import stats as storage

Upload = Callable[..., str]


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def taught(app: Flask) -> ModelCard:
    """Version 2, trained on the picture with mark 1, validated on mark 2, tested on mark 3."""
    parts = {1: "train", 2: "validation", 3: "test"}
    split = {hashlib.sha256(draw(mark=mark)).hexdigest(): part for mark, part in parts.items()}
    card, models = (
        make_card(2, split={"fingerprint": fingerprint(split)}),
        app.extensions["marque"].config.models,
    )
    install(card, models)
    write_split(models / card.name / "2", split)
    return card


def left_out(client: FlaskClient) -> int:
    return int(client.get("/api/v1/stats?model=f1-teams@2").json["learnt"]["photos"])


def test_a_list_is_taken_over_once(context: None, taught: ModelCard, app: Flask) -> None:
    assert knows_training_photos(get_registry(), taught)
    assert storage.training_list_length("f1-teams", 2) == 2
    (app.extensions["marque"].config.models / "f1-teams" / "2" / "split.json").unlink()
    assert knows_training_photos(get_registry(), taught)


def test_a_version_without_a_list_of_its_own_is_unknown(
    context: None, app: Flask, taught: ModelCard
) -> None:
    write_split(app.extensions["marque"].config.models / "f1-teams" / "2", {"0" * 64: "train"})
    assert not knows_training_photos(get_registry(), taught) and not knows_training_photos(
        get_registry(), make_card(1)
    )


def test_all_lists_are_taken_over_together(context: None, taught: ModelCard) -> None:
    read_lists(get_registry())
    assert (
        storage.training_list_length("f1-teams", 2) == 2
        and storage.training_list_length("f1-teams", 1) is None
    )


@pytest.mark.parametrize("first", ["photos", "list"])
def test_photos_are_left_out_whichever_came_first(
    app: Flask,
    classifier: FakeClassifier,
    taught: ModelCard,
    client: FlaskClient,
    upload: Upload,
    first: str,
) -> None:
    classifier.card = taught
    if first == "list":
        assert left_out(client) == 0
    for mark in range(1, 5):
        upload(mark=mark, ground_truth="mclaren")
    if first == "photos":
        with app.app_context():
            assert storage.count_answers(GalleryFilter(), "f1-teams", 2).pairs[0].n == 4
    body = client.get("/api/v1/stats?model=f1-teams@2").json
    assert (
        body["learnt"] == {"known": True, "photos": 2, "counted": False}
        and body["checked"]["n"] == 2
    )
    assert client.get("/api/v1/stats?model=f1-teams@2&include=learnt").json["checked"]["n"] == 4
    assert len(client.get("/api/v1/photos?learnt=yes").json["items"]) == 2
    with app.app_context():
        assert counters.differences() == (0, 0)
