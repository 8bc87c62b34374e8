"""`flask users`: people who can log in."""

import click

from webapp.cli.history import command_group, needs_history
from webapp.services.accounts import users

bp = command_group("users", "People who can log in.")


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
def _create(name: str, role: str, password_prompt: bool) -> None:
    """Add a person called NAME and print their first password once."""
    given = _ask_for_password() if password_prompt else ""
    user, password = users.create_user(name, role=role, password=given)
    click.echo(f"Created {user.name} ({user.role}).")
    if not given:
        click.echo(f"First password, shown this once: {password}")


@bp.cli.command("password")
@click.argument("name")
@click.option("--prompt", is_flag=True, help="Ask for the password instead of making one up.")
@needs_history
def _password_command(name: str, prompt: bool) -> None:
    """Give NAME a new password and end all their sessions."""
    fresh = _ask_for_password() if prompt else users.make_password()
    users.set_password(name, fresh, first_password=not prompt)
    click.echo(f"{name} has a new password and is logged out everywhere.")
    if not prompt:
        click.echo(f"New password, shown this once: {fresh}")


@bp.cli.command("list")
@needs_history
def _list_command() -> None:
    """Everybody with their role."""
    for user in users.all_users():
        click.echo(f"{user.name}\t{user.role}\tsince {user.created_at:%Y-%m-%d}")


def _ask_for_password() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
