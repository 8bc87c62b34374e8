"""`flask keys`: keys of the JSON door."""

from __future__ import annotations

import click
from flask import Blueprint

from webapp.cli.ready import needs_history
from webapp.errors import UserError
from webapp.services import people

bp = Blueprint("cli_keys", __name__, cli_group="keys")
bp.cli.help = "Keys for the JSON API."


@bp.cli.command("create")
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(people.SCOPES), default="predict", show_default=True, help="Each scope includes those before it."
)
@needs_history
def create(name: str, scope: str) -> None:
    """Make a key for NAME (who or what uses it) and print it once."""
    try:
        key, text = people.create_key(name, scope)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Key for {key.name}, scope {key.scope}. It is shown this once:")
    click.echo(text)


@bp.cli.command("list")
@needs_history
def list_command() -> None:
    """Every key by its first characters."""
    for key in people.all_keys():
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
        click.echo(f"{key.prefix}…\t{key.scope}\t{key.name}\tsince {key.created_at:%Y-%m-%d}\t{state}")


@bp.cli.command("revoke")
@click.argument("prefix")
@needs_history
def revoke(prefix: str) -> None:
    """End the key that begins with PREFIX, at once."""
    try:
        key = people.revoke_key(prefix)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Revoked the key of {key.name}.")
