"""How SQLite is opened, written, checkpointed and stopped: docs/decisions/0003-sqlite.md."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

BUSY_MS = 10_000  # the longest wait for the writer lock
CHECKPOINT_AT = 16 * 1024 * 1024  # bytes of the write-ahead log
# Seconds between two tries for the writer lock. SQLite's own waiting backs off to 100 ms, which
# leaves cores idle under load.
_POLL = 0.001
_STEPS = 2000  # of SQLite's machine between two looks at the clock: some tens of microseconds
_PRAGMAS = (
    f"busy_timeout = {BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "wal_autocheckpoint = 0",  # no connection checkpoints on its own: see `checkpoint_if_large`
    "secure_delete = ON",
    "cache_size = -4000",
)


def has_wal_reset_bug() -> bool:
    """True when the SQLite library in this Python has the WAL-reset bug (3.7.0 to 3.51.2)."""
    return sqlite3.sqlite_version_info < (3, 51, 3)


def is_sqlite(engine: Engine) -> bool:
    """True for a SQLite engine."""
    return engine.dialect.name == "sqlite"


def sqlite_path(engine: Engine) -> Path | None:
    """The file of a SQLite engine, None for any other database or one in memory."""
    if not is_sqlite(engine) or engine.url.database in (None, "", ":memory:"):
        return None
    return Path(str(engine.url.database))


def set_up(engine: Engine) -> None:
    """Set up every connection of a SQLite engine; others are left alone."""
    if not is_sqlite(engine):
        return
    path = sqlite_path(engine)
    if path is not None and path.parent.is_dir() and os.access(path.parent, os.W_OK):
        path.touch(mode=0o600)  # SQLite gives its log the same permissions
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


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
    deadline = time.monotonic() + options.get("patience", BUSY_MS / 1000)
    raw.execute("PRAGMA busy_timeout = 0").close()
    try:
        while not _began(raw):
            if time.monotonic() > deadline:
                error = sqlite3.OperationalError("database is locked")
                raise OperationalError("BEGIN IMMEDIATE", {}, error)
            time.sleep(_POLL)
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_MS}").close()


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
def interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Statements of a SQLite connection in this block raise `OperationalError` ("interrupted") once
    the time is over; what was read stays usable."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    deadline = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def checkpoint_if_large(engine: Engine, at_least: int = CHECKPOINT_AT) -> bool:
    """Write the write-ahead log back into the database when it has grown to `at_least` bytes; True
    when that was done.

    `TRUNCATE` holds the writer lock, which is what keeps clear of the WAL-reset bug. A busy
    database is left for next time.
    """
    path = sqlite_path(engine)
    if path is None:
        return False
    with suppress(OSError, sqlite3.OperationalError):
        if path.with_name(path.name + "-wal").stat().st_size < at_least:
            return False
        with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy
    return False
