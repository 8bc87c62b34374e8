"""A history to write to: commands that need one make it when there is none yet, so that none has to be run first."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask_migrate import upgrade

from webapp.services.operations.health import has_tables, tell_planner

Command = TypeVar("Command", bound=Callable[..., Any])


def migrate() -> None:
    """Bring the database up to date, quietly."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade()
    tell_planner()


def make_history() -> None:
    """Make the tables when the database is empty. One that is there is left to `flask prepare`."""
    if not has_tables():
        migrate()


def needs_history(command: Command) -> Command:
    """Call `make_history` before the command runs."""

    @wraps(command)
    def ready(*arguments: Any, **options: Any) -> Any:
        make_history()
        return command(*arguments, **options)

    return cast(Command, ready)
