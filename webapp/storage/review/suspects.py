"""What confident learning reads and keeps: answers about labelled photos, and which labels they cast doubt on. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, insert, select

from webapp.storage.database import db, insert_row
from webapp.storage.tables import (
    CheckedAnswer,
    LabelEvent,
    Photo,
    Prediction,
    Suspicion,
    SuspicionRun,
)


def labelled_answers(model: str, version: int, limit: int) -> Sequence[Any]:
    """The newest `limit` photos whose ground truth this version's answer can be held against.

    Rows of id, sha256, ground_truth and distribution, in no order.
    """
    return db.session.execute(labelled_answers_question(model, version, limit)).all()


def labelled_answers_question(model: str, version: int, limit: int) -> Select[Any]:
    """The same as a question, whose plan can be looked at."""
    judged = select(CheckedAnswer.photo_id).where(
        CheckedAnswer.model == model, CheckedAnswer.version == version
    )
    numbers = judged.order_by(CheckedAnswer.photo_id.desc()).limit(limit).subquery()
    columns: tuple[Any, ...] = (Photo.id, Photo.sha256, Photo.ground_truth, Prediction.distribution)
    return (
        select(*columns)
        .join_from(numbers, Photo, Photo.id == numbers.c.photo_id)
        .join(Prediction, Prediction.photo_id == Photo.id)
        .where(
            Prediction.model == model,
            Prediction.version == version,
            Photo.deleted_at.is_(None),
            Photo.ground_truth.is_not(None),
        )
    )


def run_of(model: str) -> SuspicionRun | None:
    """When and on what a model last went through the ground truths, None when it has not."""
    return db.session.execute(
        select(SuspicionRun).where(SuspicionRun.model == model)
    ).scalar_one_or_none()


def newest_event_and_prediction() -> tuple[int, int]:
    """The numbers of the last label event and the last prediction: while they stay, nothing new can be suspected."""
    row = db.session.execute(
        select(
            select(func.max(LabelEvent.id)).scalar_subquery(),
            select(func.max(Prediction.id)).scalar_subquery(),
        )
    ).one()
    return int(row[0] or 0), int(row[1] or 0)


def replace(run: SuspicionRun, rows: Sequence[dict[str, Any]]) -> None:
    """Keep these suspicions of a model instead of its former ones; photos that are gone meanwhile are left out."""
    db.session.execute(delete(Suspicion).where(Suspicion.model == run.model))
    db.session.execute(delete(SuspicionRun).where(SuspicionRun.model == run.model))
    there = set(
        db.session.execute(
            select(Photo.id).where(Photo.id.in_([row["photo_id"] for row in rows]))
        ).scalars()
    )
    kept = [row for row in rows if row["photo_id"] in there]
    if kept:
        db.session.execute(insert(Suspicion), kept)
    insert_row(run)
