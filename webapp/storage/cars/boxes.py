"""The log of what people did to the boxes of cars. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, union
from sqlalchemy.orm import aliased

from webapp.domain import NO_CAR, PERSON, WHOLE, Box
from webapp.storage.database import count_rows, db, insert_row
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import BoxEvent, Car, LabelEvent, Photo


def add_box_event(
    car: Car, box: Box, stamp: Stamp, *, undoes: int | None = None, drawn: bool = False
) -> None:
    """Append that a car gets another box, before it has it; `drawn`: it had none before."""
    insert_row(
        BoxEvent(
            car_id=car.id,
            photo_ref=car.photo.public_id,
            from_box=None if drawn else list(car.box),
            from_score=car.score,
            from_version=car.detector_version,
            to_box=list(box),
            undoes=undoes,
            user_id=stamp.who.user_id,
            who=stamp.who.name,
            why=stamp.why,
            place=stamp.place,
            batch=stamp.batch,
        )
    )


def standing_events(batch: str, after: int = 0, limit: int | None = None) -> Sequence[BoxEvent]:
    """The box events of a batch that nobody has undone, over the number `after`, without those of
    cars that are gone."""
    statement = _standing().where(BoxEvent.batch == batch, BoxEvent.id > after)
    return db.session.scalars(statement.order_by(BoxEvent.id).limit(limit)).all()


def count_changed_cars(batch: str) -> int:
    """How many cars got a label or a box in a batch."""
    events = (select(table.car_id).where(table.batch == batch) for table in (LabelEvent, BoxEvent))
    cars = union(*events).subquery()
    return db.session.scalar(select(func.count()).select_from(cars)) or 0


def count_undone(batch: str) -> int:
    """How many events of labels and boxes were taken back in a batch."""
    return sum(
        count_rows(table, table.batch == batch, table.undoes.is_not(None))
        for table in (LabelEvent, BoxEvent)
    )


def standing_event(number: int) -> BoxEvent | None:
    """The box event with this number, None when it was undone or its car is gone."""
    return db.session.scalar(_standing().where(BoxEvent.id == number))


def _standing() -> Select[BoxEvent]:
    undo = aliased(BoxEvent)
    undone = exists().where(undo.undoes == BoxEvent.id)
    return select(BoxEvent).where(BoxEvent.car_id.is_not(None), ~undone)


def is_checked() -> ColumnElement[bool]:
    """SQL: people gave every car of a photo a ground truth or drew it, and every car that they did
    not call none has a box."""
    of_photo = exists().where(Car.photo_id == Photo.id).correlate(Photo)
    unchecked = of_photo.where(Car.ground_truth.is_(None), Car.found_by != PERSON)
    boxless = of_photo.where(Car.found_by == WHOLE, Car.ground_truth.is_distinct_from(NO_CAR))
    return and_(of_photo, ~unchecked, ~boxless)


def checked_photos(limit: int) -> Sequence[Photo]:
    """The newest `limit` photos of which `is_checked` is true."""
    statement = select(Photo).where(Photo.deleted_at.is_(None), is_checked())
    return db.session.scalars(statement.order_by(Photo.id.desc()).limit(limit)).all()


def events_of(photo: Photo) -> Sequence[BoxEvent]:
    """What people did to the boxes of the cars of a photo, newest first."""
    cars = select(Car.id).where(Car.photo_id == photo.id)
    statement = select(BoxEvent).where(BoxEvent.car_id.in_(cars)).order_by(BoxEvent.id.desc())
    return db.session.scalars(statement).all()
