"""Can the database be read and written, is it whole: for readiness checks and `flask doctor`."""

import sqlite3

from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from webapp.errors import DamagedHistoryError, ServerBusyError
from webapp.storage import sqlite
from webapp.storage.database import db, writing


def check_database() -> None:
    """Raises `ServerBusyError` or `StorageFullError` unless photos can be read and rows written."""
    try:
        db.session.execute(text("SELECT id FROM photos LIMIT 1"))
    except OperationalError as error:
        raise ServerBusyError(f"The history cannot be read: {error.orig}") from error
    with writing():
        pass


def has_tables() -> bool:
    """False in a database that was not migrated yet."""
    return inspect(db.engine).has_table("photos")


def tell_planner() -> None:
    """Tell the database what a large history looks like, so that it takes the right indexes."""
    with writing():
        sqlite.tell_planner()


def check_integrity() -> str:
    """A line about the database after a full check. Raises `DamagedHistoryError`."""
    path = sqlite.sqlite_path()
    if path is None:
        return f"{db.engine.dialect.name}, reachable"
    try:
        faults = db.session.execute(text("PRAGMA integrity_check(3)")).scalars().all()
        photos = db.session.execute(text("SELECT count(*) FROM photos")).scalar_one()
    except DatabaseError as error:
        raise DamagedHistoryError(f"{path}: {error.orig}") from error
    if faults != ["ok"]:
        sentences = "; ".join(map(str, faults))
        raise DamagedHistoryError(f"{path} is damaged: {sentences}. Restore a backup.")
    return f"{path}, {photos:,} photos, {path.stat().st_size / 2**20:.1f} MiB, whole"


def has_wal_reset_bug() -> bool:
    """True when this Python's SQLite has the WAL-reset bug (3.7.0 to 3.51.2), which is worked
    around: docs/decisions/0003-sqlite.md."""
    return sqlite3.sqlite_version_info < (3, 51, 3)
