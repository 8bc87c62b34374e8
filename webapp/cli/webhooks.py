"""`flask webhooks`: who is told of what happens here."""

import time

import click
from flask import Blueprint

from webapp.cli.history import needs_history
from webapp.domain import DELIVERED, GIVEN_UP, Who
from webapp.errors import WebhookError
from webapp.extensions import get_config
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.webhooks import webhooks

bp = Blueprint("cli_webhooks", __name__, cli_group="webhooks")
bp.cli.help = "Addresses that get a signed message when something happens."
TERMINAL = Who("terminal")


@bp.cli.command("list")
@needs_history
def list_command() -> None:
    """Every webhook: number, state, what waits, arrived and was given up, events, address."""
    for one in webhooks.every_webhook():
        state = "on" if one.hook.active else "off"
        figures = f"{one.waiting} waiting\t{one.delivered} arrived\t{one.given_up} given up"
        click.echo(f"{one.hook.id}\t{state}\t{figures}\t{one.hook.events}\t{one.hook.url}")


@bp.cli.command("add")
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(list(webhooks.EVENTS)),
    help="What it hears of; repeatable. All, without.",
)
@click.option(
    "--below", default="", metavar="PERCENT", help="Also tell of answers less sure than this."
)
@needs_history
def add(url: str, events: tuple[str, ...], below: str) -> None:
    """Tell URL what happens here, and print the secret once."""
    private = get_config().webhooks == "any"
    try:
        hook = webhooks.add(
            url, events or list(webhooks.EVENTS), below=below, private=private, who=TERMINAL
        )
    except WebhookError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"Webhook {hook.id} to {webhooks.host_of(hook)} hears of {hook.events}. Its secret is shown this once:"
    )
    click.echo(hook.secret)


@bp.cli.command("remove")
@click.argument("number", type=int)
@needs_history
def remove(number: int) -> None:
    """Forget webhook NUMBER, with what waits for it."""
    try:
        hook = webhooks.remove(number)
    except WebhookError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Removed the webhook to {webhooks.host_of(hook)}.")


@bp.cli.command("test")
@click.argument("number", type=int)
@click.option(
    "--wait",
    default=30,
    show_default=True,
    type=click.IntRange(0, 600),
    metavar="SECONDS",
    help="How long for its answer.",
)
@needs_history
def test(number: int, wait: int) -> None:
    """Let webhook NUMBER be told of a test, and say what came back. A worker has to run."""
    try:
        delivery = webhooks.test(number)
    except WebhookError as error:
        raise click.ClickException(str(error)) from error
    end = time.monotonic() + wait
    found = webhooks.see(delivery)
    while (
        found.state not in (DELIVERED, GIVEN_UP) and not found.attempts and time.monotonic() < end
    ):
        time.sleep(0.5)
        found = webhooks.see(delivery)
    if found.state != DELIVERED:
        failed = (
            f"{found.answer} {'It was given up.' if found.state == GIVEN_UP else 'It is tried again later.'}"
            if found.answer
            else ""
        )
        raise click.ClickException(
            failed
            or jobs.missing_worker(JOB_TYPES)
            or "It waits: no answer yet. Look at /admin/webhooks."
        )
    click.echo(f"It arrived. {found.answer}")
