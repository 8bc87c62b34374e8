"""`db`, how SQLite is opened, and the one way to write. The only module below the doors that imports Flask-SQLAlchemy."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, Executable, Insert, MetaData, event, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase

from webapp.errors import ServerBusyError, StorageFullError

NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
WAL_RESET_FIXED = (3, 51, 3)
CHECKPOINT_AT = 16 * 1024 * 1024
BUSY_MS = 10_000
POLL = 0.001
"""Seconds between two tries for the writer lock. SQLite's own waiting backs off to 100 ms, which leaves cores idle under load."""

STEPS = 2000
"""Steps of SQLite's machine between two looks at the clock, some tens of microseconds."""


class Base(DeclarativeBase):
    """Root of the tables. Constraints have names by rule, so that Alembic can alter them on SQLite."""

    metadata = MetaData(naming_convention=NAMES)


_writer = threading.Lock()
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


def wal_reset_bug() -> bool:
    """True when the SQLite library in this Python carries the WAL-reset corruption bug (3.7.0 to 3.51.2)."""
    return sqlite3.sqlite_version_info < WAL_RESET_FIXED


def open_with_manners(engine: Engine) -> None:
    """Set up every connection of a SQLite engine: WAL, FULL, busy timeout, foreign keys, explicit BEGIN. Others are left alone.

    No connection checkpoints on its own (`wal_autocheckpoint=0`): see docs/decisions/0003-sqlite.md and `checkpoint_if_large`.
    """
    if engine.dialect.name != "sqlite":
        return
    path = sqlite_path(engine)
    if path is not None and path.parent.is_dir() and os.access(path.parent, os.W_OK):
        path.touch(mode=0o600)  # SQLite gives its log the same permissions
    event.listen(engine, "connect", _set_manners)
    event.listen(engine, "begin", _begin)


def _set_manners(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "wal_autocheckpoint = 0",
        "secure_delete = ON",
        "cache_size = -4000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    raw = connection.connection.driver_connection
    deadline = time.monotonic() + connection.get_execution_options().get("patience", BUSY_MS / 1000)
    raw.execute("PRAGMA busy_timeout = 0").close()  # type: ignore[union-attr]
    try:
        while not _began(raw):
            if time.monotonic() > deadline:
                raise OperationalError(
                    "BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked")
                )
            time.sleep(POLL)
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_MS}").close()  # type: ignore[union-attr]


def _began(raw: Any) -> bool:
    """True when this connection has the writer lock now; False when another one has it."""
    try:
        raw.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise OperationalError("BEGIN IMMEDIATE", {}, error) from error
    return True


@contextmanager
def writing() -> Iterator[None]:
    """One write transaction: committed at the end of the block, rolled back when it raises.

    It takes SQLite's writer lock first (BEGIN IMMEDIATE), so that what it reads cannot change before it writes. Raises
    `ServerBusyError` when another writer holds the lock too long and `StorageFullError` when the disk is full or read-only.
    """
    if db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("a change was made outside of writing()")
    db.session.commit()  # ends the reading so far; what was read stays usable
    with _turn_to_write():
        yield from _one_transaction()


def _one_transaction() -> Iterator[None]:
    try:
        db.session.connection(execution_options={"writes": True})
        yield
        db.session.commit()
    except OperationalError as error:
        db.session.rollback()
        raise _in_words(error) from error
    except BaseException:
        db.session.rollback()
        raise


@contextmanager
def _turn_to_write() -> Iterator[None]:
    """Threads of one process queue here: SQLite's own waiting is polling with sleeps, which is for other processes."""
    if not _writer.acquire(timeout=BUSY_MS / 1000):
        raise ServerBusyError(
            "The history is busy with another change. Nothing was stored: try again in a moment.",
            retry_after=5,
        )
    try:
        yield
    finally:
        _writer.release()


def _in_words(error: OperationalError) -> Exception:
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text:
        return ServerBusyError(
            "The history is busy with another change. Nothing was stored: try again in a moment.",
            retry_after=5,
        )
    if "full" in text or "readonly" in text or "disk i/o" in text or "unable to open" in text:
        return StorageFullError(
            "The server's disk is full or cannot be written. Nothing was stored: tell the admin, then send it again."
        )
    return error


def write_if_free(statement: Executable) -> bool:
    """Execute one statement in a transaction of its own, if nobody else is writing just now. False when somebody is, or it failed.

    For what is nice to know: it neither waits for the writer lock nor fails, so no request is slower or refused because of it.
    """
    if not _writer.acquire(blocking=False):
        return False
    try:
        with (
            db.engine.connect().execution_options(writes=True, patience=0.0) as connection,
            connection.begin(),
        ):
            connection.execute(statement)
        return True
    except (SQLAlchemyError, sqlite3.Error):
        return False
    finally:
        _writer.release()


def end_reading() -> None:
    """End the reading so far; what was read stays usable.

    Between the batches of a long answer, so that a slow reader does not keep the write-ahead log from being folded into the database.
    """
    db.session.commit()


@contextmanager
def stopping_after(seconds: float) -> Iterator[None]:
    """Questions in this block raise `OperationalError` ("interrupted") once the time is over; what was read stays usable. SQLite only."""
    raw = db.session.connection().connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    end = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > end, STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def insert_row(row: Base, *, once: bool = False) -> int:
    """Insert the columns of a new row object, which does not join the session; its primary key.

    With `once` a row that is there already stays as it is. Every upload passes here: the unit of
    work takes four times as long for a handful of plain inserts.
    """
    statement: Insert = insert(type(row))
    if once:
        dialect = {"sqlite": sqlite, "postgresql": postgresql}[db.engine.dialect.name]
        statement = dialect.insert(type(row)).on_conflict_do_nothing()
    key = db.session.connection().execute(statement, column_values(row)).inserted_primary_key
    return key[0] if key else 0


def column_values(row: Base) -> dict[str, Any]:
    """The columns of a row object that were given values; attributes may have other names."""
    given, attribute = row.__dict__, row.__mapper__.get_property_by_column
    return {
        column.key: given[name]
        for column in row.__table__.columns
        if (name := attribute(column).key) in given
    }


def database_name() -> str:
    """What names the database among those of this process."""
    return str(db.engine.url)


def checkpoint_if_large(at_least: int = CHECKPOINT_AT) -> bool:
    """Fold the write-ahead log back into the database when it has grown to `at_least` bytes; True when that was done.

    `TRUNCATE` holds the writer lock, which is what keeps clear of the WAL-reset bug. A busy database is left for next time.
    """
    path = sqlite_path(db.engine)
    if path is None:
        return False
    try:
        if path.with_name(path.name + "-wal").stat().st_size < at_least:
            return False
    except OSError:
        return False
    connection = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return not busy


def sqlite_path(engine: Engine) -> Path | None:
    """The file of a SQLite engine, None for any other database or one in memory."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return None
    return Path(str(engine.url.database))
