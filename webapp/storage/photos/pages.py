"""Pages of photos by keyset, and counts that stop in time. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.exc import OperationalError

from webapp.domain import OUTCOMES
from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import db, stopping_after
from webapp.storage.photos.photos import photos_by_number
from webapp.storage.photos.query_filters import matching, number_column, outcome_column, sort_key
from webapp.storage.sqlite import name_index as names
from webapp.storage.tables import Photo

DOWNWARDS = ("newest", "most-wrong")
ENOUGH = 10_000
"""Photos that are counted; more are "more than 10,000"."""
COUNTING = 0.015
"""Seconds that counting may take: once for all photos of a filter, once for those of each outcome."""


@dataclass(frozen=True)
class Place:
    """Where a page begins or ends: the sort key (None for the orders by arrival) and the number of a photo, which need not exist."""

    key: float | None
    number: int


@dataclass(frozen=True)
class Count:
    """How many photos: `number` of them, or more when not `exact`. `number` is None when counting took too long to say anything."""

    number: int | None
    exact: bool


UNKNOWN = Count(None, exact=False)


def page_of_photos(
    wanted: GalleryFilter, limit: int, place: Place | None, *, backwards: bool = False
) -> list[tuple[Photo, str]]:
    """At most `limit` photos with their outcomes, in the wanted order: those after `place`, or before it when `backwards`.

    Without a place those at the beginning, or at the end.
    """
    key = sort_key(wanted)
    if names.can_lead(
        wanted
    ):  # the index of names gives its photos by number: a page needs no list of all that have the name
        number = names.photo_names.c.rowid
        question = names.leading(
            matching(number, wanted=wanted.replace(filename="")), wanted.filename
        )
    else:
        number = number_column(wanted)
        question = matching(number, wanted=wanted)
    down = (wanted.sort in DOWNWARDS) != backwards
    question = _turned(question, key, number, place, down=down).limit(limit)
    numbers = list(db.session.execute(question).scalars())
    if backwards:
        numbers.reverse()
    return photos_by_number(numbers, wanted.model, wanted.version)


def _turned(
    question: Select[Any], key: Any, number: Any, place: Place | None, *, down: bool
) -> Select[Any]:
    """The question in its order, beginning behind a place."""
    columns = [number] if key is None else [key, number]
    if key is not None:
        question = question.where(key.is_not(None))
    if place is not None:
        left = number if key is None else tuple_(key, number)
        right = place.number if key is None else tuple_(place.key, place.number)
        question = question.where(left < right if down else left > right)
    return question.order_by(*(column.desc() if down else column for column in columns))


def first_number_of(day: date) -> int:
    """The number that photos of this day (UTC) and later have at least."""
    start = datetime.combine(day, time(), UTC)
    question = (
        select(Photo.id)
        .where(Photo.deleted_at.is_(None), Photo.created_at >= start)
        .order_by(Photo.created_at, Photo.id)
        .limit(1)
    )
    found = db.session.execute(question).scalar_one_or_none()
    return _last_number() + 1 if found is None else found


def day_after(day: date) -> date:
    """The next day; the last day that there is stays."""
    return day + timedelta(days=1) if day < date.max else day


def _last_number() -> int:
    return db.session.execute(select(func.max(Photo.id))).scalar_one() or 0


# ---- counting ----


def count_by_outcome(wanted: GalleryFilter) -> tuple[Count, dict[str, Count]]:
    """How many photos the filter lets through whatever became of them, and how many of them have each outcome."""
    others = wanted.replace(outcome="", sort="newest")
    some = _some(outcome_column(wanted.model).label("outcome"), others).subquery()
    rows = _in_time(select(some.c.outcome, func.count()).group_by(some.c.outcome))
    found = {str(name): int(number) for name, number in rows or ()}
    if rows is not None and sum(found.values()) <= ENOUGH:
        return Count(sum(found.values()), exact=True), {
            name: Count(found.get(name, 0), exact=True) for name in OUTCOMES
        }
    total = UNKNOWN if rows is None else Count(ENOUGH, exact=False)
    each = [_some(Photo.id, others.replace(outcome=name)).subquery() for name in OUTCOMES]
    rows = _in_time(
        select(*(select(func.count()).select_from(one).scalar_subquery() for one in each))
    )
    numbers = rows[0] if rows else [None] * len(OUTCOMES)
    return total, {name: _capped(number) for name, number in zip(OUTCOMES, numbers, strict=True)}


def _capped(number: int | None) -> Count:
    return UNKNOWN if number is None else Count(min(number, ENOUGH), exact=number <= ENOUGH)


def _some(column: Any, wanted: GalleryFilter) -> Select[Any]:
    """A column of at most `ENOUGH` + 1 photos that the filter lets through."""
    if names.can_lead(wanted):
        return names.leading(
            matching(column, wanted=wanted.replace(filename="")), wanted.filename
        ).limit(ENOUGH + 1)
    return matching(column, wanted=wanted).limit(ENOUGH + 1)


def _in_time(question: Select[Any]) -> Sequence[Any] | None:
    """The rows of a question, None when its time is over."""
    try:
        with stopping_after(COUNTING):
            return db.session.execute(question).all()
    except OperationalError as error:
        if "interrupted" in str(error):
            return None
        raise
