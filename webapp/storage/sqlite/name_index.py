"""The index of file names, which finds parts of a name without reading all of them: SQLite's full
text index of every three characters. Its rows have the ids of the photos. Another database looks
through the names themselves."""

from typing import Any

from sqlalchemy import DDL, Select, column, event, func, insert, literal, select, table, text

from webapp.storage.database import db
from webapp.storage.sqlite.connection import is_sqlite
from webapp.storage.tables.photos import Photo

_TABLE = "photo_names"
_SHORTEST = 3  # characters that a part of a name must have to be looked up in the index
FEW = 5000  # photos that are made a list of: finding and sorting them takes some milliseconds

photo_names = table(_TABLE, column("rowid"), column("filename"), column(_TABLE))
"""The column with the table's own name takes commands."""

_CREATE = DDL(f"CREATE VIRTUAL TABLE {_TABLE} USING fts5(filename, content='', tokenize='trigram')")
_DROP = DDL(f"DROP TABLE IF EXISTS {_TABLE}")
event.listen(Photo.__table__, "after_create", _CREATE.execute_if(dialect="sqlite"))
event.listen(Photo.__table__, "before_drop", _DROP.execute_if(dialect="sqlite"))


def is_not_of_index(name: str | None, kind: str, _parents: object) -> bool:
    """False for the tables in which SQLite keeps the index: migrations do not compare them."""
    return kind != "table" or not str(name).startswith(_TABLE)


def add(photo: Photo) -> None:
    """A photo has come."""
    if is_sqlite(db.engine):
        row = {"rowid": photo.id, "filename": photo.filename}
        db.session.connection().execute(insert(photo_names), row)


def remove(photo_id: int) -> None:
    """A photo goes, which is still there. The index is told what it knew of it."""
    if is_sqlite(db.engine):
        known = select(literal("delete"), Photo.id, Photo.filename).where(Photo.id == photo_id)
        db.session.execute(insert(photo_names).from_select([_TABLE, "rowid", "filename"], known))


def has(part: str) -> Any:
    """The condition that a photo's name has these characters, upper and lower case alike.

    A name that few photos have is looked up in the index; one that many have is soon met in any
    order.
    """
    if can_find(part):
        few = select(photo_names.c.rowid).where(_matches(part))
        counted = select(func.count()).select_from(few.limit(FEW + 1).subquery())
        if db.session.execute(counted).scalar_one() <= FEW:
            return Photo.id.in_(few)
    return Photo.filename.icontains(part, autoescape=True)


def can_find(part: str) -> bool:
    """True when there is an index, and the part of a name is long enough for it."""
    return len(part) >= _SHORTEST and is_sqlite(db.engine)


def leading(statement: Select[Any], part: str) -> Select[Any]:
    """A query of photos, joined to the rows of the index that have the name."""
    return statement.join(photo_names, photo_names.c.rowid == Photo.id).where(_matches(part))


def _matches(part: str) -> Any:
    quoted = part.replace('"', '""')
    return text(f"{_TABLE} MATCH :part_of_name").bindparams(part_of_name=f'"{quoted}"')
