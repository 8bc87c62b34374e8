"""What webhooks are told of: written in the transaction of what happened, with the job that tells.

Each function is called inside the transaction of the use case.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from webapp.domain import BOXED, DO, PROMOTED, QUEUED, RELABELLED, UNCLASSIFIED, UNSURE, WAITING
from webapp.storage import jobs
from webapp.storage import webhooks as storage
from webapp.storage.database import db
from webapp.storage.tables import (
    Job,
    Photo,
    Prediction,
    Promotion,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    now,
)

DELIVERY = "webhook"  # the job type that delivers
# A batch of labels is written in several transactions and told once: so long after its last change.
_HOLD = timedelta(seconds=5)


def photo_answered(photo: Photo, prediction: Prediction) -> None:
    """Tell of a new photo when its answer names no label, or is less sure than the limit."""
    unclassified = prediction.decision == UNCLASSIFIED
    limits = () if unclassified else (Webhook.below > prediction.confidence,)
    if hooks := storage.subscribers(UNSURE, *limits):
        tell(hooks, UNSURE, photo.public_id)


def labels_changed(batch: str) -> None:
    """Tell of the label events of a batch. All of a batch is one event; what follows after that
    was sent is another one."""
    _tell_of_batch(RELABELLED, batch)


def boxes_changed(batch: str) -> None:
    """Tell of the box events of a batch, likewise."""
    _tell_of_batch(BOXED, batch)


def _tell_of_batch(event_type: str, batch: str) -> None:
    hooks = storage.subscribers(event_type)
    if not hooks:
        return
    last = storage.last_event_about(event_type, batch)
    if last is not None and last.body is None:
        storage.postpone(last.id, now() + _HOLD)
    else:
        tell(hooks, event_type, batch, hold=_HOLD, after=last.upto if last else 0)


def version_promoted(promotion: Promotion) -> None:
    """Tell that another version of a model serves."""
    if hooks := storage.subscribers(PROMOTED):
        tell(hooks, PROMOTED, str(promotion.id))


def tell(
    hooks: Sequence[Webhook],
    event_type: str,
    about: str = "",
    *,
    hold: timedelta = timedelta(0),
    after: int = 0,
) -> list[WebhookDelivery]:
    """Store that something happened, and let webhooks be told of it once `hold` is over."""
    moment = now() + hold
    event = WebhookEvent(public_id=f"msg_{secrets.token_urlsafe(18)}", type=event_type)
    event.about, event.after = about, after
    deliveries = [
        WebhookDelivery(webhook_id=hook.id, event=event, state=WAITING, next_at=moment)
        for hook in hooks
    ]
    db.session.add_all(deliveries)
    for hook in hooks:
        enqueue_delivery(hook, moment)
    return deliveries


def enqueue_delivery(hook: Webhook, moment: datetime) -> None:
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
        title=f"Tell {hook.host}"[:255],
        state=QUEUED,
        params={"webhook": hook.id, "since": now().timestamp()},
        who="webhook",
        owner=owner_of(hook.id),
    )
    jobs.add_job(job, DO, moment)


def owner_of(webhook_id: int) -> str:
    """The owner of a webhook's jobs: people who see all jobs see them."""
    return f"webhook:{webhook_id}"
