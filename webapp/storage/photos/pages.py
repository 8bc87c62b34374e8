"""Pages of photos by keyset, and counts that stop in time. Nothing here commits."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Select, func, select, tuple_

from webapp.domain import OUTCOMES
from webapp.gallery_filter import GalleryFilter
from webapp.storage import sqlite
from webapp.storage.database import db, last_id
from webapp.storage.photos.photos import photos_by_number
from webapp.storage.photos.query_filters import (
    MeantAnswer,
    first_number,
    matching,
)
from webapp.storage.tables import Photo

ENOUGH = 10_000  # photos that are counted; more are "more than 10,000"
# Seconds that counting may take: once for all photos of a filter, once for those of each outcome.
_COUNTING = 0.015
_DOWNWARDS = ("newest", "most-wrong")


@dataclass(frozen=True)
class Place:
    """Where a page begins or ends: the sort key (None for the orders by arrival) and the number of
    a photo, which need not exist."""

    key: float | None
    number: int


@dataclass(frozen=True)
class Count:
    """How many photos: `number` of them, or more when not `exact`. `number` is None when counting
    took too long to say anything."""

    number: int | None
    exact: bool


_UNKNOWN = Count(None, exact=False)


def page_of_photos(
    wanted: GalleryFilter, limit: int, place: Place | None, *, backwards: bool = False
) -> list[Photo]:
    """At most `limit` photos in the wanted order: those after `place`, or before it when
    `backwards`. Without a place those at the beginning, or at the end."""
    meant = MeantAnswer(wanted)
    key, number = meant.sort_key, meant.number
    if _name_leads(wanted):
        number = sqlite.photo_names.c.rowid
    statement = _columns_of(number, wanted)
    down = (wanted.sort in _DOWNWARDS) != backwards
    columns = [number] if key is None else [key, number]
    if key is not None:
        statement = statement.where(key.is_not(None))
    if place is not None:
        left = number if key is None else tuple_(key, number)
        right = place.number if key is None else tuple_(place.key, place.number)
        statement = statement.where(left < right if down else left > right)
    statement = statement.order_by(*(column.desc() if down else column for column in columns))
    numbers = db.session.scalars(statement.limit(limit)).all()
    return photos_by_number(numbers[::-1] if backwards else numbers, wanted.model, wanted.version)


def _name_leads(wanted: GalleryFilter) -> bool:
    """True when a page may be read from the index of names, which gives its photos by number: then
    no list is needed of all that have the name."""
    by_arrival = wanted.sort in ("newest", "oldest")
    return by_arrival and not wanted.model and sqlite.can_find_name(wanted.filename)


def _columns_of(column: Any, wanted: GalleryFilter) -> Select[Any]:
    """A column of the photos that the filter lets through."""
    if _name_leads(wanted):
        others = matching(column, wanted=wanted.replace(filename=""))
        return sqlite.join_names(others, wanted.filename)
    return matching(column, wanted=wanted)


def first_number_of(day: date) -> int:
    """The number that photos of this day (UTC) and later have at least."""
    since = Photo.created_at >= datetime.combine(day, time(), UTC)
    return first_number(since, Photo.created_at, Photo.id) or last_id(Photo) + 1


# ---- counting ----


def count_by_outcome(wanted: GalleryFilter) -> dict[str, Count]:
    """How many photos have each outcome under the other filters, and "all" of them."""
    others = wanted.replace(outcome="", sort="newest")
    some = _some(MeantAnswer(wanted)["outcome"].label("outcome"), others)
    by_outcome = select(some.c.outcome, func.count()).group_by(some.c.outcome)
    rows = sqlite.rows_in_time(by_outcome, _COUNTING)
    counts = {str(name): int(number) for name, number in rows or ()}
    if rows is not None and sum(counts.values()) <= ENOUGH:
        counts["all"] = sum(counts.values())
        return {name: Count(counts.get(name, 0), exact=True) for name in ("all", *OUTCOMES)}
    total = _UNKNOWN if rows is None else Count(ENOUGH, exact=False)
    tables = [_some(Photo.id, others.replace(outcome=name)) for name in OUTCOMES]
    numbers = (select(func.count()).select_from(some).scalar_subquery() for some in tables)
    rows = sqlite.rows_in_time(select(*numbers), _COUNTING)
    if not rows:
        return {"all": total, **dict.fromkeys(OUTCOMES, _UNKNOWN)}
    each = [Count(min(number, ENOUGH), exact=number <= ENOUGH) for number in rows[0]]
    return {"all": total, **dict(zip(OUTCOMES, each, strict=True))}


def _some(column: Any, wanted: GalleryFilter) -> Any:
    """A column of at most `ENOUGH` + 1 photos that the filter lets through."""
    return _columns_of(column, wanted).limit(ENOUGH + 1).subquery()
