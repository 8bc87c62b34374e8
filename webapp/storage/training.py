"""The labelled cars of the history, to learn from. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select

from webapp.domain import VERDICTS
from webapp.storage.database import db
from webapp.storage.stats.counters import was_trained_on
from webapp.storage.tables import Car, LabelEvent, Photo, Prediction


def _labelled(model: str) -> tuple[ColumnElement[bool], ...]:
    """SQL: a car of a photo that is there has a label of this model."""
    return (
        Photo.deleted_at.is_(None),
        Car.truth_model == model,
        Car.ground_truth.is_not(None),
        Car.ground_truth.not_in(VERDICTS),
    )


def count_labelled(model: str, *, disputed: bool = False) -> dict[str, int]:
    """How many cars have each label of a model; `disputed`: those about which people disagree."""
    statement = select(Car.ground_truth, func.count()).join(Photo, Photo.id == Car.photo_id)
    statement = statement.where(*_labelled(model), Car.disputed.is_(disputed))
    rows = db.session.execute(statement.group_by(Car.ground_truth).order_by(Car.ground_truth))
    return {str(label): int(count) for label, count in rows}


def count_new(model: str, version: int, after: int) -> int:
    """How many labelled cars were labelled after a label event, and lie in no photo that the
    version was trained on."""
    said = select(LabelEvent.car_id).where(LabelEvent.id > after, LabelEvent.car_id.is_not(None))
    statement = select(func.count()).select_from(Car).join(Photo, Photo.id == Car.photo_id)
    statement = statement.where(*_labelled(model), Car.disputed.is_(False), Car.id.in_(said))
    trained = was_trained_on(model, version)
    return db.session.scalar(statement.where(~trained)) or 0


def photos_without_answer(model: str, version: int) -> list[int]:
    """Photos with labelled cars of which this version has not said anything, by number."""
    answered = and_(
        Prediction.car_id == Car.id, Prediction.model == model, Prediction.version == version
    )
    statement = (
        select(Photo.id)
        .join(Car, Car.photo_id == Photo.id)
        .outerjoin(Prediction, answered)
        .where(*_labelled(model), Car.disputed.is_(False), Prediction.id.is_(None))
    )
    return list(db.session.scalars(statement.distinct().order_by(Photo.id)))


def labelled_cars(model: str, version: int) -> Sequence[Any]:
    """Each labelled car that this version has answered about and nobody disputes: label, embedding,
    and its photo's SHA-256 and perceptual hash."""
    statement = (
        select(Car.ground_truth.label("label"), Prediction.embedding, Photo.sha256, Photo.phash)
        .join(Photo, Photo.id == Car.photo_id)
        .join(Prediction, Prediction.car_id == Car.id)
        .where(*_labelled(model), Car.disputed.is_(False))
        .where(Prediction.model == model, Prediction.version == version)
    )
    return db.session.execute(statement.order_by(Car.id)).all()
