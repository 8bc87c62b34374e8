"""Edits of label sets, and what a merge changes in cars and answers. Nothing here commits."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, exists, func, insert, or_, select, update

from webapp.storage.database import count_rows, db, update_rows
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import (
    Car,
    LabelEdit,
    Photo,
    Prediction,
    Suspicion,
    SuspicionRun,
    TopLabel,
)

_SPLIT = "split"
_STRUCTURE = ("merged", _SPLIT, "added")
Line = tuple[int, str, float]  # rank, label, probability


class Touched(NamedTuple):
    """How many photos have a car with a label, and how many current answers name it first."""

    photos: int
    answers: int


def edits_of(model: str, label: str | None = None) -> Sequence[LabelEdit]:
    """Every edit of the labels of a model, oldest first; of one label, those that split it too."""
    statement = select(LabelEdit).where(LabelEdit.model == model)
    if label is not None:
        split = and_(LabelEdit.kind == _SPLIT, LabelEdit.value == label)
        statement = statement.where(or_(LabelEdit.label == label, split))
    return db.session.execute(statement.order_by(LabelEdit.id)).scalars().all()


def add_edit(
    model: str, label: str, kind: str, value: str | None, stamp: Stamp, undoes: int | None = None
) -> None:
    """Append an edit; the place of the stamp is not kept."""
    edit = LabelEdit(
        model=model,
        label=label,
        kind=kind,
        value=value,
        why=stamp.why,
        user_id=stamp.who.user_id,
        who=stamp.who.name,
        batch=stamp.batch,
        undoes=undoes,
    )
    db.session.add(edit)
    db.session.flush()


def structure_of(model: str) -> list[tuple[str, str, str | None]]:
    """Every merge, split and added label of a model as (label, kind, value), oldest first, undone
    ones too."""
    statement = (
        select(LabelEdit.label, LabelEdit.kind, LabelEdit.value)
        .where(LabelEdit.model == model, LabelEdit.kind.in_(_STRUCTURE))
        .order_by(LabelEdit.id)
    )
    return [(row.label, row.kind, row.value) for row in db.session.execute(statement)]


def have_structure(models: Collection[str]) -> bool:
    """Whether a label of these models was ever added, merged or split."""
    changed = LabelEdit.model.in_(models) & LabelEdit.kind.in_(_STRUCTURE)
    return bool(db.session.scalar(select(exists().where(changed))))


def forget_suspicions(model: str, labels: Collection[str]) -> None:
    """Drop a model's doubts about these labels, and let it look again when somebody next asks."""
    about = or_(Suspicion.given.in_(labels), Suspicion.other.in_(labels))
    db.session.execute(delete(Suspicion).where(Suspicion.model == model, about))
    db.session.execute(delete(SuspicionRun).where(SuspicionRun.model == model))


def count_touched(model: str, label: str) -> Touched:
    """What a merge or a split of a label is about."""
    answers = (Prediction.model == model, Prediction.current, Prediction.label == label)
    photos = select(func.count(Car.photo_id.distinct())).join(Photo, Photo.id == Car.photo_id)
    photos = photos.where(Photo.deleted_at.is_(None), Car.ground_truth == label)
    return Touched(db.session.scalar(photos) or 0, count_rows(Prediction, *answers))


def count_labelled(model: str, labels: Collection[str]) -> int:
    """How many cars, those of deleted photos too, have one of these labels of a model."""
    return count_rows(Car, Car.truth_model == model, Car.ground_truth.in_(labels))


def has_many(model: str, labels: Collection[str], limit: int, *, answers: bool) -> bool:
    """True when more than `limit` cars have these labels, or a model has more `answers`."""
    cars = select(Car.id).where(Car.ground_truth.in_(labels))
    predictions = select(Prediction.id).where(Prediction.model == model)
    return any(
        len(db.session.execute(rows.limit(limit + 1)).all()) > limit
        for rows in ((cars, predictions) if answers else (cars,))
    )


# ---- after a merge or its undo ----


def cars_labelled(model: str, label: str, limit: int) -> list[int]:
    """Numbers of cars, those of deleted photos too, that have this label of a model."""
    which = (Car.ground_truth == label, Car.truth_model == model)
    return list(db.session.execute(select(Car.id).where(*which).limit(limit)).scalars())


def cars_with(labels: Collection[str], after: int, limit: int) -> list[int]:
    """The next cars, those of deleted photos too, with one of these labels of any model, by
    number."""
    which = (Car.id > after, Car.ground_truth.in_(labels))
    statement = select(Car.id).where(*which).order_by(Car.id).limit(limit)
    return list(db.session.execute(statement).scalars())


def next_predictions(model: str, after: int, up_to: int, limit: int) -> Sequence[Any]:
    """The next predictions of a model by number, with all that an answer is made of."""
    statement = (
        select(
            Prediction.id,
            Prediction.car_id,
            Prediction.version,
            Prediction.decision,
            Prediction.label,
            Prediction.confidence,
            Prediction.margin,
            Prediction.familiarity,
            Prediction.distribution,
        )
        .where(Prediction.model == model, Prediction.id > after, Prediction.id <= up_to)
        .order_by(Prediction.id)
        .limit(limit)
    )
    return db.session.execute(statement).all()


def update_answers(
    answers: Sequence[Mapping[str, Any]], lines: Mapping[int, Sequence[Line]]
) -> None:
    """Write columns of predictions anew (rows with their `id`), and the first five of some."""
    if answers:
        db.session.execute(update(Prediction), list(answers))
    if lines:
        theirs = TopLabel.prediction_id.in_(lines)
        update_rows(delete(TopLabel).where(theirs))
        rows = [
            {"prediction_id": number, "rank": rank, "label": label, "probability": probability}
            for number, top in lines.items()
            for rank, label, probability in top
        ]
        db.session.execute(insert(TopLabel), rows)
