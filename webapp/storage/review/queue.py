"""Queries of the review: open cars in their order, leases, audits. Nothing here commits."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, delete, exists, func, insert, select, tuple_
from sqlalchemy.orm import aliased, contains_eager

from webapp.domain import MERGE, UNCLASSIFIED, UNLABELLED
from webapp.gallery_filter import GalleryFilter
from webapp.storage import sqlite
from webapp.storage.database import count_rows, db, insert_row
from webapp.storage.labels.canonical import canonical_for, canonical_of
from webapp.storage.photos.pages import Place
from webapp.storage.photos.query_filters import MeantAnswer, matching_cars
from webapp.storage.tables import (
    Audit,
    AuditCar,
    Car,
    LabelEvent,
    Photo,
    Prediction,
    ReviewLease,
    Suspicion,
    now,
)

_CHECKS = ("queue", "audit")  # places of label events that were made in the review
_USUAL_OF = 20_000  # newest answers that tell how sure a model usually is of a label
_LEAST_SURE_OF = 5_000  # open cars, the least sure ones, that are compared with what is usual
_MOST_COUNTED = 1_000  # counting all open cars would take as long as there are
SESSION = timedelta(hours=12)  # of one person, at most


@dataclass(frozen=True)
class ReviewScope:
    """An order with its filter, for a person at a moment. `audit_id` is for the order "audit",
    `other` for "suspected": the label that is suspected instead, "" for any."""

    order: str
    photo_filter: GalleryFilter
    user_id: int
    audit_id: int | None = None
    other: str = ""
    now: datetime = field(default_factory=now)


# ---- which cars, in what order ----


def next_cars(scope: ReviewScope, *, limit: int, without: set[int]) -> list[int]:
    """The first open cars that nobody else has leased, at most `limit`, `without` some."""
    statement = _open(scope).where(~_leased_by_others(scope), Car.id.not_in(without))
    statement = _in_order(scope, statement).limit(limit)
    return list(db.session.execute(statement).scalars())


def suspects(scope: ReviewScope, after: Place | None, limit: int) -> list[Suspicion]:
    """The first doubts, with their cars and photos, of the order "suspected", leased or not, behind
    the place `after`."""
    statement = _in_order(scope, _open(scope)).with_only_columns(Suspicion).limit(limit)
    if after is not None:
        behind = tuple_(Suspicion.margin, Suspicion.car_id) > tuple_(after.key, after.number)
        statement = statement.where(behind)
    with_photo = contains_eager(Suspicion.car).contains_eager(Car.photo)
    return list(db.session.scalars(statement.options(with_photo)))


def count_open(scope: ReviewScope, seconds: float) -> tuple[int, bool]:
    """How many cars are open, leased or not, and whether that is all of them; (0, False) when the
    time was not enough."""
    counted = _open(scope).limit(_MOST_COUNTED + 1).subquery()
    rows = sqlite.rows_in_time(select(func.count()).select_from(counted), seconds)
    if rows is None:
        return 0, False
    number = rows[0][0]
    return min(number, _MOST_COUNTED), number <= _MOST_COUNTED


def still_open(car_ids: Sequence[int], scope: ReviewScope) -> list[int]:
    """Those of these cars that are open, and that nobody else has leased."""
    statement = _open(scope).where(Car.id.in_(car_ids), ~_leased_by_others(scope))
    ids = set(db.session.execute(statement).scalars())
    return [car_id for car_id in car_ids if car_id in ids]


def _leased_by_others(scope: ReviewScope) -> Any:
    return exists().where(
        ReviewLease.car_id == Car.id,
        ReviewLease.until > scope.now,
        ReviewLease.user_id != scope.user_id,
    )


def _open(scope: ReviewScope) -> Select[Any]:
    """The cars of an order that wait for somebody.

    - audit: those of its sample that nobody has checked in an audit since it was drawn, whatever
      their label and the filter.
    - suspected: those with a stored doubt about the label they have, unless a review has kept or
      changed a label of theirs since the model answered.
    - disputed: those that people disagree about, unless this person labelled it last.
    - all others: cars without a label; with a filter for labelled ones, those that this person
      has not checked in this session.
    """
    if scope.order == "audit":
        drawn_at = select(Audit.created_at).where(Audit.id == scope.audit_id).scalar_subquery()
        return (
            select(Car.id)
            .join(AuditCar, AuditCar.car_id == Car.id)
            .join(Photo, Photo.id == Car.photo_id)
            .where(AuditCar.audit_id == scope.audit_id, Photo.deleted_at.is_(None))
            .where(~_checked(LabelEvent.place == "audit", LabelEvent.created_at >= drawn_at))
        )
    statement = matching_cars(Car.id, wanted=scope.photo_filter)
    if scope.order == "suspected":
        return _suspected(scope, statement)
    if scope.order == "disputed":
        last = (
            select(LabelEvent.user_id)
            .where(LabelEvent.car_id == Car.id, LabelEvent.place != MERGE)
            .order_by(LabelEvent.id.desc())
            .limit(1)
        )
        last_user = func.coalesce(last.scalar_subquery(), 0)
        return statement.where(Car.disputed, last_user != scope.user_id)
    return _unlabelled(scope, statement)


def _suspected(scope: ReviewScope, statement: Select[Any]) -> Select[Any]:
    model = scope.photo_filter.model
    if model:
        answered_at: Any = Prediction.created_at
    else:
        shown = aliased(Prediction)
        answer = select(shown.created_at).where(shown.car_id == Car.id, shown.shown)
        answered_at = answer.correlate(Car).scalar_subquery()
    settled = _checked(LabelEvent.from_label.is_not(None), LabelEvent.created_at > answered_at)
    of_model = Suspicion.model == (model or Car.shown_model)
    doubted = statement.join(Suspicion, and_(Suspicion.car_id == Car.id, of_model))
    if scope.other:
        doubted = doubted.where(Suspicion.other == scope.other)
    return doubted.where(
        Suspicion.given == Car.ground_truth, Suspicion.margin.between(-1, 1), ~settled
    )


def _unlabelled(scope: ReviewScope, statement: Select[Any]) -> Select[Any]:
    wanted = scope.photo_filter
    answer = MeantAnswer(wanted, of_cars=True)
    answered = answer["margin" if scope.order == "margin" else "confidence"].is_not(None)
    statement = statement.where(answered)
    if wanted.ground_truth or wanted.outcome not in ("", UNLABELLED):  # labelled ones are wanted
        since = LabelEvent.created_at > scope.now - SESSION
        statement = statement.where(~_checked(LabelEvent.user_id == scope.user_id, since))
    else:
        # coalesce, so that no index finds them all, to be sorted by something else
        without_truth = func.coalesce(Car.ground_truth, "") == ""
        statement = statement.where(answer["outcome"] == UNLABELLED, without_truth)
    if scope.order == "versions":
        other, model = aliased(Prediction), wanted.model or Car.shown_model
        differs = other.label != answer["label"]
        statement = statement.where(
            exists().where(other.car_id == Car.id, other.model == model, differs)
        )
    if scope.order == "surprising":
        statement = statement.where(answer["decision"] != UNCLASSIFIED)
    return statement


def _checked(*conditions: Any) -> Any:
    """Somebody has checked the car in a review, and it was not undone."""
    return (
        exists()
        .where(LabelEvent.car_id == Car.id, LabelEvent.place.in_(_CHECKS))
        .where(LabelEvent.undoes.is_(None), ~LabelEvent.undone, *conditions)
        .correlate(Car, Prediction)
    )


def _in_order(scope: ReviewScope, statement: Select[Any]) -> Select[Any]:
    """Least sure or smallest margin first; an audit in the order of the draw; disputed ones newest
    first; suspected ones by lowest margin; what versions disagree about by the surest answer."""
    answer = MeantAnswer(scope.photo_filter, of_cars=True)
    number = Prediction.photo_id if scope.photo_filter.model else Car.id  # as the indexes end
    if scope.order == "surprising":
        return _by_surprise(scope.photo_filter, statement)
    columns: dict[str, tuple[Any, ...]] = {
        "audit": (AuditCar.position,),
        "least-sure": (answer["confidence"], number),
        "margin": (answer["margin"], number),
        "suspected": (Suspicion.margin, Suspicion.car_id),
        "disputed": (Car.id.desc(),),
        "versions": (answer["confidence"].desc(), number.desc()),
    }
    return statement.order_by(*columns[scope.order])


def _by_surprise(photo_filter: GalleryFilter, statement: Select[Any]) -> Select[Any]:
    """The named answers that are furthest below the usual confidence of their label first.

    Surprise is mean(confidence of the label) - confidence, over answers that name a label: 80 % for
    a label that is usually named with 99 % is stranger than 70 % for one that is always hard. The
    means are of the newest answers, and only the least sure open cars are compared, so that a
    large history costs no more than a small one.
    """
    answer = MeantAnswer(photo_filter, of_cars=True)
    decision = answer["decision"].label("decision")
    confidence = answer["confidence"].label("confidence")
    same_model = GalleryFilter().replace(model=photo_filter.model, version=photo_filter.version)
    newest = (
        matching_cars(decision, confidence, wanted=same_model)
        .where(answer["decision"] != UNCLASSIFIED)
        .order_by((Prediction.id if photo_filter.model else Car.id).desc())
        .limit(_USUAL_OF)
        .subquery()
    )
    usual = (
        select(newest.c.decision, func.avg(newest.c.confidence).label("mean"))
        .group_by(newest.c.decision)
        .subquery()
    )
    least_sure = (
        statement.with_only_columns(Car.id.label("id"), decision, confidence)
        .order_by(answer["confidence"], Car.id)
        .limit(_LEAST_SURE_OF)
        .subquery()
    )
    surprise = usual.c.mean - least_sure.c.confidence
    return (
        select(least_sure.c.id)
        .join(usual, usual.c.decision == least_sure.c.decision)
        .order_by(surprise.desc(), least_sure.c.id)
    )


# ---- leases ----


def leased(user_id: int, queue: str) -> list[int]:
    """The cars that a person has leased from a queue, in order, also when their time is over."""
    statement = (
        select(ReviewLease.car_id)
        .where(ReviewLease.user_id == user_id, ReviewLease.queue == queue)
        .order_by(ReviewLease.position)
    )
    return list(db.session.execute(statement).scalars())


def lease(car_ids: Sequence[int], *, user_id: int, queue: str, until: datetime) -> None:
    """Lease these cars, in this order, to a person instead of their former ones; what others had
    leased of them has run out."""
    db.session.execute(delete(ReviewLease).where(ReviewLease.user_id == user_id))
    db.session.execute(delete(ReviewLease).where(ReviewLease.car_id.in_(car_ids)))
    row = {"user_id": user_id, "queue": queue, "until": until}
    rows = [{"car_id": car_id, "position": place, **row} for place, car_id in enumerate(car_ids)]
    if rows:
        db.session.execute(insert(ReviewLease), rows)


def release(car_id: int, user_id: int) -> None:
    """End a person's lease of a car."""
    mine = (ReviewLease.car_id == car_id, ReviewLease.user_id == user_id)
    db.session.execute(delete(ReviewLease).where(*mine))


# ---- what a person has checked ----


def checks_of(user_id: int, name: str, since: datetime, limit: int) -> Sequence[Any]:
    """What a person checked in the review after `since` and did not take back, newest first.

    Rows of event, car_id, car (its public id), public_id (of its photo), checked_at, label, and
    kept: whether the first label of the shown prediction is that label, or the answer that is right
    for it.
    """
    label = canonical_of(LabelEvent.to_model, LabelEvent.to_label)
    right = canonical_for(Car.shown_model, Car.shown_version, LabelEvent.to_label)
    statement = (
        select(
            LabelEvent.id.label("event"),
            LabelEvent.car_id,
            Car.public_id.label("car"),
            Photo.public_id,
            LabelEvent.created_at.label("checked_at"),
            label.label("label"),
            case((Car.shown_label.in_((right, label)), True), else_=False).label("kept"),
        )
        .join(Car, Car.id == LabelEvent.car_id)
        .join(Photo, and_(Photo.id == Car.photo_id, Photo.deleted_at.is_(None)))
        .where(LabelEvent.who == name, LabelEvent.user_id == user_id, LabelEvent.created_at > since)
        .where(LabelEvent.place.in_(_CHECKS), LabelEvent.undoes.is_(None), ~LabelEvent.undone)
        .order_by(LabelEvent.id.desc())
        .limit(limit)
    )
    return db.session.execute(statement).all()


# ---- audits ----


def latest_audit() -> Audit | None:
    """The audit that was drawn last, or None."""
    return db.session.execute(select(Audit).order_by(Audit.id.desc()).limit(1)).scalar_one_or_none()


def audit_size(audit_id: int) -> int:
    """How many cars of an audit's sample are still there."""
    there = exists().where(
        Car.id == AuditCar.car_id, Photo.id == Car.photo_id, Photo.deleted_at.is_(None)
    )
    return count_rows(AuditCar, AuditCar.audit_id == audit_id, there)


def draw_audit(audit: Audit) -> int:
    """Draw and store a uniform sample of all answered cars; how many, `audit.size` at most. The
    same seed and cars give the same sample."""
    answered = (
        select(Car.id)
        .join(Photo, Photo.id == Car.photo_id)
        .where(Photo.deleted_at.is_(None), Car.shown_label.is_not(None))
        .order_by(Car.id)
    )
    numbers = list(db.session.execute(answered).scalars())
    sample = random.Random(audit.seed).sample(numbers, min(audit.size, len(numbers)))  # noqa: S311
    if not sample:
        return 0
    audit.size = len(sample)
    audit.id = insert_row(audit)
    rows = [
        {"audit_id": audit.id, "position": place, "car_id": car_id}
        for place, car_id in enumerate(sample)
    ]
    db.session.execute(insert(AuditCar), rows)
    return len(sample)
