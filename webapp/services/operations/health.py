"""Can the database be read and written, is it whole: for readiness checks and `flask doctor`."""

from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from webapp.errors import DamagedHistoryError, ServerBusyError
from webapp.storage.database import db, writing
from webapp.storage.sqlite import connection, planner


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
        planner.tell_planner()


def check_integrity() -> str:
    """A line about the database after a full check. Raises `DamagedHistoryError`."""
    path = connection.sqlite_path(db.engine)
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
    """True when this Python's SQLite carries the WAL-reset bug, which is worked around."""
    return connection.has_wal_reset_bug()
