"""Photos by the batch for an export, and what is remembered about exports. Nothing here commits."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, func, select, update

from webapp.domain import MERGE, VERDICTS
from webapp.gallery_filter import GalleryFilter
from webapp.storage.cars.cars import is_main
from webapp.storage.database import db
from webapp.storage.photos import query_filters as filters
from webapp.storage.stats.counters import was_audited, was_trained_on
from webapp.storage.tables import Car, Export, LabelEvent, Photo, Prediction, TopLabel

# What a person said last about the main car, where labels were merged since; else NULL.
_given_label = (
    select(func.nullif(LabelEvent.to_label, Photo.ground_truth))
    .where(
        LabelEvent.car_id == Car.id,
        LabelEvent.place != MERGE,
        LabelEvent.undoes.is_(None),
        ~LabelEvent.undone,
    )
    .order_by(LabelEvent.id.desc())
    .limit(1)
    .correlate(Photo, Car)
    .scalar_subquery()
)
_PHOTO = (
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
    _given_label.label("given_label"),
    Photo.starred,
    was_audited.label("audited"),
)
_PREDICTION = (
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
    was_trained_on(Prediction.model, Prediction.version).label("trained"),
)


@dataclass(frozen=True)
class ExportSelection:
    """The photos of an export: up to a number, or only those that a person gave a class, which a
    verdict is not."""

    wanted: GalleryFilter
    upto: int
    classes_only: bool = False


def batch_of_photos(selection: ExportSelection, after: int, limit: int) -> Sequence[Row[Any]]:
    """The next photos whose number is over `after`, in the order they came, with their answers."""
    outcome = filters.MeantAnswer(selection.wanted)["outcome"].label("outcome")
    columns = (*_PHOTO, outcome, *_PREDICTION)
    return db.session.execute(_photos(columns, selection, after, limit)).all()


def next_numbers(selection: ExportSelection, after: int, limit: int) -> list[int]:
    """The numbers of these photos alone."""
    return list(db.session.execute(_photos((Photo.id,), selection, after, limit)).scalars())


def _photos(
    columns: tuple[Any, ...], selection: ExportSelection, after: int, limit: int
) -> Select[Any]:
    wanted = selection.wanted
    statement = filters.with_prediction(*columns, model=wanted.model, version=wanted.version)
    statement = statement.join(Car, and_(Car.photo_id == Photo.id, is_main)).where(
        Photo.deleted_at.is_(None),
        *filters.conditions(wanted),
        Photo.id > after,
        Photo.id <= selection.upto,
    )
    if selection.classes_only:
        truth = Photo.ground_truth
        statement = statement.where(truth.is_not(None), truth.not_in(VERDICTS))
    return statement.order_by(Photo.id).limit(limit)


def top_lines(prediction_ids: Sequence[int]) -> dict[int, list[tuple[int, str, float]]]:
    """The stored first five of predictions as (rank, label, probability), best first."""
    columns = (TopLabel.prediction_id, TopLabel.rank, TopLabel.label, TopLabel.probability)
    statement = (
        select(*columns)
        .where(TopLabel.prediction_id.in_(prediction_ids))
        .order_by(TopLabel.prediction_id, TopLabel.rank)
    )
    lines: dict[int, list[tuple[int, str, float]]] = defaultdict(list)
    for prediction_id, rank, label, probability in db.session.execute(statement):
        lines[prediction_id].append((rank, label, probability))
    return lines


def events_of_photos(numbers: Sequence[int]) -> dict[int | None, list[LabelEvent]]:
    """The label history of the main cars of photos, oldest first."""
    statement = select(Car.photo_id, LabelEvent).join(Car, Car.id == LabelEvent.car_id)
    statement = statement.where(Car.photo_id.in_(numbers), is_main).order_by(LabelEvent.id)
    events: dict[int | None, list[LabelEvent]] = defaultdict(list)
    for number, event in db.session.execute(statement):
        events[number].append(event)
    return events


def number_of(public_id: str) -> int | None:
    """The number of a photo in the order of arrival, None when there is no such photo."""
    statement = select(Photo.id).where(Photo.public_id == public_id)
    return db.session.execute(statement).scalar_one_or_none()


def count_photos(wanted: GalleryFilter) -> dict[str | None, tuple[int, int]]:
    """How many photos pass the filter and how many bytes their files have, by ground truth (None:
    not labelled)."""
    columns = (Photo.ground_truth, func.count(), func.sum(Photo.bytes))
    statement = filters.matching(*columns, wanted=wanted).group_by(Photo.ground_truth)
    return {name: (int(count), int(size)) for name, count, size in db.session.execute(statement)}


def still_matching(wanted: GalleryFilter, public_ids: Sequence[str]) -> dict[str, str | None]:
    """Those of these photos that pass the filter, with their ground truths."""
    statement = filters.matching(Photo.public_id, Photo.ground_truth, wanted=wanted).where(
        Photo.public_id.in_(public_ids)
    )
    return {row.public_id: row.ground_truth for row in db.session.execute(statement)}


# ---- what is remembered ----


def end_export(public_id: str, **values: Any) -> None:
    """Write down how an export ended."""
    db.session.execute(update(Export).where(Export.public_id == public_id).values(**values))


def find_export(public_id: str) -> Export | None:
    """The export, or None."""
    statement = select(Export).where(Export.public_id == public_id)
    return db.session.execute(statement).scalar_one_or_none()


def last_exports(limit: int) -> Sequence[Export]:
    """The newest exports, newest first."""
    statement = select(Export).order_by(Export.id.desc()).limit(limit)
    return db.session.execute(statement).scalars().all()
