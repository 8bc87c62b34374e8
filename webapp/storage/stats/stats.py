"""Counts over checked cars: what a version said against what people said. Loads no photo.

Without a filter they are read from the counters; with one the checked answers that pass are
counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Select, Table, and_, insert, select

from webapp.errors import TooMuchToCountError
from webapp.gallery_filter import GalleryFilter, filter_params
from webapp.storage import sqlite
from webapp.storage.database import db
from webapp.storage.labels.canonical import truths_of
from webapp.storage.photos.query_filters import conditions
from webapp.storage.stats import counters
from webapp.storage.tables import (
    BandCounter,
    Car,
    CheckedAnswer,
    MonthCounter,
    PairCounter,
    Photo,
    Prediction,
    TrainingFile,
    TrainingList,
)

_PHOTOS = 6  # of a pair of truth and decision
_COUNTING = 3.0  # seconds that counting the photos of a filter may take
# filters that ask nothing of the photos themselves
_OF_PREDICTION = (
    "predicted",
    "decision",
    "outcome",
    "min_confidence",
    "max_confidence",
    "min_margin",
    "max_margin",
)


@dataclass(frozen=True)
class Counts:
    """Everything that was counted of one version's answers to checked cars, as rows with the
    columns of the counters."""

    pairs: Sequence[PairCounter]
    bands: Sequence[BandCounter]
    months: Sequence[MonthCounter]

    def only(self, keep: Callable[[PairCounter | BandCounter | MonthCounter], bool]) -> "Counts":
        """The counts of the rows that `keep` lets through."""
        return Counts(
            list(filter(keep, self.pairs)),
            list(filter(keep, self.bands)),
            list(filter(keep, self.months)),
        )


def count_answers(photo_filter: GalleryFilter, model: str, version: int) -> Counts:
    """Count a version's answers to the checked cars of a filter.

    Cars whose truth says nothing about the version's labels are left out.
    Raises `TooMuchToCountError` when a filter takes too long.
    """
    if not _is_a_filter(photo_filter):
        return Counts(*(_stored(table, model, version) for table in counters.COUNTERS))
    rows = _in_time(counters.all_sums(_passing(photo_filter, model, version)))
    tables = (table.name for table in counters.COUNTERS)
    return Counts(*([row for row in rows if row.kind == table] for table in tables))


def months_of_versions(photo_filter: GalleryFilter, model: str) -> Sequence[MonthCounter]:
    """How often each version was right on the checked cars of a filter; see `count_answers`."""
    if not _is_a_filter(photo_filter):
        return _stored(counters.MONTHS, model)
    return _in_time(counters.sums(counters.MONTHS, _passing(photo_filter, model)))


def photos_of_pair(photo_filter: GalleryFilter, truth: str, decision: str) -> Sequence[Photo]:
    """The newest photos of cars for which `truth` is right and of which a version said `decision`,
    a few.

    `photo_filter` names the version by its `model` and `version`.
    """
    model, version = photo_filter.model, photo_filter.version
    of_version = (Prediction.model == model, Prediction.version == version)
    statement = (
        select(Photo)
        .distinct()
        .join(Car, Car.photo_id == Photo.id)
        .join(Prediction, Prediction.car_id == Car.id)
        .where(*of_version, Prediction.decision == decision)
        .where(Car.ground_truth.in_(truths_of(model, version, truth)))
        .where(Photo.deleted_at.is_(None), *conditions(photo_filter, of_cars=True))
        .order_by(Photo.id.desc())
        .limit(_PHOTOS)
    )
    return db.session.execute(statement).scalars().all()


def _stored(table: Table, model: str, version: int | None = None) -> Sequence[Any]:
    """The counters of a model, or of one version."""
    statement = select(table).where(table.c.model == model, table.c.n != 0)
    if version is not None:
        statement = statement.where(table.c.version == version)
    return db.session.execute(statement).all()


def _is_a_filter(photo_filter: GalleryFilter) -> bool:
    """True when a filter asks for more than a version and an order."""
    return bool(filter_params(photo_filter.replace(model="", version=None, sort="newest")))


def _passing(photo_filter: GalleryFilter, model: str, version: int | None = None) -> CTE:
    """The checked answers about the cars of a filter."""
    of_version = photo_filter.replace(model=model, version=version, sort="newest")
    statement: Select[Any] = select(CheckedAnswer).where(
        CheckedAnswer.model == model, *conditions(of_version, CheckedAnswer, of_cars=True)
    )
    if version is not None:
        statement = statement.where(CheckedAnswer.version == version)
    off = GalleryFilter()
    defaults = {name: getattr(off, name) for name in _OF_PREDICTION}
    if _is_a_filter(photo_filter.replace(**defaults)):
        of_photo = Car.photo_id == CheckedAnswer.photo_id  # also where an index finds the cars
        statement = statement.join(Car, and_(Car.id == CheckedAnswer.car_id, of_photo))
        statement = statement.join(Photo, Photo.id == CheckedAnswer.photo_id)
        statement = statement.where(Photo.deleted_at.is_(None))  # as the indexes ask
    return statement.cte("passing")


def _in_time(statement: Any) -> Sequence[Any]:
    if (rows := sqlite.rows_in_time(statement, _COUNTING)) is not None:
        return rows
    raise TooMuchToCountError(
        "These are more photos than can be counted while you wait. "
        "Narrow the filter, by days for example, or count all photos."
    )


# ---- what versions were trained on ----


def training_list_length(model: str, version: int) -> int | None:
    """How many files a version was trained on; None when nobody knows or its list is not read
    yet."""
    statement = select(TrainingList.files).where(
        TrainingList.model == model, TrainingList.version == version
    )
    return db.session.execute(statement).scalar_one_or_none()


def add_training_files(model: str, version: int, files: Sequence[str]) -> list[int]:
    """Remember files that a version was trained on, by SHA-256.

    Returns the numbers of the cars in them that are here, for `counters.recount`.
    """
    of_version = (TrainingFile.model == model, TrainingFile.version == version)
    known = set(db.session.execute(select(TrainingFile.sha256).where(*of_version)).scalars())
    rows = [
        {"model": model, "version": version, "sha256": sha256}
        for sha256 in files
        if sha256 not in known
    ]
    if rows:
        db.session.connection().execute(insert(TrainingFile), rows)
    cars = select(Car.id).join(Photo, Photo.id == Car.photo_id)
    cars = cars.join(TrainingFile, TrainingFile.sha256 == Photo.sha256)
    return list(db.session.execute(cars.where(*of_version)).scalars())


def end_training_list(model: str, version: int, files: int) -> None:
    """Write down that the whole list of a version is stored and counted."""
    db.session.merge(TrainingList(model=model, version=version, files=files))
    db.session.flush()
