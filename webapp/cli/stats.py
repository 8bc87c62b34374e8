"""`flask stats`: compare the counters of the statistics with a full count, and mend them."""

import click

from webapp.cli.history import command_group, needs_history
from webapp.services.stats import counters

bp = command_group("stats")


@bp.cli.command("recount")
@needs_history
def _recount_command() -> None:
    """Compare the counters of the statistics with a full count; where they differ, count again."""
    right, text = counters.check_counters()
    click.echo(text)
    if right:
        return
    for number in counters.recount():
        click.echo(f"\rcounted up to photo {number:,}", nl=False, err=True)
    click.echo(err=True)
    right, text = counters.check_counters()
    click.echo(text)
    if not right:
        raise click.ClickException(
            "Labels or answers came in meanwhile, or the database is damaged: run flask doctor."
        )
