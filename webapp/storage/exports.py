"""Photos by the batch for an export, and what is remembered about exports. Nothing here commits."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, exists, func, select, update
from sqlalchemy.orm import aliased

from webapp.domain import MERGE, VERDICTS
from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import db
from webapp.storage.photos.query_filters import (
    conditions,
    matching,
    outcome_column,
    with_prediction,
)
from webapp.storage.stats.counters import was_audited, was_trained_on
from webapp.storage.tables import Export, LabelEvent, Photo, Prediction, TopLabel

_undo = aliased(LabelEvent)
# What a person said last about the photo, where labels were merged since; else NULL.
given_label = (
    select(func.nullif(LabelEvent.to_label, Photo.ground_truth))
    .where(
        LabelEvent.photo_id == Photo.id,
        LabelEvent.place != MERGE,
        LabelEvent.undoes.is_(None),
        ~exists().where(_undo.undoes == LabelEvent.id),
    )
    .order_by(LabelEvent.id.desc())
    .limit(1)
    .correlate(Photo)
    .scalar_subquery()
)
PHOTO = (
    Photo.id.label("number"),
    Photo.public_id,
    Photo.filename,
    Photo.sha256,
    Photo.width,
    Photo.height,
    Photo.bytes,
    Photo.format,
    Photo.has_metadata,
    Photo.created_at,
    Photo.ground_truth,
    Photo.truth_model,
    given_label.label("given_label"),
    Photo.starred,
    was_audited.label("audited"),
)
SAID = (
    Prediction.id.label("prediction_id"),
    Prediction.model,
    Prediction.version,
    Prediction.decision,
    Prediction.label,
    Prediction.confidence,
    Prediction.margin,
    Prediction.familiarity,
    Prediction.elapsed_ms,
    Prediction.distribution,
    was_trained_on(Prediction.model, Prediction.version).label("learnt"),
)


def batch_of_photos(
    wanted: GalleryFilter, after: int, upto: int, limit: int, *, classes_only: bool = False
) -> Sequence[Row[Any]]:
    """The next photos that pass the filter, in the order they came: those whose number is over `after` and not over `upto`.

    With `classes_only` those that a person gave a class, which a verdict is not.
    """
    columns = (*PHOTO, outcome_column(wanted.model).label("outcome"), *SAID)
    return db.session.execute(
        _photos(columns, wanted, after, upto, limit, classes_only=classes_only)
    ).all()


def next_numbers(
    wanted: GalleryFilter, after: int, upto: int, limit: int, *, classes_only: bool = False
) -> list[int]:
    """The numbers of these photos alone."""
    return list(
        db.session.execute(
            _photos((Photo.id,), wanted, after, upto, limit, classes_only=classes_only)
        ).scalars()
    )


def _photos(
    columns: tuple[Any, ...],
    wanted: GalleryFilter,
    after: int,
    upto: int,
    limit: int,
    *,
    classes_only: bool,
) -> Select[Any]:
    question = with_prediction(*columns, model=wanted.model, version=wanted.version)
    question = question.where(
        Photo.deleted_at.is_(None), *conditions(wanted), Photo.id > after, Photo.id <= upto
    )
    if classes_only:
        question = question.where(
            Photo.ground_truth.is_not(None), Photo.ground_truth.not_in(VERDICTS)
        )
    return question.order_by(Photo.id).limit(limit)


def top_lines(prediction_ids: Sequence[int]) -> dict[int, list[tuple[int, str, float]]]:
    """The stored first five of predictions as (rank, label, probability), best first."""
    question = select(TopLabel.prediction_id, TopLabel.rank, TopLabel.label, TopLabel.probability)
    question = question.where(TopLabel.prediction_id.in_(prediction_ids)).order_by(
        TopLabel.prediction_id, TopLabel.rank
    )
    found: dict[int, list[tuple[int, str, float]]] = defaultdict(list)
    for prediction_id, rank, label, probability in db.session.execute(question):
        found[prediction_id].append((rank, label, probability))
    return found


def events_of_photos(numbers: Sequence[int]) -> dict[int, list[Any]]:
    """The label history of photos, oldest first."""
    columns = (
        LabelEvent.id,
        LabelEvent.photo_id,
        LabelEvent.from_label,
        LabelEvent.to_label,
        LabelEvent.who,
        LabelEvent.why,
    )
    question = select(
        *columns, LabelEvent.place, LabelEvent.batch, LabelEvent.undoes, LabelEvent.created_at
    )
    found: dict[int, list[Any]] = defaultdict(list)
    for row in db.session.execute(
        question.where(LabelEvent.photo_id.in_(numbers)).order_by(LabelEvent.id)
    ):
        found[row.photo_id].append(row)
    return found


def number_of(public_id: str) -> int | None:
    """The place of a photo in the order of arrival, None when there is no such photo."""
    return db.session.execute(
        select(Photo.id).where(Photo.public_id == public_id)
    ).scalar_one_or_none()


def newest_number() -> int:
    """The place of the newest photo, 0 in an empty history."""
    return db.session.execute(select(func.max(Photo.id))).scalar_one() or 0


def last_event() -> int:
    """The number of the newest label event, 0 when nothing was labelled yet."""
    return db.session.execute(select(func.max(LabelEvent.id))).scalar_one() or 0


def count_photos(wanted: GalleryFilter) -> dict[str | None, tuple[int, int]]:
    """How many photos pass the filter and how many bytes their files have, by ground truth (None: not labelled)."""
    question = matching(
        Photo.ground_truth, func.count(), func.sum(Photo.bytes), wanted=wanted
    ).group_by(Photo.ground_truth)
    return {name: (int(count), int(size)) for name, count, size in db.session.execute(question)}


def still_matching(wanted: GalleryFilter, public_ids: Sequence[str]) -> dict[str, str | None]:
    """Those of these photos that pass the filter, with their ground truths."""
    question = matching(Photo.public_id, Photo.ground_truth, wanted=wanted).where(
        Photo.public_id.in_(public_ids)
    )
    return {row.public_id: row.ground_truth for row in db.session.execute(question)}


# ---- what is remembered ----


def add_export(row: Export) -> None:
    """Remember an export that begins."""
    db.session.add(row)
    db.session.flush()


def end_export(public_id: str, **values: Any) -> None:
    """Write down how an export ended."""
    db.session.execute(update(Export).where(Export.public_id == public_id).values(**values))


def find_export(public_id: str) -> Export | None:
    """The export, or None."""
    return db.session.execute(
        select(Export).where(Export.public_id == public_id)
    ).scalar_one_or_none()


def last_exports(limit: int) -> Sequence[Export]:
    """The newest exports, newest first."""
    return (
        db.session.execute(select(Export).order_by(Export.id.desc()).limit(limit)).scalars().all()
    )
