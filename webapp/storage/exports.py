"""Photos by the batch for an export, and what is remembered about exports. Nothing here commits."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, not_, or_, select, update

from webapp.domain import NO_CAR, VERDICTS, WHOLE
from webapp.gallery_filter import GalleryFilter
from webapp.storage.cars.boxes import is_checked
from webapp.storage.database import db
from webapp.storage.photos import query_filters as filters
from webapp.storage.stats.counters import was_audited, was_trained_on
from webapp.storage.tables import Car, Export, LabelEvent, Photo, Prediction, TopLabel

# what the photos of an export must have: a class of their main car, a class of one of their cars, a
# box (or a main car of which a person said that there is none), or what `is_checked` says
CLASS, ANY_CLASS, BOX, CHECKED = "class", "any class", "box", "checked"

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
    Photo.starred,
    Photo.car_count,
)
_CAR = (
    Car.id.label("number"),
    Car.photo_id.label("photo_number"),
    *(Car.public_id, Car.x, Car.y, Car.width, Car.height, Car.score, Car.found_by),
    *(Car.ground_truth, Car.truth_model, Car.outcome.label("shown_outcome")),
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
    Prediction.shown,
)


@dataclass(frozen=True)
class ExportSelection:
    """The photos of an export: up to a number, and only those that have what it `needs` (CLASS,
    ANY_CLASS, BOX, CHECKED), "" for all."""

    wanted: GalleryFilter
    upto: int
    needs: str = ""


def batch_of_photos(selection: ExportSelection, after: int, limit: int) -> Sequence[Row[Any]]:
    """The next photos whose number is over `after`, in the order they came."""
    return db.session.execute(_photos(_PHOTO, selection, after, limit)).all()


def next_numbers(selection: ExportSelection, after: int, limit: int) -> list[int]:
    """The numbers of these photos alone."""
    return list(db.session.scalars(_photos((Photo.id,), selection, after, limit)))


def _photos(
    columns: tuple[Any, ...], selection: ExportSelection, after: int, limit: int
) -> Select[Any]:
    statement = filters.matching(*columns, wanted=selection.wanted)
    statement = statement.where(Photo.id > after, Photo.id <= selection.upto)
    if selection.needs:
        statement = statement.where(_has(selection.needs))
    return statement.order_by(Photo.id).limit(limit)


def _has(needs: str) -> ColumnElement[bool]:
    """SQL: a photo has what an export needs."""
    if needs == CHECKED:
        return is_checked()
    of_photo = exists().where(Car.photo_id == Photo.id).correlate(Photo)
    if needs == BOX:
        boxed = of_photo.where(Car.found_by != WHOLE, Car.ground_truth.is_distinct_from(NO_CAR))
        return or_(boxed, func.coalesce(Photo.ground_truth == NO_CAR, False))
    if needs == ANY_CLASS:
        return of_photo.where(Car.ground_truth.is_not(None), Car.ground_truth.not_in(VERDICTS))
    return and_(Photo.ground_truth.is_not(None), Photo.ground_truth.not_in(VERDICTS))


def cars_of_photos(numbers: Sequence[int], wanted: GalleryFilter) -> Sequence[Any]:
    """The cars of photos by photo, the main one first, each with the answer that the filter is
    about: the shown one, or that of its model."""
    outcome: Any = Car.outcome
    meant: Any = Prediction.shown
    if wanted.model:
        outcome = Prediction.outcome
        meant = and_(*filters.of_version(wanted.model, wanted.version))
    trained = was_trained_on(Prediction.model, Prediction.version)
    columns = (*_CAR, *_PREDICTION, outcome.label("outcome"), trained.label("trained"))
    statement = (
        select(*columns)
        .select_from(Car)
        .join(Photo, Photo.id == Car.photo_id)
        .join(Prediction, and_(Prediction.car_id == Car.id, meant), isouter=True)
        .where(Car.photo_id.in_(numbers))
        .order_by(Car.photo_id, Car.position)
    )
    return db.session.execute(statement).all()


def answers_of_cars(numbers: Sequence[int]) -> dict[int, list[Any]]:
    """What each model says about cars, by the car's number; the shown answer first."""
    statement = (
        select(Prediction.car_id, *_PREDICTION)
        .where(Prediction.car_id.in_(numbers), Prediction.current)
        .order_by(Prediction.car_id, Prediction.shown.desc(), Prediction.model)
    )
    answers: dict[int, list[Any]] = defaultdict(list)
    for row in db.session.execute(statement):
        answers[row.car_id].append(row)
    return answers


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


def events_of_cars(numbers: Sequence[int]) -> dict[int | None, list[LabelEvent]]:
    """The label history of cars, oldest first."""
    statement = select(LabelEvent).where(LabelEvent.car_id.in_(numbers)).order_by(LabelEvent.id)
    events: dict[int | None, list[LabelEvent]] = defaultdict(list)
    for event in db.session.scalars(statement):
        events[event.car_id].append(event)
    return events


def labels_in_order() -> list[str]:
    """Every label that was ever given, in the order in which they were given first."""
    given = LabelEvent.to_label
    statement = select(given).where(given.is_not(None), given.not_in(VERDICTS))
    return list(db.session.scalars(statement.group_by(given).order_by(func.min(LabelEvent.id))))


def number_of(public_id: str) -> int | None:
    """The number of a photo in the order of arrival, None when there is no such photo."""
    return db.session.scalar(select(Photo.id).where(Photo.public_id == public_id))


def count_photos(wanted: GalleryFilter) -> dict[str | None, tuple[int, int]]:
    """How many photos pass the filter and how many bytes their files have, by ground truth (None:
    not labelled)."""
    columns = (Photo.ground_truth, func.count(), func.sum(Photo.bytes))
    statement = filters.matching(*columns, wanted=wanted).group_by(Photo.ground_truth)
    return {name: (int(count), int(size)) for name, count, size in db.session.execute(statement)}


def count_left_out(wanted: GalleryFilter, needs: str) -> dict[str | None, int]:
    """How many photos pass the filter but lack what an export needs, by ground truth."""
    statement = filters.matching(Photo.ground_truth, func.count(), wanted=wanted)
    statement = statement.where(not_(_has(needs))).group_by(Photo.ground_truth)
    return {name: int(count) for name, count in db.session.execute(statement)}


def still_matching(
    wanted: GalleryFilter, public_ids: Sequence[str], *, crops: bool, needs: str = ""
) -> dict[str, str | None]:
    """Those of these photos, or of these cars, that pass the filter and have what is needed, with
    their ground truths."""
    columns = (Car.public_id, Car.ground_truth) if crops else (Photo.public_id, Photo.ground_truth)
    statement = filters.matching(*columns, wanted=wanted)
    if crops:
        statement = statement.join(Car, Car.photo_id == Photo.id)
    if needs:
        statement = statement.where(_has(needs))
    return {
        row.public_id: row.ground_truth
        for row in db.session.execute(statement.where(columns[0].in_(public_ids)))
    }


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
