"""What commands share: their groups, a database that is made when there is none yet, who did it."""

import logging
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, TypeVar, cast

import click
from flask import Blueprint
from flask_migrate import upgrade

from webapp.domain import Who
from webapp.errors import MarqueError
from webapp.services.operations.health import has_tables, tell_planner

_Command = TypeVar("_Command", bound=Callable[..., Any])
TERMINAL = Who("terminal")  # who did what a command changes


class _OneLineErrors(click.Command):
    """A command whose refusals are the one line that the terminal shows."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; an error raised on purpose becomes a `ClickException`."""
        try:
            return super().invoke(ctx)
        except MarqueError as error:
            raise click.ClickException(str(error)) from error


def command_group(name: str, about: str = "", *, top: bool = False) -> Blueprint:
    """The commands `flask NAME …`, or when they are `top` those of `flask` itself."""
    bp = Blueprint(f"cli_{name}", __name__, cli_group=None if top else name)
    bp.cli.command_class, bp.cli.help = _OneLineErrors, about
    return bp


def migrate() -> None:
    """Bring the database up to date, quietly."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade()
    tell_planner()


def make_history() -> None:
    """Create the tables in an empty database. One that has tables is left to `flask prepare`."""
    if not has_tables():
        migrate()


def needs_history(command: _Command) -> _Command:
    """Call `make_history` before the command."""

    @wraps(command)
    def ready(*args: Any, **options: Any) -> Any:
        make_history()
        return command(*args, **options)

    return cast(_Command, ready)


def options_as(kind: type) -> Callable[[_Command], _Command]:
    """Pass the options that are fields of a dataclass to a command as one object."""
    names = [field.name for field in fields(kind)]

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def call(*arguments: Any, **options: Any) -> Any:
            group = kind(**{name: options.pop(name) for name in names if name in options})
            return command(*arguments, group, **options)

        return call  # type: ignore[return-value]

    return decorate
