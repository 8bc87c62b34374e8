"""Photos that label files are about, and files that wait to be imported. Nothing here commits."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, literal, select

from webapp.storage.database import db
from webapp.storage.tables import Car, LabelEvent, LabelFile, Photo

_VALUES = 30_000  # that one statement may have, in the smallest builds of SQLite


def find_photos(column: Any, values: Iterable[str]) -> Sequence[Any]:
    """The photos with one of these values in a column of theirs or of their cars, with what is
    known of their main car; with a column of `Car` that of the car, and `car` is its id, else "".
    """
    of_car = column.class_ is Car
    state, car = (Car, Car.public_id) if of_car else (Photo, literal(""))
    columns = (
        *(Photo.id.label("number"), Photo.public_id, Photo.sha256, Photo.filename),
        *(Photo.width, Photo.height, state.ground_truth, state.truth_model, car.label("car")),
    )
    statement = select(*columns).where(Photo.deleted_at.is_(None))
    if of_car:
        statement = statement.join(Car, Car.photo_id == Photo.id)
    values = sorted(values)  # by file name each reading takes a look at every photo
    return [
        row
        for start in range(0, len(values), _VALUES)
        for row in db.session.execute(statement.where(column.in_(values[start : start + _VALUES])))
    ]


def cars_of(numbers: Collection[int]) -> dict[int, list[Any]]:
    """The cars of photos by the photo's number: where they are and what people said they are."""
    columns = (
        *(Car.photo_id, Car.public_id, Car.x, Car.y, Car.width, Car.height, Car.found_by),
        *(Car.ground_truth, Car.truth_model),
    )
    statement = select(*columns).where(Car.photo_id.in_(numbers)).order_by(Car.position)
    cars: dict[int, list[Any]] = defaultdict(list)
    for row in db.session.execute(statement):
        cars[row.photo_id].append(row)
    return cars


def labelled_by(batch: str, car_numbers: Sequence[int]) -> set[int]:
    """Those of these cars that a batch has given a label."""
    which = (LabelEvent.batch == batch, LabelEvent.car_id.in_(car_numbers))
    numbers = db.session.scalars(select(LabelEvent.car_id).where(*which))
    return {number for number in numbers if number is not None}


def add_file(row: LabelFile, *, oldest: datetime, spare: Sequence[str]) -> None:
    """Keep a file, and remove those that are older than `oldest`, but for those in `spare`."""
    which = (LabelFile.created_at < oldest, LabelFile.public_id.not_in(spare))
    db.session.execute(delete(LabelFile).where(*which))
    db.session.add(row)


def find_file(public_id: str) -> LabelFile | None:
    """The file, or None."""
    statement = select(LabelFile).where(LabelFile.public_id == public_id)
    return db.session.execute(statement).scalar_one_or_none()


def forget_file(public_id: str) -> None:
    """Remove a file."""
    db.session.execute(delete(LabelFile).where(LabelFile.public_id == public_id))
