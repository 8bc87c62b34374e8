"""What confident learning reads and stores. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select

from webapp.storage.database import db, insert_row
from webapp.storage.tables import (
    Car,
    CheckedAnswer,
    Photo,
    Prediction,
    Suspicion,
    SuspicionRun,
)


def labelled_answers(model: str, version: int, limit: int) -> Sequence[Any]:
    """The newest cars whose ground truth this version's answer can be compared with: rows of id,
    sha256, ground_truth and distribution, in no order."""
    numbers = (
        select(CheckedAnswer.car_id)
        .where(CheckedAnswer.model == model, CheckedAnswer.version == version)
        .order_by(CheckedAnswer.photo_id.desc(), CheckedAnswer.car_id.desc())
        .limit(limit)
        .subquery()
    )
    columns: tuple[Any, ...] = (Car.id, Photo.sha256, Car.ground_truth, Prediction.distribution)
    statement = (
        select(*columns)
        .join_from(numbers, Prediction, Prediction.car_id == numbers.c.car_id)
        .join(Car, Car.id == numbers.c.car_id)
        .join(Photo, Photo.id == Car.photo_id)
        .where(Prediction.model == model, Prediction.version == version)
        .where(Photo.deleted_at.is_(None), Car.ground_truth.is_not(None))
    )
    return db.session.execute(statement).all()


def run_of(model: str) -> SuspicionRun | None:
    """When and on what a model was last compared with the ground truths, None when never."""
    statement = select(SuspicionRun).where(SuspicionRun.model == model)
    return db.session.execute(statement).scalar_one_or_none()


def replace(run: SuspicionRun, rows: Sequence[dict[str, Any]]) -> None:
    """Store these doubts of a model instead of its former ones, without cars that are gone."""
    for table in (Suspicion, SuspicionRun):
        db.session.execute(delete(table).where(table.model == run.model))
    car_ids = [row["car_id"] for row in rows]
    present = set(db.session.execute(select(Car.id).where(Car.id.in_(car_ids))).scalars())
    if stored := [row for row in rows if row["car_id"] in present]:
        db.session.execute(insert(Suspicion), stored)
    insert_row(run)
