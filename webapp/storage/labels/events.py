"""Label events and the labels that versions know. Nothing here commits."""

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, delete, exists, func, insert, select
from sqlalchemy.orm import joinedload

from webapp.domain import MERGE, LogFilter, Who
from webapp.storage.cars import state
from webapp.storage.database import database_name, db, insert_row
from webapp.storage.labels.canonical import canonical_of, merged_into
from webapp.storage.stats.counters import recount
from webapp.storage.tables import Car, KnownLabel, LabelEvent, Photo, Prediction


def new_batch() -> str:
    """A fresh batch id: what was done together is undone together."""
    return secrets.token_urlsafe(9)


_AT_ONCE = 2_000  # numbers of cars in one query
# Label sets that are known to be kept, by database, model and version: saves uploads a query.
remembered_sets: set[tuple[str, str, int]] = set()


@dataclass(frozen=True)
class Stamp:
    """What the label events of one action share. `place` is where it was done."""

    who: Who
    place: str
    why: str = ""
    batch: str = field(default_factory=new_batch)


def is_merge(batch: str) -> bool:
    """True when a merge of labels wrote the events of this batch."""
    which = (LabelEvent.batch == batch, LabelEvent.place == MERGE)
    return db.session.execute(select(LabelEvent.id).where(*which).limit(1)).first() is not None


def add_event(car: Car, label: str, model: str | None, stamp: Stamp) -> None:
    """Append an event of a car, which may have this label already."""
    insert_row(
        LabelEvent(
            car_id=car.id,
            photo_ref=car.photo.public_id,
            from_label=car.ground_truth,
            from_model=car.truth_model,
            to_label=label,
            to_model=model,
            user_id=stamp.who.user_id,
            who=stamp.who.name,
            why=stamp.why,
            place=stamp.place,
            batch=stamp.batch,
        )
    )


def refresh_disputed(car_ids: Sequence[int]) -> None:
    """Mark the cars that people disagree about, and unmark the others of these.

    What counts is what each person who was logged in said last, undone events left out, about
    labels of the same model. A car is disputed while only one of them stands behind its label and
    somebody else said another one. A second voice settles it.
    """
    person = (LabelEvent.car_id, LabelEvent.user_id)
    newest_first = func.row_number().over(partition_by=person, order_by=LabelEvent.id.desc())
    latest = (
        select(
            LabelEvent.car_id,
            canonical_of(LabelEvent.to_model, LabelEvent.to_label).label("to_label"),
            LabelEvent.to_model,
            newest_first.label("place"),
        )
        .where(LabelEvent.car_id.in_(car_ids), *_said_by_people())
        .subquery()
    )
    same = latest.c.to_label == Car.ground_truth
    disputed = (
        select(latest.c.car_id)
        .join(Car, Car.id == latest.c.car_id)
        .where(
            latest.c.place == 1,
            func.coalesce(latest.c.to_model, "") == func.coalesce(Car.truth_model, ""),
        )
        .group_by(latest.c.car_id)
        .having(func.sum(case((same, 0), else_=1)) > 0)
        .having(func.sum(case((same, 1), else_=0)) == 1)
    )
    those = (Car.id.in_(car_ids), Car.disputed)
    now = set(db.session.execute(disputed).scalars())
    before = set(db.session.execute(select(Car.id).where(*those)).scalars())
    for value, ids in ((True, now - before), (False, before - now)):
        if ids:
            state.set_disputed(list(ids), disputed=value)


def latest_labels(car: Car) -> list[tuple[str, str]]:
    """(person, label) of everybody who was logged in: what they said last, the latest first."""
    statement = (
        select(LabelEvent.who, LabelEvent.to_label)
        .where(LabelEvent.car_id == car.id, *_said_by_people())
        .order_by(LabelEvent.id.desc())
    )
    labels: dict[str, str] = {}
    for who, label in db.session.execute(statement):
        labels.setdefault(str(who), str(label))
    return list(labels.items())


def _said_by_people() -> tuple[Any, ...]:
    """Conditions: an event is what a person said about the car, and nobody has undone it."""
    return (
        LabelEvent.user_id.is_not(None),
        LabelEvent.undoes.is_(None),
        LabelEvent.place != MERGE,
        LabelEvent.to_label.is_not(None),
        ~LabelEvent.undone,
    )


def has_label_of_another_batch(car_id: int, batch: str) -> bool:
    """True when somebody gave a car a label outside of this batch that nobody has undone; merges
    left out."""
    said = (
        LabelEvent.batch != batch,
        LabelEvent.undoes.is_(None),
        LabelEvent.place != MERGE,
        ~LabelEvent.undone,
    )
    return bool(db.session.scalar(select(exists().where(LabelEvent.car_id == car_id, *said))))


def add_farewell(event: LabelEvent, photo: Photo) -> None:
    """Append the last event of a photo that is about to be deleted."""
    event.photo_ref = photo.public_id
    event.from_label, event.from_model = photo.ground_truth, photo.truth_model
    db.session.add(event)


def events_of(photo: Photo) -> Sequence[LabelEvent]:
    """The label history of all cars of a photo, with the cars, newest first."""
    cars = select(Car.id).where(Car.photo_id == photo.id)
    events = select(LabelEvent).where(LabelEvent.car_id.in_(cars)).order_by(LabelEvent.id.desc())
    events = events.options(joinedload(LabelEvent.car))
    return db.session.scalars(events.execution_options(populate_existing=True)).all()


def history_of(car: Car) -> list[LabelEvent]:
    """The label history of a car, newest first."""
    return next(iter(histories_of([car.id])), [])


def page_of_events(
    limit: int, wanted: LogFilter, before: int | None = None
) -> Sequence[LabelEvent]:
    """At most `limit` events that pass the filter, with photos, newest first, before `before`."""
    statement = select(LabelEvent).options(joinedload(LabelEvent.car).joinedload(Car.photo))
    for name in ("who", "place", "batch"):
        if value := getattr(wanted, name):
            statement = statement.where(getattr(LabelEvent, name) == value)
    for name in ("from_label", "to_label"):
        if label := getattr(wanted, name):
            labels = [label, *merged_into(label)]
            statement = statement.where(getattr(LabelEvent, name).in_(labels))
    if wanted.since is not None:
        statement = statement.where(LabelEvent.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(LabelEvent.created_at < wanted.until)
    if wanted.disputed:
        disputed = select(Car.id).where(Car.disputed)
        statement = statement.where(LabelEvent.car_id.in_(disputed))
    if before is not None:
        statement = statement.where(LabelEvent.id < before)
    statement = statement.order_by(LabelEvent.id.desc()).limit(limit)
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


def names_in_the_log() -> list[str]:
    """Everybody who ever labelled something, by name. Walks from name to name in the index."""
    names: list[str] = []
    first = select(func.min(LabelEvent.who))
    following = first
    while (name := db.session.execute(following).scalar()) is not None:
        names.append(name)
        following = first.where(LabelEvent.who > name)
    return names


def cars_labelled_by(who: str, since: datetime) -> list[int]:
    """The numbers of the cars that a person labelled since a time, or took a label back of."""
    theirs = (
        LabelEvent.who == who,
        LabelEvent.place != MERGE,
        LabelEvent.created_at >= since,
        LabelEvent.car_id.is_not(None),
    )
    numbers = db.session.execute(select(LabelEvent.car_id).where(*theirs).distinct())
    return [int(number or 0) for number in numbers.scalars()]


def history_with(event_id: int) -> list[LabelEvent]:
    """The history of the car of an event, newest first; empty when one of them is gone."""
    car_id = select(LabelEvent.car_id).where(LabelEvent.id == event_id)
    return next(iter(histories_of(car_id)), [])


def histories_of(car_ids: Sequence[int] | Select[Any]) -> Collection[list[LabelEvent]]:
    """The events of each of these cars, newest first."""
    events = select(LabelEvent).where(LabelEvent.car_id.in_(car_ids))
    events = events.order_by(LabelEvent.id.desc()).execution_options(populate_existing=True)
    histories: dict[int, list[LabelEvent]] = defaultdict(list)
    for event in db.session.scalars(events):
        histories[int(event.car_id or 0)].append(event)
    return histories.values()


# ---- the labels that versions know ----


def versions_that_answered() -> Sequence[tuple[str, int]]:
    """Model and version of everything that ever answered for a photo here."""
    rows = db.session.execute(select(Prediction.model, Prediction.version).distinct())
    return [(model, version) for model, version in rows]


def remember_label_set(model: str, version: int, parents: Mapping[str, str]) -> bool:
    """Keep the labels of a version, each with its parent or "", to compare answers with; False when
    they are kept already."""
    mine = (KnownLabel.model == model, KnownLabel.version == version)
    connection = db.session.connection()
    stored = connection.execute(select(KnownLabel.label, KnownLabel.parent).where(*mine))
    known = {row.label: row.parent or "" for row in stored}
    missing = [label for label in parents if label not in known]
    if parents.items() <= known.items():  # and always will be: label sets are not taken away
        remembered_sets.add((database_name(), model, version))
        return False
    rows = [
        {"model": model, "version": version, "label": label, "parent": parent or None}
        for label, parent in parents.items()
    ]
    without = (*mine, KnownLabel.label.in_(parents))  # the parents, from before they were kept
    connection.execute(delete(KnownLabel).where(*without))
    connection.execute(insert(KnownLabel), rows)
    if known and missing:  # its answers can be compared with these labels now
        theirs = (Prediction.model == model, Prediction.version == version)
        answered = Car.id.in_(select(Prediction.car_id).where(*theirs))
        labelled = select(Car.id).where(answered, Car.ground_truth.in_(missing))
        numbers = db.session.scalars(labelled).all()
        for start in range(0, len(numbers), _AT_ONCE):
            state.refresh(numbers[start : start + _AT_ONCE])
            recount(numbers[start : start + _AT_ONCE])
    return True


def known_labels(model: str) -> dict[int, set[str]]:
    """The labels of each version of a model that ever answered, as they were published."""
    statement = select(KnownLabel.version, KnownLabel.label).where(KnownLabel.model == model)
    known: dict[int, set[str]] = defaultdict(set)
    for version, label in db.session.execute(statement):
        known[version].add(label)
    return dict(known)
