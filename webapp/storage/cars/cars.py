"""Cars: how they are read, added, put in order and removed. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import contains_eager
from sqlalchemy.orm.attributes import set_committed_value

from webapp.domain import NO_CAR, WHOLE, DetectedCar
from webapp.storage.cars import state
from webapp.storage.database import column_values, db, insert_row, update_rows
from webapp.storage.tables import BoxEvent, Car, LabelEvent, Photo, Prediction

is_main = Car.position == 0
_counts = and_(Car.found_by != WHOLE, Car.ground_truth.is_distinct_from(NO_CAR))


# ---- reading ----


def _joined(*, many: bool = False) -> Select[Any]:
    """Cars with their photo and their shown prediction, those of deleted photos left out; of `many`
    the top fives are read together."""
    answer = contains_eager(Car.prediction)
    top = answer.selectinload(Prediction.top) if many else answer.lazyload(Prediction.top)
    shown = and_(Prediction.car_id == Car.id, Prediction.shown)
    return (
        select(Car)
        .join(Photo, Photo.id == Car.photo_id)
        .join(Prediction, shown, isouter=True)
        .where(Photo.deleted_at.is_(None))
        .options(contains_eager(Car.photo).lazyload(Photo.uploader))
        .options(top)
        .execution_options(populate_existing=True)
    )


def find_car(*which: Any) -> Car | None:
    """The car that satisfies conditions on it and its photo, with its photo and its shown
    prediction; None when there is none."""
    car = db.session.scalar(_joined().where(*which))
    return _with_prediction(car) if car else None


def main_cars_of(public_ids: Sequence[str]) -> dict[str, Car]:
    """The main cars of the photos with these ids, by id; unknown ids are absent."""
    rows = db.session.scalars(_joined().where(is_main, Photo.public_id.in_(public_ids)))
    return {car.photo.public_id: _with_prediction(car) for car in rows}


def cars_with(public_ids: Sequence[str]) -> dict[str, Car]:
    """The cars with these ids, by id; unknown ids are absent."""
    rows = db.session.scalars(_joined().where(Car.public_id.in_(public_ids)))
    return {car.public_id: _with_prediction(car) for car in rows}


def _with_prediction(car: Car) -> Car:
    if car.position == 0:
        set_committed_value(car.photo, "prediction", car.prediction)
    return car


def cars_by_number(numbers: Sequence[int]) -> list[Car]:
    """The cars with these numbers, in this order, with the top five of their shown predictions;
    those of deleted photos are left out."""
    rows = db.session.scalars(_joined(many=True).where(Car.id.in_(numbers)))
    by_number = {car.id: _with_prediction(car) for car in rows}
    return [by_number[number] for number in numbers if number in by_number]


def load_cars(photos: Sequence[Photo]) -> None:
    """Load the cars of photos into their `cars`, with the predictions that stand for each model."""
    by_number = {photo.id: photo for photo in photos}
    cars: dict[int, list[Car]] = {number: [] for number in by_number}
    statement = (
        select(Car)
        .join(Prediction, and_(Prediction.car_id == Car.id, Prediction.current), isouter=True)
        .where(Car.photo_id.in_(by_number))
        .order_by(Car.photo_id, Car.position, Prediction.shown.desc(), Prediction.model)
        .options(contains_eager(Car.predictions).lazyload(Prediction.top))
        .execution_options(populate_existing=True)
    )
    for car in db.session.scalars(statement).unique():
        cars[car.photo_id].append(car)
        set_committed_value(car, "photo", by_number[car.photo_id])
        shown = next((answer for answer in car.predictions if answer.shown), None)
        set_committed_value(car, "prediction", shown)
    for number, photo in by_number.items():
        set_committed_value(photo, "cars", cars[number])


def numbers_with(public_ids: Sequence[str]) -> list[int]:
    """The numbers of the cars with these ids; unknown ids are absent."""
    return list(db.session.scalars(select(Car.id).where(Car.public_id.in_(public_ids))))


def main_cars(photo_ids: Sequence[int]) -> list[int]:
    """The numbers of the main cars of photos, in order."""
    statement = select(Car.id).where(Car.photo_id.in_(photo_ids), is_main).order_by(Car.id)
    return list(db.session.scalars(statement))


def numbers_of(photo_ids: Sequence[int]) -> list[int]:
    """The numbers of all cars of photos."""
    return list(db.session.scalars(select(Car.id).where(Car.photo_id.in_(photo_ids))))


# ---- writing ----


def insert_cars(photo: Photo, cars: Sequence[Car]) -> None:
    """Insert the cars of a new photo, with one statement; each has an `id` afterwards."""
    for car in cars:
        car.photo_id = photo.id
        set_committed_value(car, "photo", photo)
    statement = insert(Car).returning(Car.id, Car.position)
    rows = [column_values(car) for car in cars]
    by_position = {car.position: car for car in cars}
    for number, position in db.session.connection().execute(statement, rows):
        by_position[position].id = number
    set_committed_value(photo, "cars", list(cars))


def insert_car(photo: Photo, car: Car, predictions: Sequence[Prediction]) -> None:
    """Insert one more car of a photo; it has an `id` afterwards. The caller inserts its
    predictions and arranges the cars."""
    car.photo_id = photo.id
    set_committed_value(car, "photo", photo)
    set_committed_value(car, "predictions", list(predictions))
    state.start(car, photo)
    car.id = insert_row(car)


def set_box(car: Car, found: DetectedCar, detector_version: int | None = None) -> None:
    """Give a car another box; the caller replaces its predictions and arranges the cars."""
    names = ("x", "y", "width", "height", "score", "found_by", "detector_version")
    values = dict(
        zip(names, (*found.box, found.score, found.found_by, detector_version), strict=True)
    )
    update_rows(update(Car).where(Car.id == car.id).values(values))
    for name, value in values.items():
        set_committed_value(car, name, value)


def next_position(photo_id: int) -> int:
    """The position behind the last car of a photo."""
    last = db.session.scalar(select(func.max(Car.position)).where(Car.photo_id == photo_id))
    return 0 if last is None else last + 1


def arrange(photo_id: int) -> None:
    """Put the cars of a photo in order: those that people said are no car last, else by their ids.
    The first is the main car. Its photo counts them and mirrors what is known of the main car."""
    no_car = case((Car.ground_truth == NO_CAR, 1), else_=0)
    ordered = select(Car.id, Car.position).where(Car.photo_id == photo_id).order_by(no_car, Car.id)
    rows = db.session.execute(ordered).all()
    moved = {row.id: position for position, row in enumerate(rows) if row.position != position}
    for sign in (-1, 1):  # a position is taken by one car at a time
        for number, position in moved.items():
            place = position if sign > 0 else -1 - position
            update_rows(update(Car).where(Car.id == number).values(position=place))
    if moved:
        of_photo = Prediction.car_id.in_([row.id for row in rows])
        main = case((Prediction.car_id == rows[0].id, photo_id), else_=None)
        update_rows(update(Prediction).where(of_photo).values(photo_id=main))
    counted = select(func.count()).where(Car.photo_id == photo_id, _counts).scalar_subquery()
    looked = or_(Photo.detector_version.is_not(None), counted > 0)
    count = case((looked, counted), else_=None)
    update_rows(update(Photo).where(Photo.id == photo_id).values(car_count=count))
    state.mirror([row.id for row in rows])


def photos_with_no_car(batch: str, car_ids: Sequence[int]) -> list[int]:
    """The numbers of the photos of cars of which a batch of label events said that they are no car,
    or are one after all."""
    no_car = or_(LabelEvent.to_label == NO_CAR, LabelEvent.from_label == NO_CAR)
    statement = select(Car.photo_id).join(LabelEvent, LabelEvent.car_id == Car.id).distinct()
    which = (LabelEvent.batch == batch, Car.id.in_(car_ids), no_car)
    return list(db.session.scalars(statement.where(*which)))


def set_detector(photo_id: int, version: int) -> None:
    """Note that this version of the detector has looked at a photo."""
    update_rows(update(Photo).where(Photo.id == photo_id).values(detector_version=version))


def unseen_photos(photo_ids: Sequence[int], version: int) -> list[int]:
    """Those of these photos at which neither this version of the detector nor a later one has
    looked, in order."""
    unseen = or_(Photo.detector_version.is_(None), Photo.detector_version < version)
    statement = select(Photo.id).where(Photo.id.in_(photo_ids), unseen).order_by(Photo.id)
    return list(db.session.scalars(statement))


def untouched(car_ids: Sequence[int]) -> list[int]:
    """Those of these cars about which nobody has said anything, and whose box nobody changed."""
    touched = or_(
        exists().where(LabelEvent.car_id == Car.id), exists().where(BoxEvent.car_id == Car.id)
    )
    return list(db.session.scalars(select(Car.id).where(Car.id.in_(car_ids), ~touched)))


def remove(car_ids: Sequence[int]) -> None:
    """Remove cars about which nobody has said anything; the caller arranges the others."""
    db.session.execute(delete(Car).where(Car.id.in_(car_ids)))
