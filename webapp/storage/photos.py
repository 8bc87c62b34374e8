"""Questions about photos and predictions, and how they are written. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.orm import contains_eager, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.storage.database import db, insert_row
from webapp.storage.tables import Photo, Prediction, Thumbnail, TopLabel, Upload
from webapp.values import NONE_OF_THESE, UNCLASSIFIED, UNLABELLED, UNUSABLE, GalleryFilter

outcome = case(
    (Photo.ground_truth.is_(None), UNLABELLED),
    (Photo.ground_truth == UNUSABLE, "unusable"),
    (and_(Photo.ground_truth == NONE_OF_THESE, Prediction.decision == UNCLASSIFIED), "correct"),
    (or_(Prediction.decision.is_(None), Prediction.decision == UNCLASSIFIED), "unclassified"),
    (Prediction.decision == Photo.ground_truth, "correct"),
    else_="wrong",
)
"""The outcome of a photo's shown prediction, in SQL. "None of these" is answered right by not naming a label."""


def _with_prediction(*columns: Any) -> Select[Any]:
    return select(*columns).outerjoin(Prediction, and_(Photo.id == Prediction.photo_id, Prediction.shown))


def _full() -> Select[Any]:
    """Photos with their outcome, shown prediction and its top five, without a further query for each."""
    shown = contains_eager(Photo.prediction).selectinload(Prediction.top)
    question = _with_prediction(Photo, outcome).options(shown, selectinload(Photo.uploader))
    return question.execution_options(populate_existing=True)


# ---- one photo ----


def find_photo(public_id: str) -> tuple[Photo, str] | None:
    """The photo and its outcome, or None."""
    row = db.session.execute(_full().where(Photo.public_id == public_id)).one_or_none()
    return None if row is None else (row[0], row[1])


def find_photo_by_sha256(sha256: str) -> tuple[Photo, str] | None:
    """The photo that has these bytes and its outcome, or None."""
    row = db.session.execute(_full().where(Photo.sha256 == sha256)).one_or_none()
    return None if row is None else (row[0], row[1])


def knows_sha256(sha256: str) -> bool:
    """True when a photo has these bytes."""
    return db.session.execute(select(Photo.id).where(Photo.sha256 == sha256)).scalar_one_or_none() is not None


def latest_photo() -> tuple[Photo, str] | None:
    """The newest photo and its outcome, or None in an empty history."""
    row = db.session.execute(_full().order_by(Photo.id.desc()).limit(1)).one_or_none()
    return None if row is None else (row[0], row[1])


def thumbnail_of(public_id: str) -> bytes | None:
    """The small picture, or None when there is no such photo."""
    question = select(Thumbnail.content).join(Photo, Photo.id == Thumbnail.photo_id).where(Photo.public_id == public_id)
    return db.session.execute(question).scalar_one_or_none()


def predictions_of(photo: Photo) -> Sequence[Prediction]:
    """Every prediction of a photo with its top five, newest first."""
    question = (
        select(Prediction).where(Prediction.photo_id == photo.id).options(selectinload(Prediction.top)).order_by(Prediction.id.desc())
    )
    return db.session.execute(question).scalars().all()


# ---- many photos ----


def page_of_photos(wanted: GalleryFilter, limit: int, after: tuple[float, int] | None) -> list[tuple[Photo, str]]:
    """At most `limit` photos with their outcomes, after the place `after` = (confidence, id) of the last one seen."""
    question = _full().where(*_conditions(wanted)).limit(limit)
    if wanted.sort == "least-sure":
        question = question.where(Prediction.confidence.is_not(None)).order_by(Prediction.confidence, Photo.id.desc())
        if after is not None:
            confidence, last = after
            question = question.where(or_(Prediction.confidence > confidence, and_(Prediction.confidence == confidence, Photo.id < last)))
    else:
        question = question.order_by(Photo.id.desc())
        if after is not None:
            question = question.where(Photo.id < after[1])
    return [(row[0], row[1]) for row in db.session.execute(question)]


def count_by_outcome(wanted: GalleryFilter) -> dict[str, int]:
    """How many photos have each outcome, with the other filters applied. Outcomes without a photo are absent."""
    question = _with_prediction(outcome, func.count()).where(*_conditions(replace(wanted, outcome=""))).group_by(outcome)
    return {str(name): int(count) for name, count in db.session.execute(question)}


def count_by_ground_truth() -> dict[str, int]:
    """How many photos each ground truth has."""
    question = select(Photo.ground_truth, func.count()).where(Photo.ground_truth.is_not(None)).group_by(Photo.ground_truth)
    return {str(name): count for name, count in db.session.execute(question)}


def latest_checked_photo_of_each_label() -> dict[str, Photo]:
    """For each ground truth the newest photo that has it."""
    newest = select(func.max(Photo.id)).where(Photo.ground_truth.is_not(None)).group_by(Photo.ground_truth)
    photos = db.session.execute(select(Photo).where(Photo.id.in_(newest))).scalars()
    return {str(photo.ground_truth): photo for photo in photos}


def _conditions(wanted: GalleryFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.predicted:
        conditions.append(Prediction.label == wanted.predicted)
    if wanted.decision:
        conditions.append(Prediction.decision == wanted.decision)
    if wanted.ground_truth:
        conditions.append(Photo.ground_truth == wanted.ground_truth)
    if wanted.outcome:
        conditions.append(outcome == wanted.outcome)
    if wanted.min_confidence is not None:
        conditions.append(Prediction.confidence >= wanted.min_confidence)
    if wanted.max_confidence is not None:
        conditions.append(Prediction.confidence <= wanted.max_confidence)
    if wanted.filename:
        conditions.append(Photo.filename.icontains(wanted.filename, autoescape=True))
    return conditions


# ---- writing ----


def add_photo(photo: Photo, thumbnail: bytes) -> None:
    """Add a photo with its small picture; it has an `id` afterwards."""
    photo.id = insert_row(photo)
    insert_row(Thumbnail(photo_id=photo.id, content=thumbnail))


def add_prediction(photo: Photo, prediction: Prediction, *, first: bool = False) -> None:
    """Add a prediction to a photo and show it instead of the one before; `first` when there is none before."""
    if not first:
        hide = update(Prediction).where(Prediction.photo_id == photo.id, Prediction.shown).values(shown=False)
        db.session.execute(hide, execution_options={"synchronize_session": False})
    prediction.photo_id, prediction.shown = photo.id, True
    prediction.id = insert_row(prediction)
    set_committed_value(photo, "prediction", prediction)
    lines = [
        {"prediction_id": prediction.id, "rank": one.rank, "label": one.label, "probability": one.probability} for one in prediction.top
    ]
    db.session.connection().execute(insert(TopLabel.__table__), lines)  # type: ignore[arg-type]


def top_labels(lines: Sequence[tuple[int, str, float]]) -> list[TopLabel]:
    """Rows for (rank, label, probability)."""
    return [TopLabel(rank=rank, label=label, probability=probability) for rank, label, probability in lines]


def delete_photo(photo: Photo) -> None:
    """Remove a photo with its thumbnail and predictions. Its label events stay, without it."""
    db.session.execute(delete(Photo).where(Photo.id == photo.id))


# ---- uploads ----


def add_upload(upload: Upload) -> None:
    """Remember what became of the files of one form."""
    db.session.add(upload)


def find_upload(public_id: str) -> Upload | None:
    """The upload, or None."""
    return db.session.execute(select(Upload).where(Upload.public_id == public_id)).scalar_one_or_none()


def photos_by_public_id(public_ids: Sequence[str]) -> dict[str, tuple[Photo, str]]:
    """The photos with these ids and their outcomes, by id; unknown ids are absent."""
    rows = db.session.execute(_full().where(Photo.public_id.in_(public_ids)))
    return {row[0].public_id: (row[0], row[1]) for row in rows}
