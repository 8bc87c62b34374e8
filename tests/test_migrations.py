"""Migrations are code: the newest equals the tables, and they go down and up again with rows in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.storage.database import db


@pytest.fixture
def empty_app(config: Config) -> Iterator[Flask]:
    """An app whose database nobody has made yet."""
    app = create_app(config, FakeClassifier())
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_the_newest_migration_equals_the_tables(empty_app: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_down_and_up_again_leaves_the_same_tables(empty_app: Flask) -> None:
    upgrade()
    before = sorted(inspect(db.engine).get_table_names())
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    upgrade()
    assert sorted(inspect(db.engine).get_table_names()) == before


def test_upgrading_twice_keeps_the_rows(empty_app: Flask) -> None:
    upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("INSERT INTO files (sha256, content) VALUES ('a', x'00')"))
    upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM files")).scalar() == 1


def test_after_a_migration_foreign_keys_are_on_again(empty_app: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
