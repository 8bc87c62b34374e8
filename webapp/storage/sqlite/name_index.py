"""The index of file names: which photos have some characters in their name. SQLite only; elsewhere the names themselves are asked."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, column, func, insert, literal, select, table, text

from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import db
from webapp.storage.tables import NAME_INDEX, Photo

SHORTEST = 3
"""Characters that a part of a name must have to be looked up in the index."""

FEW = 5000
"""Photos that are made a list of: finding and sorting them takes some milliseconds."""

photo_names = table(NAME_INDEX, column("rowid"), column("filename"), column(NAME_INDEX))
"""The column with the table's own name takes commands."""


def add(photo: Photo) -> None:
    """A photo has come."""
    if _kept():
        db.session.connection().execute(
            insert(photo_names), {"rowid": photo.id, "filename": photo.filename}
        )


def remove(photo_ids: Sequence[int]) -> None:
    """Photos go, which are still there. The index is told what it knew of each."""
    if _kept():
        gone = select(literal("delete"), Photo.id, Photo.filename).where(Photo.id.in_(photo_ids))
        db.session.execute(insert(photo_names).from_select([NAME_INDEX, "rowid", "filename"], gone))


def has(part: str) -> Any:
    """The condition that a photo's name has these characters, upper and lower case alike.

    A name that few photos have is looked up in the index; one that many have is soon met in any order.
    """
    if len(part) < SHORTEST or not _kept():
        return Photo.filename.icontains(part, autoescape=True)
    few = select(photo_names.c.rowid).where(matches(part))
    met = db.session.execute(
        select(func.count()).select_from(few.limit(FEW + 1).subquery())
    ).scalar_one()
    return Photo.id.in_(few) if met <= FEW else Photo.filename.icontains(part, autoescape=True)


def can_lead(wanted: GalleryFilter) -> bool:
    """True when a page in this order may be read from the index of names itself."""
    return (
        len(wanted.filename) >= SHORTEST
        and wanted.sort in ("newest", "oldest")
        and not wanted.model
        and _kept()
    )


def leading(question: Select[Any], part: str) -> Select[Any]:
    """The question about photos, joined to the rows of the index that have the name."""
    return question.join(photo_names, photo_names.c.rowid == Photo.id).where(matches(part))


def matches(part: str) -> Any:
    """The condition on the index itself. `part` has at least `SHORTEST` characters."""
    quoted = part.replace('"', '""')
    return text(f"{NAME_INDEX} MATCH :part_of_name").bindparams(part_of_name=f'"{quoted}"')


def _kept() -> bool:
    return db.engine.dialect.name == "sqlite"
