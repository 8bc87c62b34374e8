"""How SQLite connections are opened, how writing works, and how the log is checkpointed."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from webapp.config import Config
from webapp.errors import ServerBusyError
from webapp.services.operations.health import has_wal_reset_bug
from webapp.storage import database
from webapp.storage.database import db, writing
from webapp.storage.sqlite import checkpoint_if_large
from webapp.storage.tables import File


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("wal_autocheckpoint", 0),
        ("busy_timeout", 10000),
    ],
)
def test_every_connection_has_manners(fresh_app: Flask, pragma: str, value: object) -> None:
    with fresh_app.app_context():
        assert db.session.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_nobody_else_can_read_the_database(fresh_app: Flask, config: Config) -> None:
    for path in config.data.glob("marque.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_block_that_ends_is_committed(app: Flask, config: Config) -> None:
    with app.app_context(), writing():
        db.session.add(File(sha256="a", content=b"1"))
    assert count(config.data / "marque.sqlite") == 1


def test_a_block_that_raises_leaves_nothing(app: Flask, config: Config) -> None:
    with app.app_context(), pytest.raises(RuntimeError), writing():
        db.session.add(File(sha256="a", content=b"1"))
        db.session.flush()
        raise RuntimeError("in the middle")
    assert count(config.data / "marque.sqlite") == 0


def test_a_locked_database_is_said_in_words(
    app: Flask, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 50)
    other = sqlite3.connect(config.data / "marque.sqlite", isolation_level=None)
    with app.app_context():
        db.engine.dispose()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServerBusyError, match="busy with another change"), writing():
            pass
    other.execute("ROLLBACK")
    other.close()


def test_readers_do_not_wait_for_a_writer(app: Flask, config: Config) -> None:
    other = sqlite3.connect(config.data / "marque.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO files VALUES ('b', x'00')")
    with app.app_context():
        assert db.session.execute(text("SELECT count(*) FROM files")).scalar() == 0
    other.execute("ROLLBACK")
    other.close()


def test_writers_take_turns_and_none_is_lost(app: Flask, config: Config) -> None:
    def write(name: str) -> None:
        with app.app_context():
            for number in range(10):
                with writing():
                    db.session.add(File(sha256=f"{name}{number}", content=b"1"))
            db.session.remove()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(config.data / "marque.sqlite") == 40


def test_a_large_log_is_folded_back(app: Flask, config: Config) -> None:
    log = config.data / "marque.sqlite-wal"
    with app.app_context():
        with writing():
            db.session.add(File(sha256="a", content=b"1" * 100_000))
        db.session.remove()
        assert log.stat().st_size > 100_000
        assert checkpoint_if_large(at_least=100_000)
        assert log.stat().st_size == 0


def test_a_small_log_is_left_alone(app: Flask) -> None:
    with app.app_context():
        assert not checkpoint_if_large()


def test_a_log_in_use_is_left_for_next_time(app: Flask, config: Config) -> None:
    reader = sqlite3.connect(config.data / "marque.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM files").fetchone()
    with app.app_context():
        with writing():
            db.session.add(File(sha256="a", content=b"1"))
        db.session.remove()
        assert not checkpoint_if_large(at_least=1)
    reader.close()


def test_it_knows_which_sqlite_carries_the_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    assert has_wal_reset_bug()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert not has_wal_reset_bug()


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM files").fetchone()[0])
    finally:
        connection.close()
