"""`flask keys`: keys of the JSON API."""

from datetime import datetime

import click

from webapp.cli.history import command_group, needs_history
from webapp.services.accounts import api_keys

bp = command_group("keys", "Keys for the JSON API.")


@bp.cli.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(api_keys.SCOPES),
    default="predict",
    show_default=True,
    help="Each scope includes those before it.",
)
@click.option(
    "--expires",
    default="",
    metavar="WHEN",
    help="The last day, like 2027-01-31 (UTC), or a time like 90d, 12w, 2y.",
)
@needs_history
def _create(name: str, scope: str, expires: str) -> None:
    """Make a key for NAME (who or what uses it) and print it once.

    Without --expires it never expires.
    """
    key, text = api_keys.create_key(name, scope, api_keys.parse_expiry(expires))
    ends = f"expires {_minute(key.expires_at)}" if key.expires_at else "never expires"
    click.echo(f"Key for {key.name}, scope {key.scope}, {ends}. It is shown this once:")
    click.echo(text)


@bp.cli.command("list")
@needs_history
def _list_command() -> None:
    """Every key by its first characters, newest first: scope, name, since when, last used,
    state."""
    for key in api_keys.all_keys():
        used = f"used {_minute(key.last_used_at)}" if key.last_used_at else "never used"
        click.echo(
            f"{key.prefix}…\t{key.scope}\t{key.name}\t"
            f"since {key.created_at:%Y-%m-%d}\t{used}\t{_state(key)}"
        )


@bp.cli.command("revoke")
@click.argument("prefix")
@needs_history
def _revoke(prefix: str) -> None:
    """End the key that begins with PREFIX, at once."""
    key = api_keys.revoke_key_by_prefix(prefix)
    click.echo(f"Revoked the key of {key.name}.")


def _state(key: api_keys.ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at:
        return f"{'expired' if api_keys.has_expired(key) else 'until'} {_minute(key.expires_at)}"
    return "in use"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
