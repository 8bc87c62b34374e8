"""The review: what lies on whose desk, in what order, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.ctx import AppContext
from sqlalchemy import select, text

from tests.fakes import FakeClassifier, make_card
from webapp.domain import Who
from webapp.errors import BadRequestError, NothingToUndoError, PhotoNotFoundError
from webapp.extensions import get_files, get_limiter, get_registry
from webapp.gallery_filter import GalleryFilter
from webapp.services.accounts import users
from webapp.services.labels.relabel import relabel_photo
from webapp.services.photos import gallery as history
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.services.review import queue as review
from webapp.services.review.queue import (
    LEASED,
    ReviewQueue,
    ReviewState,
    check_photo,
    get_session,
    lease_next,
    start_audit,
    undo_last,
)
from webapp.services.review.suspects import find_suspects
from webapp.storage import sqlite
from webapp.storage.database import db, writing
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import LabelEvent, ReviewLease


@pytest.fixture(autouse=True)
def context(app: Flask):
    pushed: AppContext = app.app_context()
    with pushed:
        yield


@pytest.fixture
def anna() -> Who:
    return Who("Anna", users.create_user("Anna", role="reviewer")[0].id)


@pytest.fixture
def ben() -> Who:
    return Who("Ben", users.create_user("Ben", role="reviewer")[0].id)


@pytest.fixture
def answered(upload: Callable[..., str], classifier: FakeClassifier) -> Callable[..., str]:
    """Upload a photo about which the model says what is given."""
    number = iter(range(1000))

    def make(ground_truth: str = "", **says: float) -> str:
        classifier.says(**says)
        fields = {"ground_truth": ground_truth} if ground_truth else {}
        return upload(mark=next(number), **fields)

    return make


def ids(desk: ReviewState) -> list[str]:
    return [car.photo.public_id for car in desk.cars]


def car_of(public_id: str) -> str:
    return history.get_details(public_id).car.public_id


def check(public_id: str, label: str, who: Who, queue: ReviewQueue | None = None):
    return check_photo(public_id, label, queue=queue or ReviewQueue(), cards=[make_card()], who=who)


def truth(public_id: str) -> str | None:
    return history.get_photo(public_id).ground_truth


def order(name: str, who: Who, **wanted: str) -> list[str]:
    return ids(lease_next(ReviewQueue(name, GalleryFilter(**wanted)), who=who))


# ---- orders ----


def test_the_least_sure_photo_comes_first(answered: Callable[..., str], anna: Who) -> None:
    sure, unsure, middle = answered(mclaren=0.97), answered(mclaren=0.4), answered(mclaren=0.7)
    assert order("least-sure", anna) == [unsure, middle, sure]


def test_the_smallest_margin_comes_first(answered: Callable[..., str], anna: Who) -> None:
    wide, narrow = answered(mclaren=0.5, haas=0.1), answered(mclaren=0.5, haas=0.49)
    assert order("margin", anna) == [narrow, wide]


def test_an_answer_far_below_what_is_usual_for_its_label_is_surprising(
    answered: Callable[..., str], anna: Who
) -> None:
    for _number in range(3):
        answered("mclaren", mclaren=0.99)
        answered("haas", haas=0.6)
    usual, strange = answered(haas=0.58), answered(mclaren=0.7)
    assert order("surprising", anna) == [strange, usual]


def test_a_photo_about_which_two_versions_differ_is_found(
    answered: Callable[..., str], anna: Who
) -> None:
    photos = same, differs = answered(mclaren=0.9), answered(haas=0.9)
    second = FakeClassifier(make_card(version=2))
    second.says(mclaren=0.8)
    for photo in photos:
        ask_models(history.get_photo(photo), Pipeline([second], get_files(), get_limiter()))
    assert order("versions", anna) == [differs]
    assert order("versions", anna, model="f1-teams") == [differs]
    assert sorted(order("least-sure", anna)) == sorted([same, differs])


def suspected(who: Who) -> list[str]:
    find_suspects(get_registry(), [make_card()], at_once=True)
    return order("suspected", who)


def test_a_label_is_suspected_by_the_lowest_margin_first(
    answered: Callable[..., str], anna: Who
) -> None:
    answered("mclaren", mclaren=0.65)
    answered(
        "haas", bwt=0.3
    )  # nobody gave that label, so nobody knows how sure the model usually is of it
    less, more = answered("haas", mclaren=0.7), answered("haas", mclaren=0.96)
    assert suspected(anna) == [more, less]


def test_a_suspected_label_that_was_confirmed_is_not_suspected_again(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    answered("mclaren", mclaren=0.65)
    photo = answered("haas", mclaren=0.9)
    assert suspected(ben) == [photo]
    order("least-sure", ben)  # gives it back
    check(photo, "haas", anna, ReviewQueue("suspected"))
    assert suspected(ben) == []


def test_a_filter_narrows_the_queue(answered: Callable[..., str], anna: Who) -> None:
    answered(mclaren=0.9)
    haas = answered(haas=0.9)
    assert order("least-sure", anna, predicted="haas") == [haas]


def test_a_filter_for_labelled_photos_brings_them_again(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    photo = answered("haas", haas=0.9)
    queue = ReviewQueue("least-sure", GalleryFilter(ground_truth="haas"))
    assert ids(lease_next(queue, who=anna)) == [photo]
    check(photo, "haas", anna, queue)
    assert ids(lease_next(queue, who=anna)) == []
    assert ids(lease_next(queue, who=ben)) == [photo]


# ---- desks ----


def test_two_people_never_have_the_same_photo(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    for _number in range(LEASED + 2):
        answered(mclaren=0.9)
    first, second = (
        ids(lease_next(ReviewQueue(), who=anna)),
        ids(lease_next(ReviewQueue("margin"), who=ben)),
    )
    assert (len(first), len(second)) == (LEASED, 2)
    assert not {*first} & {*second}


def test_a_desk_that_was_left_goes_to_the_next(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    photo = answered(mclaren=0.9)
    lease_next(ReviewQueue(), who=anna)
    with writing():
        for lease in db.session.execute(select(ReviewLease)).scalars():
            lease.until -= timedelta(minutes=6)
    assert order("least-sure", ben) == [photo]
    assert order("least-sure", anna) == []


def test_opening_again_shows_the_same_photo(answered: Callable[..., str], anna: Who) -> None:
    for number in range(8):
        answered(mclaren=0.9 - number / 100)
    first = order("least-sure", anna)
    answered(mclaren=0.1)  # less sure than all of them: it comes after what lies on the desk
    assert order("least-sure", anna) == first


def test_another_queue_gives_the_desk_back(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    photo = answered(mclaren=0.9)
    order("least-sure", anna)
    order("suspected", anna)
    assert order("least-sure", ben) == [photo]


def test_a_photo_put_aside_comes_when_nothing_else_is_left(
    answered: Callable[..., str], anna: Who
) -> None:
    first, second = answered(mclaren=0.4), answered(mclaren=0.9)
    for _time in range(2):
        assert ids(lease_next(ReviewQueue(), who=anna, later=[car_of(first)])) == [second, first]


def test_a_photo_that_got_its_label_elsewhere_leaves_the_desk(
    answered: Callable[..., str], anna: Who
) -> None:
    photo = answered(mclaren=0.9)
    lease_next(ReviewQueue(), who=anna)
    relabel_photo(photo, "haas", [make_card()], Stamp(Who("Ben"), "gallery"))
    assert lease_next(ReviewQueue(), who=anna).cars == []


def test_when_there_is_no_time_to_count_it_says_more_than_it_can_see(
    answered: Callable[..., str], anna: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(mclaren=0.9)
    desk = lease_next(ReviewQueue(), who=anna)
    assert (desk.left, desk.more) == (1, False)
    monkeypatch.setattr(review, "COUNTING", -1.0)
    monkeypatch.setattr(sqlite, "_STEPS", 1)
    desk = lease_next(ReviewQueue(), who=anna)
    assert (desk.left, desk.more) == (1, True)


# ---- checking ----


def test_a_check_is_a_line_in_the_log(answered: Callable[..., str], anna: Who) -> None:
    photo = answered(mclaren=0.9)
    check_photo(photo, "haas", queue=ReviewQueue(), cards=[make_card()], who=anna, why=" the nose ")
    event = history.get_details(photo).events[0]
    assert (event.who, event.from_label, event.to_label, event.place, event.why) == (
        "Anna",
        None,
        "haas",
        "queue",
        "the nose",
    )
    assert order("least-sure", anna) == []


def test_confirming_a_label_is_remembered_once(answered: Callable[..., str], anna: Who) -> None:
    photo = answered("haas", mclaren=0.9)
    for _time in range(2):
        assert check(photo, "haas", anna, ReviewQueue("suspected")).skipped
    events = [(event.from_label, event.to_label) for event in history.get_details(photo).events]
    assert events == [("haas", "haas"), (None, "haas")]


def test_undo_takes_back_the_last_check_and_shows_it_again(
    answered: Callable[..., str], anna: Who
) -> None:
    first, second, third = answered(mclaren=0.4), answered(mclaren=0.5), answered(mclaren=0.6)
    check(first, "haas", anna)
    check(second, "haas", anna)
    taken = [undo_last(ReviewQueue(), who=anna) for _ in range(2)]
    assert [(check.public_id, check.label) for check in taken] == [
        (second, "haas"),
        (first, "haas"),
    ]
    assert order("least-sure", anna) == [first, second, third]
    with pytest.raises(NothingToUndoError):
        undo_last(ReviewQueue(), who=anna)


def test_undo_reaches_behind_a_second_thought(answered: Callable[..., str], anna: Who) -> None:
    photo = answered(mclaren=0.4)
    check(photo, "haas", anna)
    check(photo, "bwt", anna)
    undo_last(ReviewQueue(), who=anna)
    assert truth(photo) == "haas"
    undo_last(ReviewQueue(), who=anna)
    assert truth(photo) is None


def test_nobody_undoes_the_checks_of_another(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    check(answered(mclaren=0.4), "haas", anna)
    with pytest.raises(NothingToUndoError):
        undo_last(ReviewQueue(), who=ben)


def test_a_photo_deleted_meanwhile_is_said_so(anna: Who) -> None:
    with pytest.raises(PhotoNotFoundError, match="next one"):
        check("gone", "haas", anna)


# ---- the session ----


def test_a_session_counts_what_stands(answered: Callable[..., str], anna: Who) -> None:
    photos = [answered(mclaren=0.9) for _number in range(4)]
    for photo, label in zip(photos, ("mclaren", "haas", "unusable", "bwt"), strict=True):
        check(photo, label, anna)
    undo_last(ReviewQueue(), who=anna)
    session = get_session(anna)
    assert (len(session.checks), session.kept, session.corrected) == (3, 1, 1)


def test_a_long_pause_begins_a_new_session_and_the_pace_is_of_the_last_photos(
    answered: Callable[..., str], anna: Who
) -> None:
    photos = [answered(mclaren=0.9) for _number in range(4)]
    for photo in photos:
        check(photo, "mclaren", anna)
    with writing():
        for event, seconds in zip(
            db.session.execute(select(LabelEvent)).scalars(), (3600, 6, 4, 2), strict=True
        ):
            event.created_at -= timedelta(seconds=seconds)
    session = get_session(anna)
    assert len(session.checks) == 3
    assert session.per_minute == pytest.approx(30, rel=0.1)


# ---- audits ----


def test_an_audit_is_a_repeatable_random_sample_of_all_photos(
    answered: Callable[..., str], anna: Who
) -> None:
    for number in range(60):
        answered("mclaren" if number % 2 else "", mclaren=0.9)
    assert start_audit(50, who=anna, seed=7) == 50
    desk = lease_next(ReviewQueue("audit"), who=anna)
    assert desk.audit is not None
    assert (desk.left, desk.size) == (50, 50)
    drawn = text("SELECT car_id FROM audit_cars ORDER BY position")
    first = list(db.session.execute(drawn).scalars())
    with writing():
        db.session.execute(text("DELETE FROM audits"))
    start_audit(50, who=anna, seed=7)
    assert list(db.session.execute(drawn).scalars()) == first
    assert first != sorted(first)


def test_audit_labels_can_be_told_apart(answered: Callable[..., str], anna: Who) -> None:
    photo = answered("mclaren", mclaren=0.9)
    start_audit(50, who=anna)
    check(photo, "mclaren", anna, ReviewQueue("audit"))
    assert history.get_details(photo).events[0].place == "audit"
    assert lease_next(ReviewQueue("audit"), who=anna).left == 0


def test_an_undone_audit_label_is_open_again(answered: Callable[..., str], anna: Who) -> None:
    photo = answered(mclaren=0.9)
    start_audit(50, who=anna)
    check(photo, "mclaren", anna, ReviewQueue("audit"))
    undo_last(ReviewQueue("audit"), who=anna)
    assert order("audit", anna) == [photo]


def test_a_running_audit_is_not_drawn_again(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    photo = answered(mclaren=0.9)
    start_audit(50, who=anna)
    answered(mclaren=0.9)
    assert start_audit(100, who=ben) == 1
    check(photo, "mclaren", anna, ReviewQueue("audit"))
    assert start_audit(100, who=ben) == 2


def test_there_is_no_audit_of_nothing(anna: Who) -> None:
    with pytest.raises(BadRequestError, match="no photo"):
        start_audit(50, who=anna)


# ---- people who disagree ----


def test_two_people_who_differ_make_a_photo_disputed_until_one_gets_a_second_voice(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    photo = answered(mclaren=0.9)
    carla = Who("Carla", users.create_user("Carla", role="reviewer")[0].id)
    check(photo, "mclaren", anna)
    check(photo, "haas", ben)
    assert history.get_details(photo).disagree == [("Ben", "haas"), ("Anna", "mclaren")]
    assert order("disputed", ben) == []  # he had the last word
    assert order("disputed", anna) == order("disputed", anna) == [photo]
    check(photo, "haas", carla, ReviewQueue("disputed"))
    assert history.get_details(photo).disagree == []


def test_who_takes_the_word_back_disagrees_no_more(
    answered: Callable[..., str], anna: Who, ben: Who
) -> None:
    photo = answered(mclaren=0.9)
    check(photo, "mclaren", anna)
    check(photo, "haas", ben)
    undo_last(ReviewQueue(), who=ben)
    assert not history.get_photo(photo).disputed


def test_a_second_thought_of_the_same_person_is_no_disagreement(
    answered: Callable[..., str], anna: Who
) -> None:
    photo = answered(mclaren=0.9)
    check(photo, "mclaren", anna)
    check(photo, "haas", anna)
    assert not history.get_photo(photo).disputed
