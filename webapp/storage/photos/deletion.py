"""Deleted photos, those that the retention rule would delete, and files without a photo. Nothing
here commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select, update

from webapp.storage.cars.cars import numbers_of
from webapp.storage.database import db, update_rows
from webapp.storage.stats import counters
from webapp.storage.tables import Car, Photo, now

_HASHES = 1_000  # perceptual hashes in one query
_AT_ONCE = 2_000  # numbers of photos in one query
_labelled = exists().where(Car.photo_id == Photo.id, Car.ground_truth.is_not(None))


def find_deleted(public_id: str) -> Photo | None:
    """A photo that was deleted and can be brought back, or None."""
    statement = select(Photo).where(Photo.public_id == public_id, Photo.deleted_at.is_not(None))
    return db.session.scalar(statement.execution_options(populate_existing=True))


def put_away(numbers: Sequence[int], batch: str, who: str, *, labelled: bool = True) -> int:
    """Delete photos, which can be brought back; returns how many. Those with a star stay, and
    without `labelled` those with a ground truth."""
    which = and_(Photo.id.in_(numbers), Photo.starred.is_(False), Photo.deleted_at.is_(None))
    if not labelled:
        which = and_(which, ~_labelled)
    return _move(which, {"deleted_at": now(), "deleted_by": who, "deleted_batch": batch})


def restore(which: Any) -> int:
    """Bring deleted photos back that satisfy `which`; returns how many."""
    deleted = and_(which, Photo.deleted_at.is_not(None))
    return _move(deleted, {"deleted_at": None, "deleted_by": None, "deleted_batch": None})


def _move(which: Any, values: dict[str, Any]) -> int:
    """Take photos out of sight or back, with their duplicates and the counters."""
    paired = or_(Photo.has_duplicate, Photo.deleted_at.is_not(None))
    hashed = select(Photo.phash).distinct().where(which, paired, Photo.phash.is_not(None))
    hashes = db.session.scalars(hashed).all()
    change = update(Photo).where(which).values(values).returning(Photo.id)
    unseen = {"synchronize_session": False}
    moved = db.session.scalars(change, execution_options=unseen).all()
    _refresh_duplicates(hashes)
    for start in range(0, len(moved), _AT_ONCE):
        counters.recount(numbers_of(moved[start : start + _AT_ONCE]))
    return len(moved)


def _refresh_duplicates(hashes: Sequence[int | None]) -> None:
    """Bring up to date which of the photos with these perceptual hashes have a duplicate. One that
    was deleted is nobody's duplicate."""
    for start in range(0, len(hashes), _HASHES):
        theirs = and_(Photo.phash.in_(hashes[start : start + _HASHES]), Photo.deleted_at.is_(None))
        for value, several in ((True, func.count() > 1), (False, func.count() == 1)):
            which = select(Photo.phash).where(theirs).group_by(Photo.phash).having(several)
            stale = and_(Photo.deleted_at.is_(None), Photo.has_duplicate.is_(not value))
            change = update(Photo).where(Photo.phash.in_(which), stale)
            update_rows(change.values(has_duplicate=value))


def due_photos(before: datetime, limit: int) -> Sequence[Photo]:
    """Photos that were deleted before this moment, at most `limit`."""
    due = select(Photo).where(Photo.deleted_at.is_not(None), Photo.deleted_at < before)
    statement = due.order_by(Photo.deleted_at).limit(limit)
    return db.session.scalars(statement.execution_options(populate_existing=True)).all()


# ---- the retention rule ----


def _surplus(per_class: int, before: datetime) -> Select[Any]:
    """All photos with whether they go when each class keeps `per_class`: labelled and starred ones,
    which never go, then the newest."""
    name = func.coalesce(Photo.ground_truth, Photo.shown_label, "")
    protected = or_(Photo.starred.is_(True), _labelled)
    loose = case((protected, 0), else_=1)
    place = func.row_number().over(partition_by=name, order_by=(loose, Photo.id.desc()))
    labels = (name.label("name"), loose.label("loose"), place.label("place"))
    columns = (Photo.id, Photo.bytes, Photo.created_at, *labels)
    ranked = select(*columns).where(Photo.deleted_at.is_(None)).subquery()
    going = and_(ranked.c.place > per_class, ranked.c.loose == 1, ranked.c.created_at < before)
    return select(ranked.c.id, ranked.c.name, ranked.c.bytes, going.label("going"))


def count_surplus(per_class: int, before: datetime) -> dict[str, tuple[int, int, int]]:
    """For each class how many photos there are, how many would go, and the bytes of their files. A
    class is the ground truth, else the first label of the shown answer."""
    every = _surplus(per_class, before).subquery()
    goes = case((every.c.going, 1), else_=0)
    statement = (
        select(every.c.name, func.count(), func.sum(goes), func.sum(goes * every.c.bytes))
        .group_by(every.c.name)
        .order_by(every.c.name)
    )
    return {
        str(name): (int(count), int(going), int(size))
        for name, count, going, size in db.session.execute(statement)
    }


def surplus_numbers(per_class: int, before: datetime) -> list[int]:
    """The numbers of the photos that would go."""
    every = _surplus(per_class, before).subquery()
    return list(db.session.scalars(select(every.c.id).where(every.c.going).order_by(every.c.id)))


# ---- files ----


def known_files(names: Sequence[str]) -> set[str]:
    """Those of these hashes that belong to a photo, be it deleted or not."""
    return set(db.session.scalars(select(Photo.sha256).where(Photo.sha256.in_(names))))
