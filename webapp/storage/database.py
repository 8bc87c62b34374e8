"""`db`, and the one way to write. The only module of storage that imports Flask-SQLAlchemy."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Executable, Insert, MetaData, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase

from webapp.errors import ServerBusyError, StorageFullError

BUSY_MS = 10_000  # the longest wait for the writer lock
_NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_BUSY = "The history is busy with another change. Nothing was stored: try again in a moment."


class Base(DeclarativeBase):
    """Root of the tables. Constraints have names by rule, so that Alembic can alter them on
    SQLite."""

    metadata = MetaData(naming_convention=_NAMES)


_writer = threading.Lock()
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


@contextmanager
def writing() -> Iterator[None]:
    """One write transaction: committed at the end of the block, rolled back when it raises.

    On SQLite it takes the writer lock first (BEGIN IMMEDIATE), so that what it reads cannot change
    before it writes.

    Raises:
        ServerBusyError: Another writer holds the lock too long.
        StorageFullError: The disk is full or read-only.
    """
    if db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("a change was made outside of writing()")
    db.session.commit()  # ends the reading so far; what was read stays usable
    # Threads of one process queue here: SQLite's own waiting is polling with sleeps.
    if not _writer.acquire(timeout=BUSY_MS / 1000):
        raise ServerBusyError(_BUSY, retry_after=5)
    try:
        db.session.connection(execution_options={"writes": True})
        yield
        db.session.commit()
    except OperationalError as error:
        db.session.rollback()
        raise _readable(error) from error
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _writer.release()


def _readable(error: OperationalError) -> Exception:
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text:
        return ServerBusyError(_BUSY, retry_after=5)
    if any(word in text for word in ("full", "readonly", "disk i/o", "unable to open")):
        return StorageFullError(
            "The server's disk is full or cannot be written. Nothing was stored: tell the admin, "
            "then send it again."
        )
    return error


def write_if_free(statement: Executable) -> bool:
    """Execute one statement in a transaction of its own, if nobody else is writing just now. False
    when somebody is, or it failed.

    For what is nice to know: it neither waits for the writer lock nor fails, so no request is
    slower or refused because of it.
    """
    if not _writer.acquire(blocking=False):
        return False
    try:
        engine = db.engine.execution_options(writes=True, patience=0.0)
        with engine.begin() as transaction:
            transaction.execute(statement)
        return True
    except (SQLAlchemyError, sqlite3.Error):
        return False
    finally:
        _writer.release()


def end_reading() -> None:
    """End the reading so far; what was read stays usable.

    Between the batches of a long answer, so that a slow reader does not keep the write-ahead log
    from being checkpointed.
    """
    db.session.commit()


def last_id(table: Any) -> int:
    """The highest id in a table, 0 when it is empty."""
    return db.session.scalar(select(func.max(table.id))) or 0


def count_rows(table: type[Base], *conditions: Any) -> int:
    """How many rows of a table satisfy all of these."""
    return db.session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


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


def update_rows(statement: Executable) -> int:
    """Execute a change of many rows; returns how many. Objects in the session do not see it."""
    result: Any = db.session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)
