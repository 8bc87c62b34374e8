"""Webhooks for those who look after the site: add one, see how it goes, try it, send again, switch it off, remove it."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from webapp.domain import DELIVERED, GIVEN_UP, PROMOTED, RELABELLED, TESTED, UNSURE, WAITING, Who
from webapp.errors import WebhookError, WebhookNotFoundError
from webapp.services.webhooks import transport as courier
from webapp.storage import webhooks as storage
from webapp.storage.database import end_reading, writing
from webapp.storage.tables import Webhook, WebhookDelivery, now

__all__ = ["Webhook", "WebhookDelivery"]

EVENTS = {
    UNSURE: "A photo came in and the model is not sure",
    RELABELLED: "Somebody changed or confirmed ground truths",
    PROMOTED: "Another version of a model serves",
}
"""What a webhook may hear of, in words."""
MOST = 20
SHOWN = 30
"""Deliveries on the page of a webhook."""
SECRET = 32
"""Bytes of a secret; the specification asks for 24 to 64."""


@dataclass(frozen=True)
class HookView:
    """A webhook as it stands: how many events wait, arrived, were given up (of the last 30 days), and what came back the last time."""

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
    def host(self) -> str:
        """Where it leads, without the path, which may be a secret."""
        return host_of(self.hook)

    @property
    def below(self) -> int:
        """Its limit in percent."""
        return round(self.hook.below * 100)


def add(url: str, events: Sequence[str], *, below: str = "", private: bool, who: Who) -> Webhook:
    """Make a webhook, switched on, with a secret of its own. `below` is a confidence in percent, "" for none.

    Raises `WebhookError` that says what cannot be taken.
    """
    url = courier.check_url(url, private=private)
    unknown = [one for one in events if one not in EVENTS]
    if unknown:
        raise WebhookError(f"There is no event {unknown[0][:40]!r}. Events: {', '.join(EVENTS)}.")
    if not events:
        raise WebhookError("Choose at least one event that it is to be told of.")
    row = Webhook(
        url=url,
        events=" ".join(one for one in EVENTS if one in events),
        below=_percent(below),
        secret=f"whsec_{base64.b64encode(secrets.token_bytes(SECRET)).decode()}",
        active=True,
        failures=0,
        who=who.name,
        created_at=now(),
    )
    with writing():
        if len(storage.all_webhooks()) >= MOST:
            raise WebhookError(
                f"There are {MOST} webhooks, the most there may be. Remove one first."
            )
        storage.add(row)
    return row


def every_webhook() -> list[HookView]:
    """All webhooks, oldest first."""
    return _views(storage.all_webhooks())


def get_webhook(number: int) -> HookView:
    """A webhook as it stands. Raises `WebhookNotFoundError`."""
    return _views([_find(number)])[0]


def last_deliveries(number: int) -> Sequence[WebhookDelivery]:
    """The newest deliveries of a webhook, with their events."""
    return storage.latest(number, SHOWN)


def switch(number: int, *, on: bool) -> Webhook:
    """Switch a webhook on or off. What waits stays and is delivered once it is on; what happens while it is off is not told.

    Raises `WebhookNotFoundError`.
    """
    with writing():
        _find(number)
        storage.change(number, active=on, failures=0, rest_until=None)
        hook = _find(number)
        _go_on(hook)
    return hook


def test(number: int) -> int:
    """Let a webhook be told of a test; the number of the delivery, for `see`.

    Raises `WebhookNotFoundError`, and `WebhookError` when it is switched off.
    """
    with writing():
        hook = _find(number)
        if not hook.active:
            raise WebhookError("This webhook is switched off. Switch it on, then send the test.")
        storage.change(number, rest_until=None)
        return storage.add_delivery(_find(number), storage.add_event(TESTED))


def see(delivery: int) -> WebhookDelivery:
    """A delivery as it stands. Raises `WebhookNotFoundError` when its webhook was removed."""
    end_reading()
    found = storage.delivery(delivery)
    if found is None:
        raise WebhookNotFoundError("This webhook was removed.")
    return found


def send_again(number: int) -> int:
    """Try again what waits, now, and what was given up; how many of the latter. Raises `WebhookNotFoundError`."""
    with writing():
        _find(number)
        found = storage.send_again(number)
        storage.change(number, rest_until=None)
        _go_on(_find(number))
    return found


def remove(number: int) -> Webhook:
    """Forget a webhook, with what waits for it. Raises `WebhookNotFoundError`."""
    with writing():
        hook = _find(number)
        storage.remove(number)
    return hook


def host_of(hook: Webhook) -> str:
    """The host that a webhook leads to."""
    return urlsplit(hook.url).hostname or hook.url


def trouble() -> str:
    """A sentence about webhooks that fail, "" when all is well."""
    bad = [one for one in every_webhook() if one.failing]
    lines = [
        f"{one.host}: {one.waiting:,} wait, {one.given_up:,} given up ({one.trouble or 'no answer yet'})"
        for one in bad
    ]
    return f"{'; '.join(lines)}. See /admin/webhooks." if lines else ""


def how_many() -> str:
    """A line about webhooks for the operator."""
    views = every_webhook()
    on = sum(one.hook.active for one in views)
    return (
        f"{on} on, {len(views) - on} off, {sum(one.waiting for one in views):,} events wait"
        if views
        else "none"
    )


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over id, timestamp and body, joined by dots, in base64.

    Standard Webhooks, "Webhook signatures": https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _go_on(hook: Webhook) -> None:
    """Wake who delivers, if the webhook is on and something waits."""
    due = storage.due_at(hook.id)
    if hook.active and due is not None:
        storage.hurry(hook.id)
        storage.wake(hook, now())


def _find(number: int) -> Webhook:
    hook = storage.find(number)
    if hook is None:
        raise WebhookNotFoundError("There is no such webhook: it was removed.")
    return hook


def _views(rows: Sequence[Webhook]) -> list[HookView]:
    states = storage.count_states() if rows else {}
    return [
        HookView(
            hook=one,
            waiting=states.get(one.id, {}).get(WAITING, 0),
            delivered=states.get(one.id, {}).get(DELIVERED, 0),
            given_up=states.get(one.id, {}).get(GIVEN_UP, 0),
            trouble=storage.last_trouble(one.id),
        )
        for one in rows
    ]


def _percent(text: str) -> float:
    text = text.strip().removesuffix("%").strip()
    if not text:
        return 0.0
    if not text.isdecimal() or len(text) > 3 or int(text) > 100:
        raise WebhookError("The limit is a whole number of percent, from 0 to 100.")
    return int(text) / 100
