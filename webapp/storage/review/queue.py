"""Queries of the review: open photos in their order, leases, audits. Nothing here commits."""

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
from webapp.storage.photos.query_filters import MeantAnswer, matching
from webapp.storage.tables import (
    Audit,
    AuditPhoto,
    LabelEvent,
    Photo,
    Prediction,
    ReviewLease,
    Suspicion,
    now,
)

_CHECKS = ("queue", "audit")  # places of label events that were made in the review
_USUAL_OF = 20_000  # newest answers that tell how sure a model usually is of a label
_LEAST_SURE_OF = 5_000  # open photos, the least sure ones, that are compared with what is usual
_MOST_COUNTED = 1_000  # counting all open photos would take as long as there are
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


# ---- which photos, in what order ----


def next_photos(scope: ReviewScope, *, limit: int, without: set[int]) -> list[int]:
    """The first open photos that nobody else has leased, at most `limit`, `without` some."""
    statement = _open(scope).where(~_leased_by_others(scope), Photo.id.not_in(without))
    statement = _in_order(scope, statement).limit(limit)
    return list(db.session.execute(statement).scalars())


def suspects(scope: ReviewScope, after: Place | None, limit: int) -> list[Suspicion]:
    """The first doubts, with their photos, of the order "suspected", leased or not, behind the
    place `after`."""
    statement = _in_order(scope, _open(scope)).with_only_columns(Suspicion).limit(limit)
    if after is not None:
        behind = tuple_(Suspicion.margin, Suspicion.photo_id) > tuple_(after.key, after.number)
        statement = statement.where(behind)
    return list(db.session.scalars(statement.options(contains_eager(Suspicion.photo))))


def count_open(scope: ReviewScope, seconds: float) -> tuple[int, bool]:
    """How many photos are open, leased or not, and whether that is all of them; (0, False) when the
    time was not enough."""
    counted = _open(scope).limit(_MOST_COUNTED + 1).subquery()
    rows = sqlite.rows_in_time(select(func.count()).select_from(counted), seconds)
    if rows is None:
        return 0, False
    number = rows[0][0]
    return min(number, _MOST_COUNTED), number <= _MOST_COUNTED


def still_open(photo_ids: Sequence[int], scope: ReviewScope) -> list[int]:
    """Those of these photos that are open, and that nobody else has leased."""
    statement = _open(scope).where(Photo.id.in_(photo_ids), ~_leased_by_others(scope))
    ids = set(db.session.execute(statement).scalars())
    return [photo_id for photo_id in photo_ids if photo_id in ids]


def _leased_by_others(scope: ReviewScope) -> Any:
    return exists().where(
        ReviewLease.photo_id == Photo.id,
        ReviewLease.until > scope.now,
        ReviewLease.user_id != scope.user_id,
    )


def _open(scope: ReviewScope) -> Select[Any]:
    """The photos of an order that wait for somebody.

    - audit: those of its sample that nobody has checked in an audit since it was drawn, whatever
      their label and the filter.
    - suspected: those with a stored doubt about the label they have, unless a review has kept or
      changed a label of theirs since the model answered.
    - disputed: those that people disagree about, unless this person labelled it last.
    - all others: photos without a label; with a filter for labelled ones, those that this person
      has not checked in this session.
    """
    if scope.order == "audit":
        drawn_at = select(Audit.created_at).where(Audit.id == scope.audit_id).scalar_subquery()
        return (
            select(Photo.id)
            .join(AuditPhoto, AuditPhoto.photo_id == Photo.id)
            .where(AuditPhoto.audit_id == scope.audit_id, Photo.deleted_at.is_(None))
            .where(~_checked(LabelEvent.place == "audit", LabelEvent.created_at >= drawn_at))
        )
    statement = matching(Photo.id, wanted=scope.photo_filter)
    if scope.order == "suspected":
        return _suspected(scope, statement)
    if scope.order == "disputed":
        last = (
            select(LabelEvent.user_id)
            .where(LabelEvent.photo_id == Photo.id, LabelEvent.place != MERGE)
            .order_by(LabelEvent.id.desc())
            .limit(1)
        )
        last_user = func.coalesce(last.scalar_subquery(), 0)
        return statement.where(Photo.disputed, last_user != scope.user_id)
    return _unlabelled(scope, statement)


def _suspected(scope: ReviewScope, statement: Select[Any]) -> Select[Any]:
    model = scope.photo_filter.model
    if model:
        answered_at: Any = Prediction.created_at
    else:
        shown = aliased(Prediction)
        answer = select(shown.created_at).where(shown.photo_id == Photo.id, shown.shown)
        answered_at = answer.correlate(Photo).scalar_subquery()
    settled = _checked(LabelEvent.from_label.is_not(None), LabelEvent.created_at > answered_at)
    of_model = Suspicion.model == (model or Photo.shown_model)
    doubted = statement.join(Suspicion, and_(Suspicion.photo_id == Photo.id, of_model))
    if scope.other:
        doubted = doubted.where(Suspicion.other == scope.other)
    return doubted.where(
        Suspicion.given == Photo.ground_truth, Suspicion.margin.between(-1, 1), ~settled
    )


def _unlabelled(scope: ReviewScope, statement: Select[Any]) -> Select[Any]:
    wanted = scope.photo_filter
    answer = MeantAnswer(wanted)
    answered = answer["margin" if scope.order == "margin" else "confidence"].is_not(None)
    statement = statement.where(answered)
    if wanted.ground_truth or wanted.outcome not in ("", UNLABELLED):  # labelled ones are wanted
        since = LabelEvent.created_at > scope.now - SESSION
        statement = statement.where(~_checked(LabelEvent.user_id == scope.user_id, since))
    else:
        # coalesce, so that no index finds them all, to be sorted by something else
        without_truth = func.coalesce(Photo.ground_truth, "") == ""
        statement = statement.where(answer["outcome"] == UNLABELLED, without_truth)
    if scope.order == "versions":
        other, model = aliased(Prediction), wanted.model or Photo.shown_model
        differs = other.label != answer["label"]
        statement = statement.where(
            exists().where(other.photo_id == Photo.id, other.model == model, differs)
        )
    if scope.order == "surprising":
        statement = statement.where(answer["decision"] != UNCLASSIFIED)
    return statement


def _checked(*conditions: Any) -> Any:
    """Somebody has checked the photo in a review, and it was not undone."""
    return (
        exists()
        .where(LabelEvent.photo_id == Photo.id, LabelEvent.place.in_(_CHECKS))
        .where(LabelEvent.undoes.is_(None), ~LabelEvent.undone, *conditions)
        .correlate(Photo, Prediction)
    )


def _in_order(scope: ReviewScope, statement: Select[Any]) -> Select[Any]:
    """Least sure or smallest margin first; an audit in the order of the draw; disputed ones newest
    first; suspected ones by lowest margin; what versions disagree about by the surest answer."""
    answer = MeantAnswer(scope.photo_filter)
    number = Prediction.photo_id if scope.photo_filter.model else Photo.id
    if scope.order == "surprising":
        return _by_surprise(scope.photo_filter, statement)
    columns: dict[str, tuple[Any, ...]] = {
        "audit": (AuditPhoto.position,),
        "least-sure": (answer["confidence"], number),
        "margin": (answer["margin"], number),
        "suspected": (Suspicion.margin, Suspicion.photo_id),
        "disputed": (Photo.id.desc(),),
        "versions": (answer["confidence"].desc(), number.desc()),
    }
    return statement.order_by(*columns[scope.order])


def _by_surprise(photo_filter: GalleryFilter, statement: Select[Any]) -> Select[Any]:
    """The named answers that are furthest below the usual confidence of their label first.

    Surprise is mean(confidence of the label) - confidence, over answers that name a label: 80 % for
    a label that is usually named with 99 % is stranger than 70 % for one that is always hard. The
    means are of the newest answers, and only the least sure open photos are compared, so that a
    large history costs no more than a small one.
    """
    answer = MeantAnswer(photo_filter)
    decision = answer["decision"].label("decision")
    confidence = answer["confidence"].label("confidence")
    same_model = GalleryFilter().replace(model=photo_filter.model, version=photo_filter.version)
    newest = (
        matching(decision, confidence, wanted=same_model)
        .where(answer["decision"] != UNCLASSIFIED)
        .order_by(Photo.id.desc())
        .limit(_USUAL_OF)
        .subquery()
    )
    usual = (
        select(newest.c.decision, func.avg(newest.c.confidence).label("mean"))
        .group_by(newest.c.decision)
        .subquery()
    )
    least_sure = (
        statement.with_only_columns(Photo.id.label("id"), decision, confidence)
        .order_by(answer["confidence"], Photo.id)
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
    """The photos that a person has leased from a queue, in order, also when their time is over."""
    statement = (
        select(ReviewLease.photo_id)
        .where(ReviewLease.user_id == user_id, ReviewLease.queue == queue)
        .order_by(ReviewLease.position)
    )
    return list(db.session.execute(statement).scalars())


def lease(photo_ids: Sequence[int], *, user_id: int, queue: str, until: datetime) -> None:
    """Lease these photos, in this order, to a person instead of their former ones; what others had
    leased of them has run out."""
    db.session.execute(delete(ReviewLease).where(ReviewLease.user_id == user_id))
    db.session.execute(delete(ReviewLease).where(ReviewLease.photo_id.in_(photo_ids)))
    row = {"user_id": user_id, "queue": queue, "until": until}
    rows = [
        {"photo_id": photo_id, "position": place, **row} for place, photo_id in enumerate(photo_ids)
    ]
    if rows:
        db.session.execute(insert(ReviewLease), rows)


def release(photo_id: int, user_id: int) -> None:
    """End a person's lease of a photo."""
    mine = (ReviewLease.photo_id == photo_id, ReviewLease.user_id == user_id)
    db.session.execute(delete(ReviewLease).where(*mine))


def photos_by_id(photo_ids: Sequence[int]) -> list[Photo]:
    """These photos in this order; those that were deleted are left out."""
    rows = db.session.execute(select(Photo).where(Photo.id.in_(photo_ids))).scalars()
    photos = {photo.id: photo for photo in rows}
    return [photos[photo_id] for photo_id in photo_ids if photo_id in photos]


# ---- what a person has checked ----


def checks_of(user_id: int, name: str, since: datetime, limit: int) -> Sequence[Any]:
    """What a person checked in the review after `since` and did not take back, newest first.

    Rows of event, photo_id, public_id, checked_at, label, and kept: whether the first label of the
    shown prediction is that label, or the answer that is right for it.
    """
    label = canonical_of(LabelEvent.to_model, LabelEvent.to_label)
    right = canonical_for(Photo.shown_model, Photo.shown_version, LabelEvent.to_label)
    statement = (
        select(
            LabelEvent.id.label("event"),
            LabelEvent.photo_id,
            Photo.public_id,
            LabelEvent.created_at.label("checked_at"),
            label.label("label"),
            case((Photo.shown_label.in_((right, label)), True), else_=False).label("kept"),
        )
        .join(Photo, and_(Photo.id == LabelEvent.photo_id, Photo.deleted_at.is_(None)))
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
    """How many photos of an audit's sample are still there."""
    there = exists().where(Photo.id == AuditPhoto.photo_id, Photo.deleted_at.is_(None))
    return count_rows(AuditPhoto, AuditPhoto.audit_id == audit_id, there)


def draw_audit(audit: Audit) -> int:
    """Draw and store a uniform sample of all answered photos; how many, `audit.size` at most. The
    same seed and photos give the same sample."""
    answered = (
        select(Photo.id)
        .where(Photo.deleted_at.is_(None), Photo.shown_label.is_not(None))
        .order_by(Photo.id)
    )
    numbers = list(db.session.execute(answered).scalars())
    sample = random.Random(audit.seed).sample(numbers, min(audit.size, len(numbers)))  # noqa: S311
    if not sample:
        return 0
    audit.size = len(sample)
    audit.id = insert_row(audit)
    rows = [
        {"audit_id": audit.id, "position": place, "photo_id": photo_id}
        for place, photo_id in enumerate(sample)
    ]
    db.session.execute(insert(AuditPhoto), rows)
    return len(sample)
