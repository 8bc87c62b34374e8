"""Commands that need the database create it when there is none yet, so that none has to run
first."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click
from flask_migrate import upgrade

from webapp.errors import MarqueError
from webapp.services.operations.health import has_tables, tell_planner

Command = TypeVar("Command", bound=Callable[..., Any])


def migrate() -> None:
    """Bring the database up to date, quietly."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade()
    tell_planner()


def make_history() -> None:
    """Create the tables in an empty database. One that has tables is left to `flask prepare`."""
    if not has_tables():
        migrate()


def needs_history(command: Command) -> Command:
    """Call `make_history` before the command runs, and print its `MarqueError` as a sentence."""

    @wraps(command)
    def ready(*args: Any, **options: Any) -> Any:
        make_history()
        try:
            return command(*args, **options)
        except MarqueError as error:
            raise click.ClickException(str(error)) from error

    return cast(Command, ready)
