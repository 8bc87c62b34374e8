"""What models said about cars: how it is read and written. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, exists, insert, inspect, select, update
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.domain import UNLABELLED
from webapp.storage.cars import state
from webapp.storage.database import column_values, db, update_rows
from webapp.storage.stats import counters
from webapp.storage.tables import Car, Prediction, Suspicion, TopLabel


def predictions_of(car: Car) -> Sequence[Prediction]:
    """Every prediction of a car with its top five, newest first."""
    statement = (
        select(Prediction)
        .where(Prediction.car_id == car.id)
        .options(selectinload(Prediction.top))
        .order_by(Prediction.id.desc())
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(statement).all()


def answered_by(photo_id: int, *, standing: bool) -> dict[int, set[tuple[str, int]]]:
    """For each car of a photo model and version of what has answered about it; `standing`: for its
    model."""
    of_car = Prediction.car_id == Car.id
    joined = and_(of_car, Prediction.current) if standing else of_car
    statement = select(Car.id, Prediction.model, Prediction.version)
    statement = statement.join(Prediction, joined, isouter=True).where(Car.photo_id == photo_id)
    answered: dict[int, set[tuple[str, int]]] = {}
    for number, model, version in db.session.execute(statement):
        answered.setdefault(number, set()).update([(model, version)] if model else [])
    return answered


def has_answered(model: str, version: int | None) -> bool:
    """True when a model, or this version of it, has answered about a car that is here."""
    meant = [Prediction.model == model]
    if version is not None:
        meant.append(Prediction.version == version)
    return bool(db.session.scalar(select(exists().where(*meant))))


def add_prediction(car: Car, prediction: Prediction, *, standing: bool = True) -> None:
    """Add a prediction to a car, unless this version has made one before.

    `standing`: from now on it stands for its model, and is shown when its model was shown before,
    or when nothing was. Else no list shows it, only the photo's page names it.
    """
    of_car = Prediction.car_id == car.id
    mine = and_(of_car, Prediction.model == prediction.model)
    same = select(Prediction.id).where(mine, Prediction.version == prediction.version)
    known, shown = db.session.scalar(same), False
    if standing:
        others = and_(of_car, Prediction.model != prediction.model, Prediction.shown)
        shown = db.session.scalar(select(Prediction.id).where(others)) is None
        update_rows(update(Prediction).where(mine).values(shown=False, current=False))
    prediction.shown, prediction.current = shown, standing
    if known is None:
        insert_predictions([(car, prediction)])
    elif standing:
        answer = update(Prediction).where(Prediction.id == known)
        update_rows(answer.values(shown=shown, current=True))
    state.refresh([car.id])
    counters.recount([car.id])


def insert_predictions(pairs: Sequence[tuple[Car, Prediction]]) -> None:
    """Insert new predictions of cars, with their top fives. The caller has set `shown` and
    `current`; no model stands or is shown that did before."""
    if not pairs:
        return
    by_key = {}
    for car, prediction in pairs:
        prediction.car_id, prediction.outcome = car.id, UNLABELLED
        prediction.photo_id = car.photo_id if car.position == 0 else None
        by_key[car.id, prediction.model, prediction.version] = prediction
        if prediction.shown:
            set_committed_value(car, "prediction", prediction)
            if car.position == 0 and "photo" not in inspect(car).unloaded:
                set_committed_value(car.photo, "prediction", prediction)
    key = (Prediction.car_id, Prediction.model, Prediction.version)
    statement = insert(Prediction).returning(Prediction.id, *key)
    connection, lines = db.session.connection(), []
    rows = [column_values(prediction) for prediction in by_key.values()]
    for number, car_id, model, version in connection.execute(statement, rows):
        prediction = by_key[car_id, model, version]
        prediction.id = number
        lines += [column_values(line) | {"prediction_id": number} for line in prediction.top]
    connection.execute(insert(TopLabel.__table__), lines)  # type: ignore[arg-type]


def replace_predictions(car: Car, predictions: Sequence[Prediction]) -> None:
    """Put these in the place of all that models said about a car, as its box is another one now.
    The caller has set `shown` and `current`."""
    for table in (Prediction, Suspicion):
        db.session.execute(delete(table).where(table.car_id == car.id))
    nothing = dict.fromkeys(f"shown_{name}" for name in state.SHOWN)
    update_rows(update(Car).where(Car.id == car.id).values(nothing))
    insert_predictions([(car, prediction) for prediction in predictions])
    state.refresh([car.id])
    counters.recount([car.id])
