"""Questions about photos and predictions, and how they are written. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import contains_eager, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.storage.database import db, insert_row
from webapp.storage.tables import KnownLabel, Photo, Prediction, Thumbnail, TopLabel, Upload
from webapp.values import NONE_OF_THESE, UNCLASSIFIED, UNLABELLED, UNUSABLE, GalleryFilter

_in_its_label_set = (
    exists()
    .where(KnownLabel.model == Prediction.model, KnownLabel.version == Prediction.version, KnownLabel.label == Photo.ground_truth)
    .correlate(Photo, Prediction)
)

outcome = case(
    (Photo.ground_truth.is_(None), UNLABELLED),
    (Photo.ground_truth == UNUSABLE, "unusable"),
    (and_(Photo.ground_truth == NONE_OF_THESE, Photo.truth_model != Prediction.model), UNLABELLED),
    (and_(Photo.ground_truth == NONE_OF_THESE, Prediction.decision == UNCLASSIFIED), "correct"),
    (Prediction.decision.is_(None), "unclassified"),
    (Prediction.decision == Photo.ground_truth, "correct"),
    (and_(Photo.ground_truth != NONE_OF_THESE, ~_in_its_label_set), UNLABELLED),
    (Prediction.decision == UNCLASSIFIED, "unclassified"),
    else_="wrong",
)
"""The outcome of a photo's prediction, in SQL. "None of these" is answered right by not naming a label.

Models have label sets of their own: a label that the prediction's version does not know, or a "none of these" that was said about
another model's labels, says nothing about the prediction, which is unlabelled then.
"""


def _with_prediction(*columns: Any, model: str = "") -> Select[Any]:
    """Each photo with the prediction that is meant: the shown one, or the current one of `model`; then only photos that have one."""
    meant = and_(Prediction.model == model, Prediction.current) if model else Prediction.shown
    return select(*columns).join(Prediction, and_(Photo.id == Prediction.photo_id, meant), isouter=not model)


def _full(model: str = "") -> Select[Any]:
    """Photos with their outcome, the prediction that is meant and its top five, without a further query for each."""
    meant = contains_eager(Photo.prediction).selectinload(Prediction.top)
    question = _with_prediction(Photo, outcome, model=model).options(meant, selectinload(Photo.uploader))
    return question.execution_options(populate_existing=True)


# ---- one photo ----


def find_photo(public_id: str, model: str = "") -> tuple[Photo, str] | None:
    """The photo with the prediction that is meant (the shown one, or that of `model`) and its outcome; None when there is none."""
    row = db.session.execute(_full(model).where(Photo.public_id == public_id)).one_or_none()
    return None if row is None else (row[0], row[1])


def find_photo_by_sha256(sha256: str, model: str = "") -> tuple[Photo, str] | None:
    """The same for the photo that has these bytes."""
    row = db.session.execute(_full(model).where(Photo.sha256 == sha256)).one_or_none()
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


def current_predictions(photo: Photo) -> list[tuple[Prediction, str]]:
    """What each model says about a photo, with its top five and its outcome; the shown one first."""
    question = (
        select(Prediction, outcome)
        .join(Photo, Photo.id == Prediction.photo_id)
        .where(Prediction.photo_id == photo.id, Prediction.current)
        .options(selectinload(Prediction.top))
        .order_by(Prediction.shown.desc(), Prediction.model)
        .execution_options(populate_existing=True)
    )
    return [(row[0], row[1]) for row in db.session.execute(question)]


def current_versions(photo: Photo) -> dict[str, int]:
    """For each model that has looked at a photo the version whose answer stands."""
    question = select(Prediction.model, Prediction.version).where(Prediction.photo_id == photo.id, Prediction.current)
    return {str(row.model): int(row.version) for row in db.session.execute(question)}


# ---- many photos ----


def page_of_photos(wanted: GalleryFilter, limit: int, after: tuple[float, int] | None) -> list[tuple[Photo, str]]:
    """At most `limit` photos with their outcomes, after the place `after` = (confidence, id) of the last one seen."""
    question = _full(wanted.model).where(*_conditions(wanted)).limit(limit)
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
    question = (
        _with_prediction(outcome, func.count(), model=wanted.model).where(*_conditions(replace(wanted, outcome=""))).group_by(outcome)
    )
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


def add_prediction(photo: Photo, prediction: Prediction, *, first: bool = False, shown: bool = True) -> None:
    """Add a prediction to a photo, or find the one that this version made before. From now on it stands for its model.

    It is shown when its model was shown before, or when nothing was: what another model says does not take the place. `first` when its
    model has not looked at the photo before; then `shown` tells whether it is shown.
    """
    if not first:
        mine = and_(Prediction.photo_id == photo.id, Prediction.model == prediction.model)
        other = select(Prediction.id).where(Prediction.photo_id == photo.id, Prediction.model != prediction.model, Prediction.shown)
        same = select(Prediction.id).where(mine, Prediction.version == prediction.version)
        shown = db.session.execute(other).first() is None
        known = db.session.execute(same).scalar_one_or_none()
        _mark(mine, shown=False, current=False)
        if known is not None:
            _mark(Prediction.id == known, shown=shown, current=True)
            return
    prediction.photo_id, prediction.shown, prediction.current = photo.id, shown, True
    prediction.id = insert_row(prediction)
    if shown:
        set_committed_value(photo, "prediction", prediction)
    lines = [
        {"prediction_id": prediction.id, "rank": one.rank, "label": one.label, "probability": one.probability} for one in prediction.top
    ]
    db.session.connection().execute(insert(TopLabel.__table__), lines)  # type: ignore[arg-type]


def _mark(which: Any, **values: bool) -> None:
    db.session.execute(update(Prediction).where(which).values(**values), execution_options={"synchronize_session": False})


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


def photos_by_public_id(public_ids: Sequence[str], model: str = "") -> dict[str, tuple[Photo, str]]:
    """The photos with these ids, the prediction that is meant and their outcomes, by id; unknown ids are absent."""
    rows = db.session.execute(_full(model).where(Photo.public_id.in_(public_ids)))
    return {row[0].public_id: (row[0], row[1]) for row in rows}
