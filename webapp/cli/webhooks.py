"""`flask webhooks`: addresses of other services that are told what happens here."""

import time

import click

from webapp.cli.history import TERMINAL, command_group, needs_history
from webapp.domain import DELIVERED, GIVEN_UP, WAITING
from webapp.extensions import get_config
from webapp.services.jobs import queue
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.webhooks import webhooks

bp = command_group("webhooks", "Addresses that get a signed message when something happens.")


@bp.cli.command("list")
@needs_history
def _list_command() -> None:
    """Every webhook: number, state, what waits, arrived and was given up, events, address."""
    for view in webhooks.every_webhook():
        hook, state = view.hook, "on" if view.hook.active else "off"
        figures = f"{view.waiting} waiting\t{view.delivered} arrived\t{view.given_up} given up"
        click.echo(f"{hook.id}\t{state}\t{figures}\t{hook.events}\t{hook.url}")


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
def _add(url: str, events: tuple[str, ...], below: str) -> None:
    """Tell URL what happens here, and print the secret once."""
    private = get_config().webhooks == "any"
    wanted = events or list(webhooks.EVENTS)
    hook = webhooks.add(url, wanted, below=below, private=private, who=TERMINAL)
    click.echo(
        f"Webhook {hook.id} to {hook.host} hears of {hook.events}. Its secret is shown this once:"
    )
    click.echo(hook.secret)


@bp.cli.command("remove")
@click.argument("number", type=int)
@needs_history
def _remove(number: int) -> None:
    """Remove webhook NUMBER, with what waits for it."""
    hook = webhooks.remove(number)
    click.echo(f"Removed the webhook to {hook.host}.")


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
def _test(number: int, wait: int) -> None:
    """Let webhook NUMBER be told of a test, and say what came back. A worker has to run."""
    delivery_id = webhooks.send_test(number)
    end = time.monotonic() + wait
    delivery = webhooks.get_delivery(delivery_id)
    while delivery.state == WAITING and not delivery.attempts and time.monotonic() < end:
        time.sleep(0.5)
        delivery = webhooks.get_delivery(delivery_id)
    if delivery.state == DELIVERED:
        click.echo(f"It arrived. {delivery.answer}")
    elif delivery.answer:
        given_up = delivery.state == GIVEN_UP
        what = "It was given up." if given_up else "It is tried again later."
        raise click.ClickException(f"{delivery.answer} {what}")
    else:
        waits = "It waits: no answer yet. Look at /admin/webhooks."
        raise click.ClickException(queue.missing_worker(JOB_TYPES) or waits)
