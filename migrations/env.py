"""How Alembic reaches the database: through the app's own engine, with its manners.

Run by `flask db …` and `flask prepare`.
"""

from alembic import context
from flask import current_app

from webapp.storage.sqlite import is_not_of_index
from webapp.storage.tables import UTCDateTime

db = current_app.extensions["migrate"].db


def render_item(kind, item, _context):
    """Migrations name only SQLAlchemy's types, so that they stay readable when our tables move
    on."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UTCDateTime) else False


def run():
    """Run the wanted migrations, each in its own transaction; on SQLite a table is rebuilt to be
    altered (`render_as_batch`)."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Rebuilding a table drops the old one: with foreign keys on, that would empty the
            # tables which point to it.
            connection.connection.execute("PRAGMA foreign_keys = OFF").close()
        options = current_app.extensions["migrate"].configure_args
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            transaction_per_migration=True,
            render_item=render_item,
            include_name=is_not_of_index,
            **options,
        )
        with context.begin_transaction():
            context.run_migrations()
        # closed at the end, so that no request gets a connection without foreign keys
        connection.detach()


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database, not offline.")
run()
