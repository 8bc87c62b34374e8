"""What is known of cars: ground truth, outcome, shown prediction. What changes it brings the photos
of main cars up to date as well. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import String, and_, bindparam, case, exists, func, inspect, or_, select, update
from sqlalchemy.orm.attributes import set_committed_value

from webapp.domain import NO_CAR, NONE_OF_THESE, UNCLASSIFIED, UNLABELLED, UNUSABLE
from webapp.storage.database import db, update_rows
from webapp.storage.labels.canonical import expected_for
from webapp.storage.tables import Car, CarState, KnownLabel, Photo, Prediction

# Columns of the shown prediction that are mirrored on the car, as `shown_…`.
SHOWN = ("model", "version", "label", "decision", "confidence", "margin")
_STATE = tuple(CarState.__annotations__)
_VERDICTS = ((UNUSABLE, UNUSABLE), (NO_CAR, NO_CAR))  # with the outcomes that they are


def _outcome_for(truth: Any, truth_model: Any) -> Any:
    """The outcome of a prediction by the ground truth of its car, as an SQL expression.

    The parent of the ground truth is right too. "None of these" is answered right by not naming a
    label. A label that the prediction's version does not know, or a "none of these" about another
    model's labels, says nothing about it.
    """
    expected = expected_for(truth)  # after a merge or a split
    known = exists().where(
        KnownLabel.model == Prediction.model,
        KnownLabel.version == Prediction.version,
        KnownLabel.label == truth,
    )
    unknown = ~known.correlate(Car, Prediction)
    its_parent = exists().where(
        KnownLabel.model == Prediction.model,
        KnownLabel.version == Prediction.version,
        or_(KnownLabel.label == truth, KnownLabel.label == expected),
        KnownLabel.parent == Prediction.decision,
    )
    none = truth == NONE_OF_THESE
    return case(
        (truth.is_(None), UNLABELLED),
        *((truth == verdict, its_outcome) for verdict, its_outcome in _VERDICTS),
        (and_(none, truth_model != Prediction.model), UNLABELLED),
        (and_(none, Prediction.decision == UNCLASSIFIED), "correct"),
        (Prediction.decision.is_(None), "unclassified"),
        (Prediction.decision == func.coalesce(expected, truth), "correct"),
        (and_(truth != NONE_OF_THESE, unknown, expected.is_(None)), UNLABELLED),
        (Prediction.decision == UNCLASSIFIED, "unclassified"),
        (its_parent.correlate(Car, Prediction), "correct"),
        else_="wrong",
    )


def _car_outcome(truth: Any) -> Any:
    shown = select(Prediction.outcome).where(Prediction.car_id == Car.id, Prediction.shown)
    unanswered = case(
        (truth.is_(None), UNLABELLED),
        *((truth == verdict, its_outcome) for verdict, its_outcome in _VERDICTS),
        else_=UNCLASSIFIED,
    )
    return func.coalesce(shown.scalar_subquery(), unanswered)


outcome = _outcome_for(Car.ground_truth, Car.truth_model)

# Made once: building them takes longer than running them.
_truth = bindparam("new_truth", type_=String())
_truth_model = bindparam("new_model", type_=String())
_set_outcomes = (
    update(Prediction)
    .where(Prediction.car_id == bindparam("number"))
    .values(outcome=_outcome_for(_truth, _truth_model))
    .returning(Prediction.id, Prediction.outcome)
)
_set_truth = (
    update(Car)
    .where(Car.id == bindparam("number"))
    .values(ground_truth=_truth, truth_model=_truth_model, outcome=_car_outcome(_truth))
    .returning(Car.outcome)
)
_mirror = (
    update(Photo)
    .where(Car.photo_id == Photo.id, Car.position == 0)
    .where(Car.id.in_(bindparam("ids", expanding=True)))
    .values({name: getattr(Car, name) for name in _STATE})
)


def mirror(car_ids: Sequence[int]) -> None:
    """Write what is known of these cars to their photos, where they are the main cars."""
    db.session.connection().execute(_mirror, {"ids": list(car_ids)})


def start(car: Car, photo: Photo) -> None:
    """Let a new car, and its new photo if it is the main one, mirror the prediction to be shown of
    its `predictions`."""
    shown = next((prediction for prediction in car.predictions if prediction.shown), None)
    for row in (car, photo) if car.position == 0 else (car,):
        row.outcome = UNLABELLED
        for name in SHOWN:
            setattr(row, f"shown_{name}", getattr(shown, name, None))


def set_truth(car: Car, label: str, model: str | None) -> None:
    """Give a car a ground truth, and it and its predictions their outcomes."""
    values = {"number": car.id, "new_truth": label, "new_model": model}
    connection = db.session.connection()
    outcomes = {row.id: row.outcome for row in connection.execute(_set_outcomes, values)}
    if "prediction" not in inspect(car).unloaded and car.prediction:
        set_committed_value(car.prediction, "outcome", outcomes[car.prediction.id])
    outcome = connection.execute(_set_truth, values).scalar_one()
    mirror([car.id])
    for name, value in (("ground_truth", label), ("truth_model", model), ("outcome", outcome)):
        set_committed_value(car, name, value)
        if car.position == 0:
            set_committed_value(car.photo, name, value)


def refresh(car_ids: Sequence[int]) -> None:
    """Bring the outcomes of these cars' predictions, and what cars and photos mirror of them, up to
    date with the ground truths."""
    new = select(outcome).where(Car.id == Prediction.car_id).scalar_subquery()
    theirs = update(Prediction).where(Prediction.car_id.in_(car_ids))
    update_rows(theirs.values(outcome=new))
    cars = update(Car).where(Car.id.in_(car_ids))
    update_rows(cars.values(outcome=_car_outcome(Car.ground_truth)))
    values = {f"shown_{name}": getattr(Prediction, name) for name in SHOWN}
    update_rows(cars.where(Prediction.car_id == Car.id, Prediction.shown).values(values))
    mirror(car_ids)


def set_disputed(car_ids: Sequence[int], *, disputed: bool) -> None:
    """Note that people disagree about these cars, or do not any more."""
    update_rows(update(Car).where(Car.id.in_(car_ids)).values(disputed=disputed))
    mirror(car_ids)
