"""Several models answer about a photo: which answer is shown, and which are correct."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from flask import Flask

from tests.conftest import draw
from tests.fakes import FakeClassifier, make_card, make_cars_card
from webapp.domain import Who
from webapp.errors import NotAskedError, UnknownLabelError
from webapp.extensions import get_files, get_limiter
from webapp.gallery_filter import GalleryFilter
from webapp.services.labels.relabel import relabel_photo
from webapp.services.labels.undo import undo_batch
from webapp.services.photos import deletion as deleting
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import Selection, relabel_all
from webapp.services.photos.classify import (
    Incoming,
    Origin,
    Pipeline,
    StoredPhoto,
    ask_models,
    classify_photo,
)
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.pages import count_by_outcome
from webapp.storage.tables import KnownLabel, Prediction, now

ANNA = Who("Anna")


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def pipeline(*classifiers: FakeClassifier) -> Pipeline:
    return Pipeline(classifiers, get_files(), get_limiter())


def put(*classifiers: FakeClassifier, mark: int = 0, ground_truth: str = "") -> StoredPhoto:
    incoming = Incoming("car.jpg", draw("#C00000", mark=mark))
    return classify_photo(incoming, pipeline(*classifiers), Origin(ANNA, ground_truth=ground_truth))


def ask(public_id: str, *classifiers: FakeClassifier) -> None:
    ask_models(history.get_photo(public_id), pipeline(*classifiers))


def outcomes(public_id: str) -> dict[str, str]:
    return {
        item.model: item.outcome
        for item in history.current_predictions(history.get_photo(public_id))
    }


def rows() -> list[tuple[str, int, bool, bool]]:
    return [
        (item.model, item.version, item.current, item.shown)
        for item in db.session.query(Prediction).order_by(Prediction.id)
    ]


# ---- what is kept ----


def test_each_model_that_was_asked_has_a_prediction(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(classifier, cars)
    assert rows() == [("f1-teams", 1, True, True), ("stanford-cars", 1, True, False)]


def test_the_chosen_model_is_the_one_shown(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    done = put(cars)
    assert done.photo.prediction is not None and done.photo.prediction.model == "stanford-cars"
    shown = history.get_photo(done.photo.public_id).prediction
    assert shown is not None and shown.model == "stanford-cars"


def test_the_same_photo_for_another_model_adds_its_answer(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(classifier)
    done = put(cars)
    assert (
        done.duplicate
        and done.photo.prediction is not None
        and done.photo.prediction.model == "stanford-cars"
    )
    assert rows() == [("f1-teams", 1, True, True), ("stanford-cars", 1, True, False)]


def test_a_model_that_answered_is_not_asked_again(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(classifier, cars)
    put(cars)
    ask(put(classifier).photo.public_id, classifier, cars)
    assert (classifier.ranked_photos, cars.ranked_photos) == (1, 1)


def test_a_stored_photo_can_be_shown_to_another_model(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    public_id = put(classifier).photo.public_id
    with pytest.raises(NotAskedError):
        history.get_photo(public_id, "stanford-cars")
    ask(public_id, cars)
    answer = history.get_photo(public_id, "stanford-cars").prediction
    assert answer is not None and answer.label == "ferrari"


def test_an_answer_is_the_same_alone_and_together(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(cars, mark=1)
    alone = np.frombuffer(
        db.session.query(Prediction).filter_by(model="stanford-cars").one().distribution, "<f4"
    ).copy()
    db.session.rollback()
    deleting.delete_photo(put(cars, mark=1).photo.public_id, who=ANNA, admin=True)
    deleting.purge(files=get_files(), before=now())
    put(classifier, cars, mark=1)
    together = np.frombuffer(
        db.session.query(Prediction).filter_by(model="stanford-cars").one().distribution, "<f4"
    )
    assert np.array_equal(alone, together)


def test_a_new_version_takes_the_place_of_its_own_model_only(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(classifier, cars)
    cars.card = make_cars_card(2)
    put(cars)
    assert rows() == [
        ("f1-teams", 1, True, True),
        ("stanford-cars", 1, False, False),
        ("stanford-cars", 2, True, False),
    ]


def test_after_a_rollback_the_older_answer_stands_again(classifier: FakeClassifier) -> None:
    put(classifier)
    classifier.card = make_card(2)
    put(classifier)
    classifier.card = make_card(1)
    put(classifier)
    assert rows() == [("f1-teams", 1, True, True), ("f1-teams", 2, False, False)]


# ---- what a ground truth says ----


def test_a_label_says_nothing_about_a_model_that_does_not_know_it(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    public_id = put(classifier, cars, ground_truth="audi-s4").photo.public_id
    assert outcomes(public_id) == {"f1-teams": "unlabelled", "stanford-cars": "wrong"}


def test_a_label_that_both_know_is_held_against_both(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    cars.says(lada=0.9)
    public_id = put(classifier, cars, ground_truth="ferrari").photo.public_id
    assert outcomes(public_id) == {"f1-teams": "correct", "stanford-cars": "wrong"}


def test_an_unsure_answer_of_a_model_that_does_not_know_the_label_is_unlabelled(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    classifier.says(haas=0.3)
    public_id = put(classifier, cars, ground_truth="lada").photo.public_id
    assert outcomes(public_id)["f1-teams"] == "unlabelled"


def test_none_of_these_is_about_the_labels_that_were_offered(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    public_id = put(classifier, cars).photo.public_id
    relabel_photo(public_id, "none", [classifier.card], Stamp(ANNA, "photo"))
    assert outcomes(public_id) == {"f1-teams": "wrong", "stanford-cars": "unlabelled"}


def test_none_of_these_for_many_is_about_each_photos_shown_answer(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    team, car = put(classifier, cars, mark=1).photo.public_id, put(cars, mark=2).photo.public_id
    selection = Selection(ids=(team, car))
    relabel_all(selection, "none", [classifier.card, cars.card], Stamp(ANNA, "gallery"))
    assert outcomes(team) == {"f1-teams": "wrong", "stanford-cars": "unlabelled"}
    assert outcomes(car) == {"stanford-cars": "wrong"}


def test_none_of_these_with_an_upload_for_all_is_about_all(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    public_id = put(classifier, cars, ground_truth="none").photo.public_id
    assert set(outcomes(public_id).values()) == {"wrong"}


def test_unusable_counts_for_every_model(classifier: FakeClassifier, cars: FakeClassifier) -> None:
    public_id = put(classifier, cars).photo.public_id
    relabel_photo(public_id, "unusable", [cars.card], Stamp(ANNA, "photo"))
    assert set(outcomes(public_id).values()) == {"unusable"}


def test_undo_remembers_whose_none_it_was(classifier: FakeClassifier, cars: FakeClassifier) -> None:
    public_id = put(classifier, cars).photo.public_id
    relabel_photo(public_id, "none", [classifier.card], Stamp(ANNA, "photo"))
    batch = relabel_photo(public_id, "none", [cars.card], Stamp(ANNA, "photo")).batch
    assert outcomes(public_id)["stanford-cars"] == "wrong"
    undo_batch(batch, Stamp(ANNA, "undo"))
    assert outcomes(public_id) == {"f1-teams": "wrong", "stanford-cars": "unlabelled"}


def test_a_label_of_a_model_that_was_not_asked_is_refused(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    with pytest.raises(UnknownLabelError, match="of f1-teams"):
        put(classifier, ground_truth="audi-s4")
    assert rows() == []


def test_a_version_keeps_its_label_set_once(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(classifier, cars)
    put(classifier, cars, mark=5)
    assert db.session.query(KnownLabel).count() == 14


# ---- the gallery ----


def test_the_gallery_of_a_model_holds_what_it_has_seen(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    both, team = (
        put(classifier, cars, mark=1).photo.public_id,
        put(classifier, mark=2).photo.public_id,
    )
    items = history.gallery_page(GalleryFilter(model="stanford-cars")).items
    assert [(photo.public_id, photo.prediction.model) for photo in items if photo.prediction] == [
        (both, "stanford-cars")
    ]
    assert [photo.public_id for photo in history.gallery_page(GalleryFilter()).items] == [
        team,
        both,
    ]


def test_outcomes_are_counted_for_the_model_asked(
    classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    put(classifier, cars, ground_truth="audi-s4")
    assert count_by_outcome(GalleryFilter())["unlabelled"].number == 1
    assert count_by_outcome(GalleryFilter(model="stanford-cars"))["wrong"].number == 1
