"""What commands share: a database that is made when there is none yet, who did it, errors."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import click
from flask_migrate import upgrade

from webapp.domain import Who
from webapp.errors import MarqueError
from webapp.services.operations.health import has_tables, tell_planner

_Command = TypeVar("_Command", bound=Callable[..., Any])
TERMINAL = Who("terminal")  # who did what a command changes


def migrate() -> None:
    """Bring the database up to date, quietly."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade()
    tell_planner()


def make_history() -> None:
    """Create the tables in an empty database. One that has tables is left to `flask prepare`."""
    if not has_tables():
        migrate()


@contextmanager
def terminal_errors() -> Iterator[None]:
    """Errors raised on purpose become the one line that the terminal shows."""
    try:
        yield
    except MarqueError as error:
        raise click.ClickException(str(error)) from error


def needs_history(command: _Command) -> _Command:
    """Call `make_history` before the command, in which `terminal_errors` hold."""

    @wraps(command)
    def ready(*args: Any, **options: Any) -> Any:
        make_history()
        with terminal_errors():
            return command(*args, **options)

    return cast(_Command, ready)
