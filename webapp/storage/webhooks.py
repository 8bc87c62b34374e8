"""Webhooks, what they are told, and how the telling went. Nothing here commits: an event is written with what it tells of."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, case, delete, exists, func, insert, select, update
from sqlalchemy.orm import contains_eager

from webapp.domain import (
    DELIVERED,
    DO,
    GIVEN_UP,
    PROMOTED,
    QUEUED,
    RELABELLED,
    UNCLASSIFIED,
    UNSURE,
    WAITING,
)
from webapp.storage import jobs
from webapp.storage.database import db, insert_row
from webapp.storage.photos.photos import UNSEEN
from webapp.storage.tables import (
    Job,
    JobPart,
    LabelEvent,
    Photo,
    Prediction,
    Promotion,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    now,
)

DELIVER = "webhook"
"""The kind of the jobs that deliver."""
HOLD = timedelta(seconds=5)
"""So long after its last change a batch of labels counts as whole: it changes in several transactions, and is told once."""


# ---- what happened ----


def note_unsure(photo: Photo, prediction: Prediction) -> None:
    """A photo came in; who wants to know is told when the answer names no label, or when its confidence is under their limit."""
    limit = () if prediction.decision == UNCLASSIFIED else (Webhook.below > prediction.confidence,)
    if hooks := _who_want(UNSURE, *limit):
        _tell(hooks, add_event(UNSURE, photo.public_id))


def note_relabelled(batch: str) -> None:
    """Label events of a batch were written. All of a batch is one event; what comes after that was sent is another one."""
    hooks = _who_want(RELABELLED)
    if not hooks:
        return
    question = select(WebhookEvent.id, WebhookEvent.body.is_(None).label("open"), WebhookEvent.upto)
    last = db.session.execute(
        question.where(WebhookEvent.about == batch).order_by(WebhookEvent.id.desc()).limit(1)
    ).first()
    at = now() + HOLD
    if last is not None and last.open:
        db.session.execute(
            update(WebhookDelivery).where(WebhookDelivery.event_id == last.id).values(next_at=at),
            execution_options=UNSEEN,
        )
    else:
        _tell(hooks, add_event(RELABELLED, batch, after=last.upto if last else 0), at)


def note_promoted(promotion: Promotion) -> None:
    """Another version of a model serves."""
    if hooks := _who_want(PROMOTED):
        _tell(hooks, add_event(PROMOTED, str(promotion.id)))


def add_event(kind: str, about: str = "", *, after: int = 0) -> int:
    """Remember that something happened; the event's number."""
    return insert_row(
        WebhookEvent(
            public_id=f"msg_{secrets.token_urlsafe(18)}",
            type=kind,
            about=about,
            after=after,
            upto=0,
            created_at=now(),
        )
    )


def add_delivery(webhook: Webhook, event_id: int) -> int:
    """Let an event be told to one webhook, and see to it that somebody does; the number of the delivery."""
    _tell([webhook], event_id)
    return int(
        db.session.execute(
            select(WebhookDelivery.id).where(WebhookDelivery.event_id == event_id)
        ).scalar_one()
    )


def _who_want(kind: str, *also: ColumnElement[bool]) -> Sequence[Any]:
    """The webhooks that hear of a type of event. The question that each upload asks: where there is no webhook, it costs nothing else."""
    columns = (Webhook.id, Webhook.url, Webhook.events, Webhook.rest_until)
    rows = db.session.execute(select(*columns).where(Webhook.active, *also)).all()
    return [row for row in rows if kind in row.events.split()]


def _tell(hooks: Sequence[Any], event_id: int, at: datetime | None = None) -> None:
    at = at or now()
    rows = [
        {
            "webhook_id": one.id,
            "event_id": event_id,
            "state": WAITING,
            "attempts": 0,
            "answer": "",
            "next_at": at,
            "created_at": now(),
        }
        for one in hooks
    ]
    db.session.execute(insert(WebhookDelivery), rows)
    for one in hooks:
        wake(one, at)


def wake(webhook: Any, at: datetime) -> None:
    """See to it that a job delivers what waits for a webhook, not before `at` and not before the webhook has rested.

    There is at most one job that waits, whose time is brought forward, and one that works.
    """
    at = max(at, webhook.rest_until or at)
    question = select(
        JobPart.id, JobPart.state, JobPart.run_after, Job.state.label("job_state"), Job.cancel_requested_at
    )
    question = (
        question.join(Job, Job.id == JobPart.job_id)
        .where(Job.owner == owner(webhook.id))
        .order_by(Job.id.desc())
        .limit(1)
    )
    last = db.session.execute(
        question
    ).first()  # the newest alone says it: no other one is put in while it waits
    if (
        last is not None
        and last.state == QUEUED
        and last.job_state in jobs.ACTIVE
        and last.cancel_requested_at is None
    ):
        if last.run_after > at:
            db.session.execute(
                update(JobPart).where(JobPart.id == last.id).values(run_after=at),
                execution_options=UNSEEN,
            )
        return
    title = f"Tell {urlsplit(webhook.url).hostname}"
    asked = {"webhook": webhook.id, "since": now().timestamp()}
    job = Job(
        public_id=secrets.token_urlsafe(12),
        type=DELIVER,
        title=title[:255],
        state=QUEUED,
        params=asked,
        who="webhook",
    )
    job.owner, job.claimed_at, job.created_at = owner(webhook.id), now(), now()
    jobs.add_job(job)
    jobs.add_parts(job.id, DO, [{}], at=at)


def owner(webhook_id: int) -> str:
    """Whose the jobs of a webhook are: people who see all jobs see them."""
    return f"webhook:{webhook_id}"


def is_succeeded_by_another(webhook_id: int, public_id: str) -> bool:
    """True when a later job of the webhook waits or works: that one delivers what is left."""
    mine = select(Job.id).where(Job.public_id == public_id).scalar_subquery()
    later = select(Job.id).where(
        Job.owner == owner(webhook_id),
        Job.state.in_(jobs.ACTIVE),
        Job.cancel_requested_at.is_(None),
        Job.id > mine,
    )
    return db.session.execute(later.limit(1)).first() is not None


# ---- webhooks ----


def add(row: Webhook) -> None:
    """Remember a new webhook; it has its number afterwards."""
    db.session.add(row)
    db.session.flush()


def find(number: int) -> Webhook | None:
    """The webhook as it is now, or None."""
    return db.session.execute(
        select(Webhook).where(Webhook.id == number).execution_options(populate_existing=True)
    ).scalar_one_or_none()


def all_webhooks() -> Sequence[Webhook]:
    """Every webhook, oldest first."""
    return (
        db.session.execute(
            select(Webhook).order_by(Webhook.id).execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )


def change(number: int, **values: Any) -> None:
    """Change a webhook."""
    db.session.execute(
        update(Webhook).where(Webhook.id == number).values(**values), execution_options=UNSEEN
    )


def remove(number: int) -> None:
    """Forget a webhook, with what waits for it."""
    db.session.execute(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == number))
    db.session.execute(delete(Webhook).where(Webhook.id == number))


# ---- deliveries ----


def next_delivery(number: int, at: datetime) -> WebhookDelivery | None:
    """What a webhook is told next, with its event; None when nothing waits that is due."""
    question = (
        select(WebhookDelivery)
        .join(WebhookDelivery.event)
        .options(contains_eager(WebhookDelivery.event))
    )
    mine = (
        WebhookDelivery.webhook_id == number,
        WebhookDelivery.state == WAITING,
        WebhookDelivery.next_at <= at,
    )
    question = question.where(*mine).order_by(WebhookDelivery.next_at, WebhookDelivery.id).limit(1)
    return db.session.execute(
        question.execution_options(populate_existing=True)
    ).scalar_one_or_none()


def delivery(number: int) -> WebhookDelivery | None:
    """A delivery as it is now, or None."""
    question = select(WebhookDelivery).where(WebhookDelivery.id == number)
    return db.session.execute(
        question.execution_options(populate_existing=True)
    ).scalar_one_or_none()


def due_at(number: int) -> datetime | None:
    """When something is to be told to a webhook next, None when nothing waits."""
    question = select(func.min(WebhookDelivery.next_at)).where(
        WebhookDelivery.webhook_id == number, WebhookDelivery.state == WAITING
    )
    return db.session.execute(question).scalar_one()


def change_delivery(number: int, **values: Any) -> None:
    """Change a delivery that waits."""
    mine = update(WebhookDelivery).where(
        WebhookDelivery.id == number, WebhookDelivery.state == WAITING
    )
    db.session.execute(mine.values(**values), execution_options=UNSEEN)


def keep_body(event_id: int, body: str, upto: int) -> None:
    """Keep what is sent of an event."""
    db.session.execute(
        update(WebhookEvent).where(WebhookEvent.id == event_id).values(body=body, upto=upto),
        execution_options=UNSEEN,
    )


def give_up_older(number: int, before: datetime, answer: str) -> None:
    """Give up on what waits for a webhook since before a moment; what came back the last time stays written."""
    old = update(WebhookDelivery).where(
        WebhookDelivery.webhook_id == number,
        WebhookDelivery.state == WAITING,
        WebhookDelivery.created_at < before,
    )
    said = case((WebhookDelivery.answer == "", answer), else_=WebhookDelivery.answer)
    db.session.execute(
        old.values(state=GIVEN_UP, ended_at=now(), answer=said), execution_options=UNSEEN
    )


def send_again(number: int) -> int:
    """Let what was given up wait anew; how many events that is."""
    lost = update(WebhookDelivery).where(
        WebhookDelivery.webhook_id == number, WebhookDelivery.state == GIVEN_UP
    )
    fresh = lost.values(state=WAITING, attempts=0, next_at=now(), created_at=now(), ended_at=None)
    return int(db.session.execute(fresh, execution_options=UNSEEN).rowcount)  # type: ignore[attr-defined]


def hurry(number: int) -> None:
    """Let all that waits for a webhook be due now, except what was tried or touched a moment ago: that may be on its way."""
    soon = update(WebhookDelivery).where(
        WebhookDelivery.webhook_id == number, WebhookDelivery.state == WAITING
    )
    db.session.execute(
        soon.where(WebhookDelivery.attempts > 0).values(next_at=now()), execution_options=UNSEEN
    )


def latest(number: int, limit: int) -> Sequence[WebhookDelivery]:
    """The newest deliveries of a webhook with their events."""
    question = (
        select(WebhookDelivery)
        .join(WebhookDelivery.event)
        .options(contains_eager(WebhookDelivery.event))
    )
    question = (
        question.where(WebhookDelivery.webhook_id == number)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
    )
    return db.session.execute(question.execution_options(populate_existing=True)).scalars().all()


def count_states(since: datetime | None = None) -> dict[int, dict[str, int]]:
    """How many deliveries each webhook has in each state; with `since`, of those that ended no earlier."""
    question = select(WebhookDelivery.webhook_id, WebhookDelivery.state, func.count()).group_by(
        WebhookDelivery.webhook_id, WebhookDelivery.state
    )
    found: dict[int, dict[str, int]] = {}
    for number, state, count in db.session.execute(
        question if since is None else question.where(WebhookDelivery.ended_at >= since)
    ):
        found.setdefault(number, {})[state] = int(count)
    return found


def last_trouble(number: int) -> str:
    """What came back the last time that something did not arrive and was not delivered since; "" when there is nothing like it."""
    lost = (
        WebhookDelivery.webhook_id == number,
        WebhookDelivery.state != DELIVERED,
        WebhookDelivery.answer != "",
    )
    question = (
        select(WebhookDelivery.answer).where(*lost).order_by(WebhookDelivery.id.desc()).limit(1)
    )
    return db.session.execute(question).scalar_one_or_none() or ""


def forget_before(moment: datetime) -> None:
    """Forget deliveries that ended before a moment, and events that nobody is told of any more."""
    db.session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.ended_at < moment), execution_options=UNSEEN
    )
    told = exists().where(WebhookDelivery.event_id == WebhookEvent.id)
    db.session.execute(
        delete(WebhookEvent).where(WebhookEvent.created_at < moment, ~told),
        execution_options=UNSEEN,
    )


# ---- what events are about ----


def label_events(batch: str, after: int, limit: int) -> Sequence[LabelEvent]:
    """The first label events of a batch with numbers over `after`."""
    question = (
        select(LabelEvent)
        .where(LabelEvent.batch == batch, LabelEvent.id > after)
        .order_by(LabelEvent.id)
    )
    return db.session.execute(question.limit(limit)).scalars().all()


def count_label_events(batch: str, after: int) -> tuple[int, int]:
    """How many label events a batch has with numbers over `after`, and the number of the last one (0 without any)."""
    question = select(func.count(), func.max(LabelEvent.id)).where(
        LabelEvent.batch == batch, LabelEvent.id > after
    )
    row = db.session.execute(question).one()
    return int(row[0]), int(row[1] or 0)


def promotion(number: int) -> Promotion:
    """A change of the live version."""
    return db.session.get_one(Promotion, number)
