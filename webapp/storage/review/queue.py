"""Questions of the review: which photos are open in which order, who has which on the desk, audits. Nothing here commits."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, delete, exists, func, insert, or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import aliased

from webapp.domain import MERGE, UNCLASSIFIED, UNLABELLED
from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import db, insert_row, stopping_after
from webapp.storage.labels.canonical import canonical_of, truths_of
from webapp.storage.photos.query_filters import matching, meant_columns
from webapp.storage.tables import (
    Audit,
    AuditPhoto,
    CanonicalLabel,
    LabelEvent,
    Photo,
    Prediction,
    ReviewLease,
    Suspicion,
)

CHECKS = ("queue", "audit")
"""The places of label events that were made in the review."""
USUAL_OF = 20_000
"""So many of the newest answers tell how sure a model usually is of a label."""
LEAST_SURE_OF = 5_000
"""So many open photos, the least sure ones, are compared with what is usual for their label."""
MOST_COUNTED = 1_000
"""Open photos are counted so far: counting them all would take as long as there are."""


@dataclass(frozen=True)
class Scope:
    """What is asked for, and by whom: an order with its filter, the person, the moment it is now, when the person's sitting may have begun
    at the earliest, and the audit (only for the order "audit")."""

    order: str
    wanted: GalleryFilter
    user_id: int
    now: datetime
    since: datetime
    audit_id: int | None = None


# ---- which photos, in what order ----


def next_photos(scope: Scope, *, limit: int, without: set[int]) -> list[int]:
    """The first open photos that nobody else has on the desk, `without` some, at most `limit`. See `_open` and `_in_order`."""
    return list(
        db.session.execute(next_photos_question(scope, limit=limit, without=without)).scalars()
    )


def next_photos_question(scope: Scope, *, limit: int, without: set[int]) -> Select[Any]:
    """The same as a question, whose plan can be looked at."""
    return _in_order(scope, _open(scope).where(~_taken(scope), Photo.id.not_in(without))).limit(
        limit
    )


def suspects(
    scope: Scope, *, other: str, after: tuple[float, int] | None, limit: int
) -> list[tuple[Photo, Suspicion]]:
    """The first open photos of the order "suspected", on a desk or not, with what is suspected; `after` is a margin and a photo.

    `other`, unless it is "", is the label that is suspected instead.
    """
    question = (
        _in_order(scope, _open(scope))
        .with_only_columns(Photo, Suspicion)
        .where(*_instead(other))
        .limit(limit)
    )
    if after is not None:
        margin, number = after
        question = question.where(
            or_(
                Suspicion.margin > margin,
                and_(Suspicion.margin == margin, Suspicion.photo_id > number),
            )
        )
    return [(row[0], row[1]) for row in db.session.execute(question)]


def _instead(other: str) -> list[Any]:
    return [Suspicion.other == other] if other else []


def count_open(scope: Scope, *, seconds: float, other: str = "") -> tuple[int, bool]:
    """How many photos are open, on a desk or not, and whether that is all of them. When the time
    was not enough to count them it is (0, False). `other` as for `suspects`."""
    question = select(func.count()).select_from(
        _open(scope).where(*_instead(other)).limit(MOST_COUNTED + 1).subquery()
    )
    try:
        with stopping_after(seconds):
            number = int(db.session.execute(question).scalar_one())
    except OperationalError as error:
        if "interrupted" in str(error):
            return 0, False
        raise
    return min(number, MOST_COUNTED), number <= MOST_COUNTED


def still_open(photo_ids: Sequence[int], scope: Scope) -> set[int]:
    """Those of these photos that are open, and that nobody else has on the desk."""
    return set(
        db.session.execute(_open(scope).where(Photo.id.in_(photo_ids), ~_taken(scope))).scalars()
    )


def _taken(scope: Scope) -> Any:
    return exists().where(
        ReviewLease.photo_id == Photo.id,
        ReviewLease.until > scope.now,
        ReviewLease.user_id != scope.user_id,
    )


def _open(scope: Scope) -> Select[Any]:
    """The photos of an order that wait for somebody.

    An audit: those of its sample that nobody has checked in an audit since it was drawn, whatever their label and the filter. Suspected
    labels: those that `webapp.services.review.suspects` keeps, as long as the label is the same, unless a review has kept or changed a label of
    the photo since the model answered.
    Disputed: those that people disagree about, unless this person had the last word. All others: photos without a label; with a filter
    that asks for labelled ones, those that this person has not checked in a review in this sitting.
    """
    if scope.order == "audit":
        drawn = select(Audit.created_at).where(Audit.id == scope.audit_id).scalar_subquery()
        return (
            select(Photo.id)
            .join(AuditPhoto, AuditPhoto.photo_id == Photo.id)
            .where(AuditPhoto.audit_id == scope.audit_id, Photo.deleted_at.is_(None))
            .where(~_checked(LabelEvent.place == "audit", LabelEvent.created_at >= drawn))
        )
    said = meant_columns(scope.wanted.model)
    question = matching(Photo.id, wanted=scope.wanted)
    if scope.order == "suspected":
        mine = Suspicion.model == (scope.wanted.model or Photo.shown_model)
        settled = _checked(
            LabelEvent.from_label.is_not(None), LabelEvent.created_at > _answered_at(scope.wanted)
        )
        doubted = question.join(Suspicion, and_(Suspicion.photo_id == Photo.id, mine))
        return doubted.where(
            Suspicion.given == Photo.ground_truth, Suspicion.margin.between(-1, 1), ~settled
        )
    if scope.order == "disputed":
        last = (
            select(LabelEvent.user_id)
            .where(LabelEvent.photo_id == Photo.id, LabelEvent.place != MERGE)
            .order_by(LabelEvent.id.desc())
            .limit(1)
        )
        return question.where(
            Photo.disputed, func.coalesce(last.scalar_subquery(), 0) != scope.user_id
        )
    question = question.where(
        said["margin" if scope.order == "margin" else "confidence"].is_not(None)
    )  # it was answered
    if asks_for_labelled(scope.wanted):
        question = question.where(
            ~_checked(LabelEvent.user_id == scope.user_id, LabelEvent.created_at > scope.since)
        )
    else:
        without_truth = (
            func.coalesce(Photo.ground_truth, "") == ""
        )  # no index shall find them all, to be sorted by something else
        question = question.where(said["outcome"] == UNLABELLED, without_truth)
    if scope.order == "versions":
        other, model = aliased(Prediction), scope.wanted.model or Photo.shown_model
        question = question.where(
            exists().where(
                other.photo_id == Photo.id, other.model == model, other.label != said["label"]
            )
        )
    if scope.order == "surprising":
        question = question.where(said["decision"] != UNCLASSIFIED)
    return question


def _answered_at(wanted: GalleryFilter) -> Any:
    """When the answer that is meant was given."""
    if wanted.model:
        return Prediction.created_at
    shown = aliased(Prediction)
    return (
        select(shown.created_at)
        .where(shown.photo_id == Photo.id, shown.shown)
        .correlate(Photo)
        .scalar_subquery()
    )


def is_right_answer(said: Prediction, label: str) -> bool:
    """True when the first label of an answer is the right one for this ground truth."""
    return said.label == label or label in truths_of(said.model, said.version, said.label)


def asks_for_labelled(wanted: GalleryFilter) -> bool:
    """True when a filter is about photos that have a label already."""
    return bool(wanted.ground_truth) or wanted.outcome not in ("", UNLABELLED)


def _checked(*conditions_: Any) -> Any:
    """Somebody has checked the photo in a review, and it was not undone."""
    later = aliased(LabelEvent)
    return (
        exists()
        .where(
            LabelEvent.photo_id == Photo.id,
            LabelEvent.place.in_(CHECKS),
            LabelEvent.undoes.is_(None),
            *conditions_,
        )
        .where(~exists().where(later.undoes == LabelEvent.id))
        .correlate(Photo, Prediction)
    )


def _in_order(scope: Scope, question: Select[Any]) -> Select[Any]:
    """Least sure, or smallest margin, first; an audit in the order of the draw; disputed ones by arrival, the newest first;
    suspected labels by normalised margin, the lowest first; what versions disagree about by the surest answer first."""
    said = meant_columns(scope.wanted.model)
    if scope.order == "audit":
        return question.order_by(AuditPhoto.position)
    number = Prediction.photo_id if scope.wanted.model else Photo.id
    if scope.order == "least-sure":
        return question.order_by(said["confidence"], number)
    if scope.order == "margin":
        return question.order_by(said["margin"], number)
    if scope.order == "suspected":
        return question.order_by(Suspicion.margin, Suspicion.photo_id)
    if scope.order == "disputed":
        return question.order_by(Photo.id.desc())
    if scope.order == "surprising":
        return _by_surprise(scope.wanted, question)
    return question.order_by(said["confidence"].desc(), number.desc())


def _by_surprise(wanted: GalleryFilter, question: Select[Any]) -> Select[Any]:
    """The named answers that are furthest below the usual confidence of their label first.

    Surprise is mean(confidence of the label) - confidence, over answers that name a label: 80 % for a label that is usually named with
    99 % is stranger than 70 % for one that is always hard. The means are of the newest answers, and only the least sure open photos are
    compared, so that a large history costs no more than a small one.
    """
    said = meant_columns(wanted.model)
    decision, confidence = (
        said["decision"].label("decision"),
        said["confidence"].label("confidence"),
    )
    same_model = GalleryFilter().replace(model=wanted.model, version=wanted.version)
    newest = matching(decision, confidence, wanted=same_model).where(
        said["decision"] != UNCLASSIFIED
    )
    newest_ones = newest.order_by(Photo.id.desc()).limit(USUAL_OF).subquery()
    usual = (
        select(newest_ones.c.decision, func.avg(newest_ones.c.confidence).label("mean"))
        .group_by(newest_ones.c.decision)
        .subquery()
    )
    least = question.with_only_columns(Photo.id.label("id"), decision, confidence).order_by(
        said["confidence"], Photo.id
    )
    least_sure = least.limit(LEAST_SURE_OF).subquery()
    surprise = usual.c.mean - least_sure.c.confidence
    return (
        select(least_sure.c.id)
        .join(usual, usual.c.decision == least_sure.c.decision)
        .order_by(surprise.desc(), least_sure.c.id)
    )


# ---- desks ----


def desk_of(user_id: int, queue: str) -> list[int]:
    """The photos that a person has on the desk for a queue, in order, also when their time is over."""
    mine = (ReviewLease.user_id == user_id, ReviewLease.queue == queue)
    return list(
        db.session.execute(
            select(ReviewLease.photo_id).where(*mine).order_by(ReviewLease.position)
        ).scalars()
    )


def lay_on_desk(photo_ids: Sequence[int], *, user_id: int, queue: str, until: datetime) -> None:
    """Make these photos, in this order, the desk of a person: what else was on it goes back, and what somebody left too long is taken."""
    db.session.execute(delete(ReviewLease).where(ReviewLease.user_id == user_id))
    db.session.execute(delete(ReviewLease).where(ReviewLease.photo_id.in_(photo_ids)))
    rows = [
        {
            "photo_id": photo_id,
            "user_id": user_id,
            "queue": queue,
            "position": place,
            "until": until,
        }
        for place, photo_id in enumerate(photo_ids)
    ]
    if rows:
        db.session.execute(insert(ReviewLease), rows)


def give_back(photo_id: int, user_id: int) -> None:
    """Take a photo from a person's desk."""
    db.session.execute(
        delete(ReviewLease).where(ReviewLease.photo_id == photo_id, ReviewLease.user_id == user_id)
    )


def photos_by_id(photo_ids: Sequence[int]) -> list[Photo]:
    """These photos in this order; those that were deleted are left out."""
    found = {
        photo.id: photo
        for photo in db.session.execute(select(Photo).where(Photo.id.in_(photo_ids))).scalars()
    }
    return [found[photo_id] for photo_id in photo_ids if photo_id in found]


def ids_of(public_ids: Sequence[str]) -> set[int]:
    """The numbers of these photos."""
    return set(
        db.session.execute(select(Photo.id).where(Photo.public_id.in_(public_ids))).scalars()
    )


# ---- what a person has checked ----


def checks_of(user_id: int, name: str, since: datetime, limit: int) -> Sequence[Any]:
    """What a person checked in the review after `since` and did not take back, newest first, at most `limit`.

    Rows of event, batch, photo_id, public_id, at, label and first: the first label of the shown prediction, as labels read today; where
    that is the answer that is right for the label, the label itself.
    """
    later = aliased(LabelEvent)
    label = canonical_of(LabelEvent.to_model, LabelEvent.to_label)
    right = (
        select(CanonicalLabel.canonical)
        .where(
            CanonicalLabel.model == Photo.shown_model,
            CanonicalLabel.version == Photo.shown_version,
            CanonicalLabel.label == LabelEvent.to_label,
        )
        .scalar_subquery()
    )
    question = (
        select(
            LabelEvent.id.label("event"),
            LabelEvent.batch,
            LabelEvent.photo_id,
            Photo.public_id,
            LabelEvent.created_at.label("at"),
            label.label("label"),
            case((right == Photo.shown_label, label), else_=Photo.shown_label).label("first"),
        )
        .join(Photo, and_(Photo.id == LabelEvent.photo_id, Photo.deleted_at.is_(None)))
        .where(LabelEvent.who == name, LabelEvent.user_id == user_id, LabelEvent.created_at > since)
        .where(
            LabelEvent.place.in_(CHECKS),
            LabelEvent.undoes.is_(None),
            ~exists().where(later.undoes == LabelEvent.id),
        )
        .order_by(LabelEvent.id.desc())
        .limit(limit)
    )
    return db.session.execute(question).all()


# ---- audits ----


def latest_audit() -> Audit | None:
    """The audit that was drawn last, or None."""
    return db.session.execute(select(Audit).order_by(Audit.id.desc()).limit(1)).scalar_one_or_none()


def audit_size(audit_id: int) -> int:
    """How many photos of an audit's sample are still there."""
    there = (
        select(func.count()).select_from(AuditPhoto).join(Photo, Photo.id == AuditPhoto.photo_id)
    )
    return int(
        db.session.execute(
            there.where(AuditPhoto.audit_id == audit_id, Photo.deleted_at.is_(None))
        ).scalar_one()
    )


def draw_audit(audit: Audit) -> int:
    """Draw a uniform sample without replacement of all photos that have an answer, `audit.size` at most, and keep it; returns how many.

    The same seed and the same photos give the same sample.
    """
    answered = (
        select(Photo.id)
        .where(Photo.deleted_at.is_(None), Photo.shown_label.is_not(None))
        .order_by(Photo.id)
    )
    everything = list(db.session.execute(answered).scalars())
    sample = random.Random(audit.seed).sample(everything, min(audit.size, len(everything)))  # noqa: S311
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
