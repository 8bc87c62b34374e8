"""Queries about webhooks, their events and deliveries. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, case, delete, exists, func, select, update
from sqlalchemy.orm import contains_eager

from webapp.domain import DELIVERED, GIVEN_UP, WAITING
from webapp.storage.database import db, update_rows
from webapp.storage.tables import (
    BoxEvent,
    LabelEvent,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    now,
)

_Event = TypeVar("_Event", LabelEvent, BoxEvent)

# ---- webhooks ----


def find(number: int) -> Webhook | None:
    """The webhook as it is now, or None."""
    return db.session.get(Webhook, number, populate_existing=True)


def all_webhooks() -> Sequence[Webhook]:
    """Every webhook, oldest first."""
    return _fresh(select(Webhook).order_by(Webhook.id)).all()


def subscribers(event_type: str, *conditions: ColumnElement[bool]) -> list[Webhook]:
    """The webhooks that are on and want to hear of a type of event.

    Each upload asks this; where there is no webhook, it is all that webhooks cost.
    """
    hooks = _fresh(select(Webhook).where(Webhook.active, *conditions))
    return [hook for hook in hooks if event_type in hook.events.split()]


# ---- events ----


def last_event_about(event_type: str, about: str) -> WebhookEvent | None:
    """The newest event of a type about a photo, batch or promotion, or None."""
    statement = select(WebhookEvent).where(WebhookEvent.about == about)
    statement = statement.where(WebhookEvent.type == event_type)
    return _fresh(statement.order_by(WebhookEvent.id.desc()).limit(1)).one_or_none()


def forget_before(moment: datetime) -> None:
    """Delete deliveries that ended before a moment, and events that have no delivery any more."""
    update_rows(delete(WebhookDelivery).where(WebhookDelivery.ended_at < moment))
    wanted = exists().where(WebhookDelivery.event_id == WebhookEvent.id)
    update_rows(delete(WebhookEvent).where(WebhookEvent.created_at < moment, ~wanted))


# ---- deliveries ----


def postpone(event_id: int, next_at: datetime) -> None:
    """Let an event wait until `next_at`."""
    _change(WebhookDelivery.event_id == event_id, next_at=next_at)


def next_delivery(number: int, moment: datetime) -> WebhookDelivery | None:
    """The next due delivery of a webhook, with its event; None when nothing is due."""
    due = _deliveries().where(_waiting(number), WebhookDelivery.next_at <= moment)
    first = due.order_by(WebhookDelivery.next_at, WebhookDelivery.id).limit(1)
    return _fresh(first).one_or_none()


def find_delivery(number: int) -> WebhookDelivery | None:
    """A delivery as it is now, or None."""
    return db.session.get(WebhookDelivery, number, populate_existing=True)


def due_at(number: int) -> datetime | None:
    """When something is due for a webhook next, None when nothing waits."""
    statement = select(func.min(WebhookDelivery.next_at)).where(_waiting(number))
    return db.session.execute(statement).scalar_one()


def give_up_older(number: int, before: datetime, answer: str) -> None:
    """Give up what waits for a webhook since before a moment; an earlier answer stays written."""
    old = and_(_waiting(number), WebhookDelivery.created_at < before)
    kept = case((WebhookDelivery.answer == "", answer), else_=WebhookDelivery.answer)
    _change(old, state=GIVEN_UP, ended_at=now(), answer=kept)


def send_again(number: int) -> int:
    """Let what was given up wait anew; how many events that is."""
    lost = and_(WebhookDelivery.webhook_id == number, WebhookDelivery.state == GIVEN_UP)
    fresh = {"state": WAITING, "attempts": 0, "next_at": now(), "created_at": now()}
    return _change(lost, ended_at=None, **fresh)


def make_due(number: int) -> None:
    """Let all that was tried for a webhook be due now. What was not tried yet keeps its time: it is
    on its way, or its batch is not complete."""
    _change(and_(_waiting(number), WebhookDelivery.attempts > 0), next_at=now())


def latest(number: int, limit: int) -> Sequence[WebhookDelivery]:
    """The newest deliveries of a webhook with their events."""
    theirs = _deliveries().where(WebhookDelivery.webhook_id == number)
    return _fresh(theirs.order_by(WebhookDelivery.id.desc()).limit(limit)).all()


def count_states(since: datetime | None = None) -> dict[int, dict[str, int]]:
    """How many deliveries each webhook has in each state, of those that ended `since` if given."""
    columns = (WebhookDelivery.webhook_id, WebhookDelivery.state)
    statement = select(*columns, func.count()).group_by(*columns)
    if since is not None:
        statement = statement.where(WebhookDelivery.ended_at >= since)
    counts: dict[int, dict[str, int]] = {}
    for number, state, count in db.session.execute(statement):
        counts.setdefault(number, {})[state] = int(count)
    return counts


def last_trouble(number: int) -> str:
    """The last answer to what did not arrive and was not delivered since; "" without any."""
    lost = and_(WebhookDelivery.state != DELIVERED, WebhookDelivery.answer != "")
    statement = select(WebhookDelivery.answer).where(WebhookDelivery.webhook_id == number, lost)
    newest = statement.order_by(WebhookDelivery.id.desc()).limit(1)
    return db.session.scalars(newest).one_or_none() or ""


# ---- what events are about ----


def batch_events(table: type[_Event], batch: str, after: int, limit: int) -> Sequence[_Event]:
    """The first label or box events of a batch with numbers over `after`."""
    statement = select(table).where(table.batch == batch, table.id > after)
    return db.session.scalars(statement.order_by(table.id).limit(limit)).all()


def count_batch_events(table: type[_Event], batch: str, after: int) -> tuple[int, int]:
    """How many label or box events a batch has with numbers over `after`, and the last number (or
    0)."""
    columns = func.count(), func.coalesce(func.max(table.id), 0)
    rows = select(*columns).where(table.batch == batch, table.id > after)
    count, last = db.session.execute(rows).one()
    return count, last


def _waiting(number: int) -> ColumnElement[bool]:
    return and_(WebhookDelivery.webhook_id == number, WebhookDelivery.state == WAITING)


def _deliveries() -> Select[Any]:
    with_event = contains_eager(WebhookDelivery.event)
    return select(WebhookDelivery).join(WebhookDelivery.event).options(with_event)


def _fresh(statement: Select[Any]) -> Any:
    return db.session.scalars(statement, execution_options={"populate_existing": True})


def _change(condition: ColumnElement[bool], **values: Any) -> int:
    return update_rows(update(WebhookDelivery).where(condition).values(**values))
