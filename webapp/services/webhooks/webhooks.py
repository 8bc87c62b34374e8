"""Webhooks for admins: add one, see how it goes, try it, send again, switch it off, remove it."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.domain import (
    BOXED,
    DELIVERED,
    GIVEN_UP,
    PROMOTED,
    RELABELLED,
    TESTED,
    UNSURE,
    WAITING,
    Who,
)
from webapp.errors import WebhookError, WebhookNotFoundError
from webapp.services.webhooks import events, transport
from webapp.storage import webhooks as storage
from webapp.storage.database import db, end_reading, writing
from webapp.storage.tables import Webhook, WebhookDelivery, now

__all__ = ["Webhook", "WebhookDelivery"]

EVENTS = {  # that a webhook may hear of, with their names for people
    UNSURE: "A photo came in and the model is not sure",
    RELABELLED: "Somebody changed or confirmed ground truths",
    BOXED: "Somebody drew, moved or took back the box of a car",
    PROMOTED: "Another version of a model serves",
}
_MOST = 20
_SHOWN = 30  # deliveries on the page of a webhook
_SECRET_SIZE = 32  # bytes; the specification asks for 24 to 64


@dataclass(frozen=True)
class HookView:
    """A webhook as it stands: how many events wait, arrived or were given up in the last 30 days,
    and the last trouble ("" without any)."""

    hook: Webhook
    waiting: int
    delivered: int
    given_up: int
    trouble: str

    @property
    def failing(self) -> bool:
        """True when something did not arrive: it is tried again, or was given up."""
        return bool(self.hook.failures and self.hook.active) or self.given_up > 0

    @property
    def below(self) -> int:
        """Its limit in percent."""
        return round(self.hook.below * 100)


def add(url: str, wanted: Sequence[str], *, below: str = "", private: bool, who: Who) -> Webhook:
    """Add a webhook, switched on, with a new secret.

    Args:
        wanted: The events that it hears of.
        below: It also hears of answers with a confidence under this, in percent; "" for none.
        private: True when private addresses are allowed.

    Raises:
        WebhookError: The address, an event or the limit cannot be accepted.
    """
    url = transport.check_url(url, private=private)
    unknown = [event for event in wanted if event not in EVENTS]
    if unknown:
        raise WebhookError(f"There is no event {unknown[0][:40]!r}. Events: {', '.join(EVENTS)}.")
    if not wanted:
        raise WebhookError("Choose at least one event that it is to be told of.")
    percent = below.strip().removesuffix("%").strip() or "0"
    if not percent.isdecimal() or len(percent) > 3 or int(percent) > 100:
        raise WebhookError("The limit is a whole number of percent, from 0 to 100.")
    row = Webhook(
        url=url,
        events=" ".join(event for event in EVENTS if event in wanted),
        below=int(percent) / 100,
        secret=f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_SIZE)).decode()}",
        who=who.name,
    )
    with writing():
        if len(storage.all_webhooks()) >= _MOST:
            raise WebhookError(
                f"There are {_MOST} webhooks, the most there may be. Remove one first."
            )
        db.session.add(row)
    return row


def every_webhook() -> list[HookView]:
    """All webhooks, oldest first."""
    return _views(storage.all_webhooks())


def get_webhook(number: int) -> HookView:
    """A webhook as it stands. Raises `WebhookNotFoundError`."""
    return _views([_find(number)])[0]


def last_deliveries(number: int) -> Sequence[WebhookDelivery]:
    """The newest deliveries of a webhook, with their events."""
    return storage.latest(number, _SHOWN)


def switch(number: int, *, on: bool) -> Webhook:
    """Switch a webhook on or off. What waits stays and is delivered once it is on; what happens
    while it is off is not told. Raises `WebhookNotFoundError`."""
    with writing():
        hook = _find(number)
        hook.active, hook.failures, hook.rest_until = on, 0, None
        _go_on(hook)
    return hook


def send_test(number: int) -> int:
    """Let a webhook be told of a test; the number of the delivery, for `get_delivery`.

    Raises `WebhookNotFoundError`, and `WebhookError` when it is switched off.
    """
    with writing():
        hook = _find(number)
        if not hook.active:
            raise WebhookError("This webhook is switched off. Switch it on, then send the test.")
        hook.rest_until = None
        (delivery,) = events.tell([hook], TESTED)
    return delivery.id


def get_delivery(number: int) -> WebhookDelivery:
    """A delivery as it stands. Raises `WebhookNotFoundError` when its webhook was removed."""
    end_reading()
    delivery = storage.find_delivery(number)
    if delivery is None:
        raise WebhookNotFoundError("This webhook was removed.")
    return delivery


def send_again(number: int) -> int:
    """Try again now what waits and what was given up; how many of the latter.

    Raises `WebhookNotFoundError`.
    """
    with writing():
        hook = _find(number)
        count = storage.send_again(number)
        hook.rest_until = None
        _go_on(hook)
    return count


def remove(number: int) -> Webhook:
    """Delete a webhook, with what waits for it. Raises `WebhookNotFoundError`."""
    with writing():
        hook = _find(number)
        db.session.delete(hook)
    return hook


def trouble() -> str:
    """A sentence about webhooks that fail, "" when all is well."""
    lines = [
        f"{view.hook.host}: {view.waiting:,} wait, {view.given_up:,} given up "
        f"({view.trouble or 'no answer yet'})"
        for view in every_webhook()
        if view.failing
    ]
    return f"{'; '.join(lines)}. See /admin/webhooks." if lines else ""


def overview() -> str:
    """A line about webhooks for the operator."""
    views = every_webhook()
    on, waiting = sum(view.hook.active for view in views), sum(view.waiting for view in views)
    return f"{on} on, {len(views) - on} off, {waiting:,} events wait" if views else "none"


def _go_on(hook: Webhook) -> None:
    """Deliver now what waits for the webhook, if it is on."""
    if hook.active and storage.due_at(hook.id) is not None:
        storage.make_due(hook.id)
        events.enqueue_delivery(hook, now())


def _find(number: int) -> Webhook:
    hook = storage.find(number)
    if hook is None:
        raise WebhookNotFoundError("There is no such webhook: it was removed.")
    return hook


def _views(rows: Sequence[Webhook]) -> list[HookView]:
    states = storage.count_states() if rows else {}
    views = []
    for row in rows:
        counts = states.get(row.id, {})
        waits, came, lost = (counts.get(state, 0) for state in (WAITING, DELIVERED, GIVEN_UP))
        views.append(HookView(row, waits, came, lost, storage.last_trouble(row.id)))
    return views
