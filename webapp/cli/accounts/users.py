"""`flask users`: people who can log in."""

import click
from flask import Blueprint

from webapp.cli.history import needs_history
from webapp.errors import UserError
from webapp.services.accounts import users

bp = Blueprint("cli_users", __name__, cli_group="users")
bp.cli.help = "People who can log in."


@bp.cli.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(users.ROLES),
    default="reviewer",
    show_default=True,
    help="A reviewer relabels; an admin does everything.",
)
@click.option(
    "--password-prompt", is_flag=True, help="Ask for the password instead of making one up."
)
@needs_history
def create(name: str, role: str, password_prompt: bool) -> None:
    """Add a person called NAME and print their first password once."""
    password = (
        click.prompt("Password", hide_input=True, confirmation_prompt=True)
        if password_prompt
        else ""
    )
    try:
        made = users.create_user(name, role=role, password=password)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Created {made.user.name} ({made.user.role}).")
    if not password:
        click.echo(f"First password, shown this once: {made.password}")


@bp.cli.command("password")
@click.argument("name")
@click.option("--prompt", is_flag=True, help="Ask for the password instead of making one up.")
@needs_history
def password_command(name: str, prompt: bool) -> None:
    """Give NAME a new password and end all their sessions."""
    fresh = (
        click.prompt("Password", hide_input=True, confirmation_prompt=True)
        if prompt
        else users.make_password()
    )
    try:
        users.set_password(name, fresh, first_password=not prompt)
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name} has a new password and is logged out everywhere.")
    if not prompt:
        click.echo(f"New password, shown this once: {fresh}")


@bp.cli.command("list")
@needs_history
def list_command() -> None:
    """Everybody with their role."""
    for user in users.all_users():
        click.echo(f"{user.name}\t{user.role}\tsince {user.created_at:%Y-%m-%d}")
