"""`flask stats`: compare what the stats page reads with a full count, and mend it."""

import click
from flask import Blueprint

from webapp.cli.history import needs_history
from webapp.services.stats import counters as recount

bp = Blueprint("stats_cli", __name__, cli_group="stats")


@bp.cli.command("recount")
@needs_history
def recount_command() -> None:
    """Compare the sums that the stats page reads with a full count; where they differ, count again. Nothing else changes."""
    found = recount.check_tally()
    click.echo(found.words)
    if found.right:
        return
    for number in recount.recount():
        click.echo(f"\rcounted up to photo {number:,}", nl=False, err=True)
    click.echo(err=True)
    found = recount.check_tally()
    click.echo(found.words)
    if not found.right:
        raise click.ClickException(
            "Labels or answers came in meanwhile, or the database is damaged: run flask doctor."
        )
