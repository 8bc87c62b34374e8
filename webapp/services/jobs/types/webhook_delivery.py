"""Telling webhooks what happened, as a job: in turn, signed, again later when it did not arrive, until it is given up."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.domain import DELIVERED, GIVEN_UP, PROMOTED, RELABELLED, UNSURE
from webapp.errors import JobWaitsError, NotDeliveredError, PhotoNotFoundError, WebhookError
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.photos.gallery import get_item
from webapp.services.webhooks import transport as courier
from webapp.services.webhooks.webhooks import host_of, sign
from webapp.storage import webhooks as storage
from webapp.storage.database import writing
from webapp.storage.tables import LabelEvent, Webhook, WebhookDelivery, WebhookEvent, now

PAUSES = (5, 30, 300, 1800, 7200, 18000, 36000)
"""Seconds before each further attempt; after the last one, some eighteen hours after the first, an event is given up."""
OLDEST = timedelta(days=3)
"""What waits longer is given up: behind a receiver that is away, most never get their turn."""
LONGEST_REST = 300
"""Seconds that a webhook rests at most after failures in a row: one that is away costs a worker ten seconds in five minutes."""
FIRST_REST = 5
IN_FLIGHT = timedelta(seconds=60)
"""So long nobody else tries what is on its way; much longer than it can take."""
TURN = 15.0
"""Seconds after which other jobs have their turn."""
KEPT = timedelta(days=30)
MOST_CHANGES = 200
"""Changed photos that an event names one by one."""


def deliver(job: RunningJob) -> Json:
    """Tell a webhook all that waits for it. It may run twice: each event is taken by an UPDATE that puts its next attempt off. Killed
    between the sending and the note of it, it sends the event again, with the same id, by which receivers know it."""
    number, since = int(job.params["webhook"]), datetime.fromtimestamp(job.params["since"], UTC)
    with writing():
        storage.forget_before(now() - KEPT)
        storage.give_up_older(number, now() - OLDEST, "It never got its turn.")
    end = time.monotonic() + TURN
    while not storage.is_succeeded_by_another(number, job.id):
        job.progress(job.done)
        if time.monotonic() > end:
            raise JobWaitsError("Others have their turn.", 0)
        hook, delivery = _next(number)
        if hook is None or not hook.active:
            break
        if delivery is None:
            wait = _seconds_to_wait(hook)
            if wait is None:
                break
            raise JobWaitsError(f"The next attempt is in {wait:.0f} s.", wait)
        _tell(hook, delivery, job)
        job.done += 1
    return _result(number, since)


def make_body(event: WebhookEvent, tools: Tools) -> tuple[str, int]:
    """What is sent of an event, and the last label event that it tells. A photo that is gone is told by its id alone."""
    upto = 0
    data: Mapping[str, Any] = {"message": "A test from Marque: it works."}
    if event.type == UNSURE:
        data = {"photo": _photo(event.about, tools)}
    elif event.type == PROMOTED:
        data = _promotion(int(event.about))
    elif event.type == RELABELLED:
        data, upto = _relabelling(event, tools)
    return json.dumps(
        {"type": event.type, "timestamp": _moment(event.created_at), "data": data},
        ensure_ascii=False,
    ), upto


def _next(number: int) -> tuple[Webhook | None, WebhookDelivery | None]:
    """The webhook, and what it is told next, which nobody else takes up meanwhile; None when nothing is due or it rests."""
    with writing():
        hook = storage.find(number)
        if (
            hook is None
            or not hook.active
            or (hook.rest_until is not None and hook.rest_until > now())
        ):
            return hook, None
        delivery = storage.next_delivery(number, now())
        if delivery is not None:
            storage.change_delivery(delivery.id, next_at=now() + IN_FLIGHT)
    return hook, delivery


def _seconds_to_wait(hook: Webhook) -> float | None:
    """How long until something is due and the webhook has rested, None when nothing waits."""
    due = storage.due_at(hook.id)
    return (
        None
        if due is None
        else max(0.5, (max(due, hook.rest_until or due) - now()).total_seconds())
    )


def _tell(hook: Webhook, delivery: WebhookDelivery, job: RunningJob) -> None:
    """Send one event, and write down what came back."""
    body, stamp = _body(delivery.event, job.tools).encode(), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Marque",
        "webhook-id": delivery.event.public_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(hook.secret, delivery.event.public_id, stamp, body),
    }
    try:
        status = courier.post(hook.url, body, headers, private=job.tools.private_webhooks)
    except (NotDeliveredError, WebhookError) as error:
        job.say(f"{delivery.event.public_id} did not arrive: {error}")
        _not_arrived(
            hook, delivery, str(error), gone=isinstance(error, NotDeliveredError) and error.gone
        )
        return
    with writing():
        answer = f"It answered {status}."
        storage.change_delivery(
            delivery.id,
            state=DELIVERED,
            answer=answer,
            attempts=delivery.attempts + 1,
            ended_at=now(),
        )
        if hook.failures:
            storage.change(hook.id, failures=0, rest_until=None)


def _body(event: WebhookEvent, tools: Tools) -> str:
    """What is sent of an event: made once, so that each attempt and each receiver gets the same."""
    if event.body is not None:
        return event.body
    with writing():
        body, upto = make_body(event, tools)
        storage.keep_body(event.id, body, upto)
    return body


def _not_arrived(hook: Webhook, delivery: WebhookDelivery, answer: str, *, gone: bool) -> None:
    """Let it wait for its next attempt, or give it up; let the webhook rest. Who says 410 wants nothing more: it is switched off."""
    tried = delivery.attempts + 1
    with writing():
        if tried > len(PAUSES) or gone:
            storage.change_delivery(
                delivery.id, state=GIVEN_UP, answer=answer, attempts=tried, ended_at=now()
            )
        else:
            later = now() + timedelta(seconds=PAUSES[tried - 1])
            storage.change_delivery(delivery.id, next_at=later, answer=answer, attempts=tried)
        rest = min(LONGEST_REST, FIRST_REST * 2 ** min(hook.failures, 10))
        values = {"failures": hook.failures + 1, "rest_until": now() + timedelta(seconds=rest)}
        storage.change(hook.id, **values, active=not gone)


def _result(number: int, since: datetime) -> Json:
    """What came of it. Raises `WebhookError` when something was given up: the job has failed then."""
    found = storage.count_states(since).get(number, {})
    hook = storage.find(number)
    if hook is not None and found.get(GIVEN_UP):
        raise WebhookError(
            f"{found[GIVEN_UP]:,} events never arrived at {host_of(hook)} and were given up: {storage.last_trouble(number)} "
            f"The page /admin/webhooks/{number} sends them again."
        )
    return {"delivered": found.get(DELIVERED, 0)}


# ---- what is told ----


def _photo(public_id: str, tools: Tools) -> Mapping[str, Any]:
    """The photo as the JSON door tells it now; its id alone when it is gone."""
    try:
        return tools.describe(get_item(public_id))
    except PhotoNotFoundError:
        return {"id": public_id}


def _promotion(number: int) -> Json:
    row = storage.promotion(number)
    return {
        "model": row.model,
        "kind": row.kind,
        "from": row.from_version,
        "to": row.to_version,
        "who": row.who,
        "why": row.why,
        "forced": row.forced,
    }


def _relabelling(event: WebhookEvent, tools: Tools) -> tuple[Json, int]:
    """What was done together, the first changes one by one; with the photo itself when it was one."""
    count, upto = storage.count_label_events(event.about, event.after)
    rows = storage.label_events(event.about, event.after, MOST_CHANGES)
    first = rows[0] if rows else None
    data: Json = {
        "batch": event.about,
        "who": first.who if first else "",
        "place": first.place if first else "",
        "why": first.why if first else "",
        "count": count,
        "changes": list(map(_change, rows)),
        "photo": _photo(rows[0].photo_ref, tools) if count == 1 else None,
    }
    return data, upto


def _change(row: LabelEvent) -> Json:
    return {"id": row.photo_ref, "from": row.from_label, "to": row.to_label}


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _summary(result: Json) -> str:
    delivered = result.get("delivered", 0)
    return (
        f"{delivered:,} {'event' if delivered == 1 else 'events'} arrived."
        if delivered
        else "Nothing waits any more."
    )


JOB_TYPE = JobType(storage.DELIVER, "Webhook", do=deliver, summary=_summary)
