"""Photos and predictions: how they are read and written. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.orm import contains_eager, lazyload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED, UNLABELLED, UNUSABLE, hash_bands
from webapp.storage import sqlite
from webapp.storage.database import column_values, db, insert_row, update_rows
from webapp.storage.labels.canonical import expected_for
from webapp.storage.photos.query_filters import with_prediction
from webapp.storage.stats import counters
from webapp.storage.tables import (
    KnownLabel,
    Photo,
    PhotoHash,
    Prediction,
    Thumbnail,
    TopLabel,
    Upload,
)

# Columns of the shown prediction that are mirrored on the photo, as `shown_…`.
_MIRRORED = ("model", "version", "label", "decision", "confidence", "margin")


def _outcome_for(truth: Any, truth_model: Any) -> Any:
    """The outcome of a prediction by the ground truth of its photo, as an SQL expression.

    "None of these" is answered right by not naming a label. A label that the prediction's version
    does not know, or a "none of these" about another model's labels, says nothing about it.
    """
    expected = expected_for(truth)  # after a merge or a split
    known = exists().where(
        KnownLabel.model == Prediction.model,
        KnownLabel.version == Prediction.version,
        KnownLabel.label == truth,
    )
    unknown = ~known.correlate(Photo, Prediction)
    none = truth == NONE_OF_THESE
    return case(
        (truth.is_(None), UNLABELLED),
        (truth == UNUSABLE, "unusable"),
        (and_(none, truth_model != Prediction.model), UNLABELLED),
        (and_(none, Prediction.decision == UNCLASSIFIED), "correct"),
        (Prediction.decision.is_(None), "unclassified"),
        (Prediction.decision == func.coalesce(expected, truth), "correct"),
        (and_(truth != NONE_OF_THESE, unknown, expected.is_(None)), UNLABELLED),
        (Prediction.decision == UNCLASSIFIED, "unclassified"),
        else_="wrong",
    )


def _photo_outcome(truth: Any) -> Any:
    shown = select(Prediction.outcome).where(Prediction.photo_id == Photo.id, Prediction.shown)
    unanswered = case(
        (truth.is_(None), UNLABELLED), (truth == UNUSABLE, UNUSABLE), else_=UNCLASSIFIED
    )
    return func.coalesce(shown.scalar_subquery(), unanswered)


outcome = _outcome_for(Photo.ground_truth, Photo.truth_model)

# Made once: building them takes longer than running them.
_truth = bindparam("new_truth", type_=String())
_truth_model = bindparam("new_model", type_=String())
_set_outcomes = (
    update(Prediction)
    .where(Prediction.photo_id == bindparam("number"))
    .values(outcome=_outcome_for(_truth, _truth_model))
    .returning(Prediction.id, Prediction.outcome)
)
_set_truth = (
    update(Photo)
    .where(Photo.id == bindparam("number"))
    .values(ground_truth=_truth, truth_model=_truth_model, outcome=_photo_outcome(_truth))
    .returning(Photo.outcome)
)


# What a photo has besides its prediction: of several photos loaded with them, else when asked for.
_of_many = (
    contains_eager(Photo.prediction).selectinload(Prediction.top),
    selectinload(Photo.uploader),
)
_of_one = contains_eager(Photo.prediction).lazyload(Prediction.top), lazyload(Photo.uploader)


def _answered(model: str = "", version: int | None = None) -> Select[Any]:
    """Photos whose `prediction` is the shown one or that of a model."""
    answered = with_prediction(Photo, model=model, version=version)
    existing = answered.where(Photo.deleted_at.is_(None))
    return existing.execution_options(populate_existing=True)


# ---- one photo ----


def find_photo(which: Any, model: str = "") -> Photo | None:
    """The photo that satisfies a condition, with its shown prediction or that of `model`; None when
    there is none."""
    return db.session.scalar(_answered(model).where(which).options(*_of_one))


def latest_photo() -> Photo | None:
    """The newest photo, or None in an empty history."""
    return db.session.scalar(_answered().options(*_of_one).order_by(Photo.id.desc()).limit(1))


def find_bytes(sha256: str) -> Any:
    """`deleted_at` of the photo that has these bytes, as a row; None when there is none."""
    return db.session.execute(select(Photo.deleted_at).where(Photo.sha256 == sha256)).one_or_none()


def thumbnail_of(public_id: str) -> tuple[bytes, datetime] | None:
    """The small picture and when its photo came, or None when there is no such photo."""
    statement = (
        select(Thumbnail.content, Photo.created_at)
        .join(Photo, Photo.id == Thumbnail.photo_id)
        .where(Photo.public_id == public_id, Photo.deleted_at.is_(None))
    )
    return db.session.execute(statement).one_or_none()


def predictions_of(photo: Photo) -> Sequence[Prediction]:
    """Every prediction of a photo with its top five, newest first."""
    statement = (
        select(Prediction)
        .where(Prediction.photo_id == photo.id)
        .options(selectinload(Prediction.top))
        .order_by(Prediction.id.desc())
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()


def answered_by(photo: Photo, *, standing: bool) -> set[tuple[str, int]]:
    """Model and version of what has answered about a photo; `standing`: for its model."""
    statement = select(Prediction.model, Prediction.version).where(Prediction.photo_id == photo.id)
    if standing:
        statement = statement.where(Prediction.current)
    return {(row.model, row.version) for row in db.session.execute(statement)}


# ---- many photos ----


def latest_checked_photo_of_each_label() -> dict[str, Photo]:
    """For each ground truth the newest photo that has it."""
    newest = (
        select(func.max(Photo.id))
        .where(Photo.deleted_at.is_(None), Photo.ground_truth.is_not(None))
        .group_by(Photo.ground_truth)
    )
    return _by_truth(newest)


def latest_photo_of(labels: Sequence[str]) -> dict[str, Photo]:
    """The same for these ground truths, by a look into the index for each."""
    newest_of = select(func.max(Photo.id)).where(Photo.deleted_at.is_(None))
    newest = (db.session.scalar(newest_of.where(Photo.ground_truth == label)) for label in labels)
    return _by_truth([number for number in newest if number])


def _by_truth(numbers: Any) -> dict[str, Photo]:
    photos = db.session.scalars(select(Photo).where(Photo.id.in_(numbers)))
    return {str(photo.ground_truth): photo for photo in photos}


def photos_by_number(
    numbers: Sequence[int], model: str = "", version: int | None = None
) -> list[Photo]:
    """The photos with these numbers, in this order."""
    statement = _answered(model, version).where(Photo.id.in_(numbers)).options(*_of_many)
    by_number = {photo.id: photo for photo in db.session.scalars(statement)} if numbers else {}
    return [by_number[number] for number in numbers if number in by_number]


def photos_by_public_id(public_ids: Sequence[str], model: str = "") -> dict[str, Photo]:
    """The photos with these ids, by id; unknown ids are absent."""
    statement = _answered(model).where(Photo.public_id.in_(public_ids)).options(*_of_many)
    photos = db.session.scalars(statement)
    return {photo.public_id: photo for photo in photos}


# ---- writing ----


_same_hash = and_(Photo.dhash == bindparam("its_dhash"), Photo.deleted_at.is_(None))
_insert_photo = (
    insert(Photo)
    .values(has_duplicate=exists().where(_same_hash))
    .returning(Photo.id, Photo.has_duplicate)
)


def add_photo(photo: Photo, thumbnail: bytes, shown: Prediction | None = None) -> None:
    """Add a photo, its thumbnail and its place in the indexes; it has an `id` afterwards.

    `shown` is the prediction that it will show. Photos with the same difference hash have a
    duplicate from now on.
    """
    if shown is not None:
        for name in _MIRRORED:
            setattr(photo, f"shown_{name}", getattr(shown, name))
    photo.outcome = UNLABELLED
    values = {"its_dhash": photo.dhash, **column_values(photo)}
    photo.id, photo.has_duplicate = db.session.connection().execute(_insert_photo, values).one()
    if photo.has_duplicate:
        others = and_(Photo.dhash == photo.dhash, Photo.deleted_at.is_(None))
        change = update(Photo).where(others, Photo.has_duplicate.is_(False))
        update_rows(change.values(has_duplicate=True))
    insert_row(Thumbnail(photo_id=photo.id, content=thumbnail))
    sqlite.add_name(photo)
    add_hash(photo)


def add_hash(photo: Photo) -> None:
    """Add the bands of a photo's hash, if its picture has structure."""
    if photo.dhash is not None:
        columns = {f"band{n}": band for n, band in enumerate(hash_bands(photo.dhash))}
        insert_row(PhotoHash(photo_id=photo.id, dhash=photo.dhash, **columns))


def add_prediction(photo: Photo, prediction: Prediction, *, standing: bool = True) -> None:
    """Add a prediction to a photo, unless this version has made one before.

    `standing`: from now on it stands for its model, and is shown when its model was shown before,
    or when nothing was. Else no list shows it, only the photo's page names it.
    """
    of_photo = Prediction.photo_id == photo.id
    mine = and_(of_photo, Prediction.model == prediction.model)
    same = select(Prediction.id).where(mine, Prediction.version == prediction.version)
    known, shown = db.session.scalar(same), False
    if standing:
        others = and_(of_photo, Prediction.model != prediction.model, Prediction.shown)
        shown = db.session.scalar(select(Prediction.id).where(others)) is None
        update_rows(update(Prediction).where(mine).values(shown=False, current=False))
    if known is None:
        insert_prediction(photo, prediction, shown=shown, standing=standing)
    elif standing:
        answer = update(Prediction).where(Prediction.id == known)
        update_rows(answer.values(shown=shown, current=True))
    refresh_outcomes([photo.id])
    counters.recount([photo.id])
    refresh_shown(photo.id)


def insert_prediction(
    photo: Photo, prediction: Prediction, *, shown: bool, standing: bool = True
) -> None:
    """Insert a prediction and its top five. No model stands or is shown that did before."""
    prediction.photo_id, prediction.outcome = photo.id, UNLABELLED
    prediction.shown, prediction.current = shown, standing
    prediction.id = insert_row(prediction)
    if shown:
        set_committed_value(photo, "prediction", prediction)
    lines = [column_values(line) | {"prediction_id": prediction.id} for line in prediction.top]
    db.session.connection().execute(insert(TopLabel.__table__), lines)  # type: ignore[arg-type]


def refresh_outcomes(photo_ids: Sequence[int]) -> None:
    """Bring the outcomes of these photos' predictions, and their mirror on the photos, up to date
    with the ground truths."""
    theirs = Prediction.photo_id.in_(photo_ids)
    new = select(outcome).where(Photo.id == Prediction.photo_id).scalar_subquery()
    update_rows(update(Prediction).where(theirs).values(outcome=new))
    mirror = update(Photo).where(Photo.id.in_(photo_ids))
    update_rows(mirror.values(outcome=_photo_outcome(Photo.ground_truth)))


def set_truth(photo: Photo, label: str, model: str | None) -> None:
    """Give a photo a ground truth, and it and its predictions their outcomes."""
    values = {"number": photo.id, "new_truth": label, "new_model": model}
    outcomes = {
        row.id: row.outcome for row in db.session.connection().execute(_set_outcomes, values)
    }
    if "prediction" not in inspect(photo).unloaded and photo.prediction:
        set_committed_value(photo.prediction, "outcome", outcomes[photo.prediction.id])
    outcome = db.session.connection().execute(_set_truth, values).scalar_one()
    for name, value in (("ground_truth", label), ("truth_model", model), ("outcome", outcome)):
        set_committed_value(photo, name, value)


def refresh_shown(*photo_ids: int) -> None:
    """Bring the photos' mirror of their shown prediction up to date."""
    values = {f"shown_{name}": getattr(Prediction, name) for name in _MIRRORED}
    shown = (Prediction.photo_id == Photo.id, Prediction.shown)
    update_rows(update(Photo).where(Photo.id.in_(photo_ids), *shown).values(values))


def delete_photo(photo: Photo) -> None:
    """Remove a deleted photo for good, with its thumbnail and predictions. Its label events stay,
    without it."""
    sqlite.remove_name(photo.id)
    db.session.execute(delete(Photo).where(Photo.id == photo.id))


# ---- uploads ----


def find_upload(public_id: str) -> Upload | None:
    """The upload, or None."""
    return db.session.scalar(select(Upload).where(Upload.public_id == public_id))
