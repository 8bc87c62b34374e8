"""What webhooks are told of: written in the transaction of what happened, with the job that tells.

Each function is called inside the transaction of the use case.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from webapp.domain import DO, PROMOTED, QUEUED, RELABELLED, UNCLASSIFIED, UNSURE
from webapp.storage import jobs
from webapp.storage import webhooks as storage
from webapp.storage.database import insert_row
from webapp.storage.tables import Job, Photo, Prediction, Promotion, Webhook, WebhookEvent, now

DELIVERY = "webhook"  # the job type that delivers
# A batch of labels is written in several transactions and told once: so long after its last change.
_HOLD = timedelta(seconds=5)


def photo_answered(photo: Photo, prediction: Prediction) -> None:
    """Tell of a new photo when its answer names no label, or is less sure than the limit."""
    unclassified = prediction.decision == UNCLASSIFIED
    limits = () if unclassified else (Webhook.below > prediction.confidence,)
    if hooks := storage.subscribers(UNSURE, *limits):
        deliver(hooks, add_event(UNSURE, photo.public_id), now())


def labels_changed(batch: str) -> None:
    """Tell of the label events of a batch. All of a batch is one event; what follows after that
    was sent is another one."""
    hooks = storage.subscribers(RELABELLED)
    if not hooks:
        return
    last = storage.last_event_about(batch)
    if last is not None and last.body is None:
        storage.postpone(last.id, now() + _HOLD)
    else:
        event_id = add_event(RELABELLED, batch, after=last.upto if last else 0)
        deliver(hooks, event_id, now() + _HOLD)


def version_promoted(promotion: Promotion) -> None:
    """Tell that another version of a model serves."""
    if hooks := storage.subscribers(PROMOTED):
        deliver(hooks, add_event(PROMOTED, str(promotion.id)), now())


def add_event(event_type: str, about: str = "", *, after: int = 0) -> int:
    """Store that something happened; the event's number."""
    public_id = f"msg_{secrets.token_urlsafe(18)}"
    event = WebhookEvent(public_id=public_id, type=event_type, about=about, after=after, upto=0)
    event.created_at = now()
    return insert_row(event)


def deliver(hooks: Sequence[Any], event_id: int, moment: datetime) -> list[int]:
    """Let an event be told to webhooks from a moment on; the numbers of the deliveries."""
    numbers = [storage.add_delivery(hook.id, event_id, moment) for hook in hooks]
    for hook in hooks:
        enqueue_delivery(hook, moment)
    return numbers


def enqueue_delivery(hook: Any, moment: datetime) -> None:
    """See to it that a job delivers what waits for a webhook, from a moment on and not before the
    webhook has rested.

    At most one job waits, whose time is brought forward, and one works.
    """
    moment = max(moment, hook.rest_until or moment)
    if jobs.bring_forward(owner_of(hook.id), moment):
        return
    job = Job(
        public_id=secrets.token_urlsafe(12),
        type=DELIVERY,
        title=f"Tell {urlsplit(hook.url).hostname}"[:255],
        state=QUEUED,
        params={"webhook": hook.id, "since": now().timestamp()},
        who="webhook",
        owner=owner_of(hook.id),
    )
    jobs.add_job(job, DO, moment)


def owner_of(webhook_id: int) -> str:
    """The owner of a webhook's jobs: people who see all jobs see them."""
    return f"webhook:{webhook_id}"
