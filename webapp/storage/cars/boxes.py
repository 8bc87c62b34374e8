"""The log of what people did to the boxes of cars. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from webapp.domain import Box
from webapp.storage.database import db, insert_row
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import BoxEvent, Car


def add_box_event(car: Car, before: Box | None, stamp: Stamp, undoes: int | None = None) -> None:
    """Append what became of a car's box; `before` None: the car was drawn."""
    insert_row(
        BoxEvent(
            car_id=car.id,
            photo_ref=car.photo.public_id,
            from_box=None if before is None else list(before),
            to_box=list(car.box),
            undoes=undoes,
            user_id=stamp.who.user_id,
            who=stamp.who.name,
            why=stamp.why,
            place=stamp.place,
            batch=stamp.batch,
        )
    )


def standing_events(batch: str) -> Sequence[BoxEvent]:
    """The box events of a batch that nobody has undone, newest first, without those of cars that
    are gone."""
    undo = aliased(BoxEvent)
    undone = exists().where(undo.undoes == BoxEvent.id)
    which = (BoxEvent.batch == batch, BoxEvent.car_id.is_not(None), ~undone)
    statement = select(BoxEvent).where(*which).order_by(BoxEvent.id.desc())
    return db.session.scalars(statement).all()
