"""What only SQLite has; every other query runs on PostgreSQL too.

How it is opened, written, checkpointed and stopped (docs/decisions/0003-sqlite.md), its index of
file names, and what its planner is told.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DDL,
    Connection,
    Index,
    Select,
    column,
    delete,
    event,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.exc import OperationalError

from webapp.storage import database
from webapp.storage.database import db
from webapp.storage.tables import Car, LabelEvent, Photo, Prediction

_CHECKPOINT_AT = 16 * 1024 * 1024  # bytes of the write-ahead log
# Seconds between two tries for the writer lock. SQLite's own waiting backs off to 100 ms, which
# leaves cores idle under load.
_POLL = 0.001
_STEPS = 2000  # of SQLite's machine between two looks at the clock: some tens of microseconds
_PRAGMAS = (
    f"busy_timeout = {database.BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "wal_autocheckpoint = 0",  # no connection checkpoints on its own: see `checkpoint_if_large`
    "secure_delete = ON",
    "cache_size = -4000",
)


def is_sqlite() -> bool:
    """True when the history is in SQLite."""
    return db.engine.dialect.name == "sqlite"


def sqlite_path() -> Path | None:
    """The file of the history; None in another database, or in memory."""
    name = db.engine.url.database
    return Path(name) if is_sqlite() and name and name != ":memory:" else None


def set_up() -> None:
    """Set up every connection to SQLite; those to another database are left alone."""
    if not is_sqlite():
        return
    path = sqlite_path()
    if path is not None and path.parent.is_dir() and os.access(path.parent, os.W_OK):
        path.touch(mode=0o600)  # SQLite gives its log the same permissions
    event.listen(db.engine, "connect", _set_pragmas)
    event.listen(db.engine, "begin", _begin)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    """A plain BEGIN for readers. Writers wait `patience` seconds for the writer lock now, so that
    what they read cannot change before they write."""
    options = connection.get_execution_options()
    if not options.get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    raw: Any = connection.connection.driver_connection
    deadline = time.monotonic() + options.get("patience", database.BUSY_MS / 1000)
    raw.execute("PRAGMA busy_timeout = 0").close()
    try:
        while not _began(raw):
            if time.monotonic() > deadline:
                error = sqlite3.OperationalError("database is locked")
                raise OperationalError("BEGIN IMMEDIATE", {}, error)
            time.sleep(_POLL)
    finally:
        raw.execute(f"PRAGMA busy_timeout = {database.BUSY_MS}").close()


def _began(raw: Any) -> bool:
    """True when this connection has the writer lock now; False when another one has it."""
    try:
        raw.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise OperationalError("BEGIN IMMEDIATE", {}, error) from error
    return True


def rows_in_time(statement: Select[Any], seconds: float) -> Sequence[Any] | None:
    """The rows of a query; None when it took longer than this and was stopped, on SQLite only."""
    try:
        with _interrupted_after(seconds):
            return db.session.execute(statement).all()
    except OperationalError as error:
        if "interrupted" in str(error):
            return None
        raise


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    raw = db.session.connection().connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    deadline = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def checkpoint_if_large(at_least: int = _CHECKPOINT_AT) -> bool:
    """Write the write-ahead log back into the database when it has grown to `at_least` bytes; True
    when that was done.

    `TRUNCATE` holds the writer lock, which is what keeps clear of the WAL-reset bug. A busy
    database is left for next time.
    """
    path = sqlite_path()
    if path is None:
        return False
    with suppress(OSError, sqlite3.OperationalError):
        if path.with_name(path.name + "-wal").stat().st_size < at_least:
            return False
        with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy
    return False


def end_request(_error: BaseException | None) -> None:
    """After a request: give its connection back, then checkpoint."""
    db.session.remove()
    checkpoint_if_large()


# ---- the index of file names ----
#
# It finds parts of a name without reading all of them: SQLite's full text index of every three
# characters. Its rows have the ids of the photos. Another database looks through the names.

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


def add_name(photo: Photo) -> None:
    """A photo has come."""
    if is_sqlite():
        row = {"rowid": photo.id, "filename": photo.filename}
        db.session.connection().execute(insert(photo_names), row)


def remove_name(photo_id: int) -> None:
    """A photo goes, which is still there. The index is told what it knew of it."""
    if is_sqlite():
        known = select(literal("delete"), Photo.id, Photo.filename).where(Photo.id == photo_id)
        db.session.execute(insert(photo_names).from_select([_TABLE, "rowid", "filename"], known))


def has_in_name(part: str) -> Any:
    """The condition that a photo's name has these characters, upper and lower case alike.

    A name that few photos have is looked up in the index; one that many have is soon met in any
    order.
    """
    if can_find_name(part):
        few = select(photo_names.c.rowid).where(_matches(part))
        counted = select(func.count()).select_from(few.limit(FEW + 1).subquery())
        if db.session.execute(counted).scalar_one() <= FEW:
            return Photo.id.in_(few)
    return Photo.filename.icontains(part, autoescape=True)


def can_find_name(part: str) -> bool:
    """True when there is an index, and the part of a name is long enough for it."""
    return len(part) >= _SHORTEST and is_sqlite()


def join_names(statement: Select[Any], part: str) -> Select[Any]:
    """A query of photos, joined to the rows of the index that have the name."""
    return statement.join(photo_names, photo_names.c.rowid == Photo.id).where(_matches(part))


def _matches(part: str) -> Any:
    quoted = part.replace('"', '""')
    return text(f"{_TABLE} MATCH :part_of_name").bindparams(part_of_name=f'"{quoted}"')


# ---- the planner ----
#
# It is told the shape of a large history, so that plans are the same on every machine. Without
# figures SQLite guesses that every index leads to ten rows, and takes any; measured ones (ANALYZE)
# would be those of the small history that a large one once was. These are rough: which filters are
# narrow and which are wide. See docs/decisions/0010-gallery.md.

_ROWS = {
    "photos": 1_000_000,
    "cars": 1_000_000,
    "predictions": 3_000_000,
    "label_events": 1_000_000,
}
# How many different values a column has among a million photos; others differ in each row.
_SAME = {
    "outcome": 5,
    "shown_label": 200,
    "shown_decision": 200,
    "label": 200,
    "ground_truth": 200,
    "uploader_id": 20,
    "source": 3,
    "batch": 50_000,
    "starred": 2,
    "has_duplicate": 2,
    "created_at": 1_000_000,
    "shown_confidence": 300_000,
    "shown_margin": 300_000,
    "confidence": 300_000,
    "margin": 300_000,
    "phash": 900_000,
    "photo_id": 1_000_000,
    "car_id": 1_000_000,
    "car_count": 4,
    "model": 1,
    "version": 3,
    "shown": 2,
}
# Indexes that SQLite makes for a unique constraint.
_OTHERS = {
    "sqlite_autoindex_predictions_1": ("predictions", "3000000 3 3 1"),
    "sqlite_autoindex_cars_2": ("cars", "1000000 1 1"),
}
_statistics = table("sqlite_stat1", column("tbl"), column("idx"), column("stat"))


def tell_planner() -> None:
    """Put the figures where SQLite looks for them, inside the caller's transaction. Other databases
    measure for themselves."""
    if not is_sqlite():
        return
    connection = db.session.connection()
    connection.execute(text("ANALYZE sqlite_schema"))  # makes the table of figures
    connection.execute(delete(_statistics))
    connection.execute(insert(_statistics), _figures())
    connection.execute(text("ANALYZE sqlite_schema"))  # reads it


def _figures() -> list[dict[str, str]]:
    """A row for each index: its rows, then how many share the first column, the first two, etc."""
    tables: list[Any] = [row.__table__ for row in (Photo, Car, Prediction, LabelEvent)]
    indexes = [index for of_photos in tables for index in of_photos.indexes]
    return [
        {"tbl": index.table.name, "idx": str(index.name), "stat": _shape(index)}
        for index in indexes
    ] + [{"tbl": owner, "idx": name, "stat": stat} for name, (owner, stat) in _OTHERS.items()]


def _shape(index: Index) -> str:
    rows = left = _ROWS[index.table.name]  # type: ignore[union-attr]
    shape = [rows]
    for of_index in index.columns:
        left = max(1, left // _SAME.get(of_index.name, rows))
        shape.append(left)
    return " ".join(map(str, shape))
