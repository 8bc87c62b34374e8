"""The job that tells a webhook what happened: in turn, signed, again later when it did not arrive,
until it is given up."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from webapp.domain import (
    BOXED,
    DELIVERED,
    GIVEN_UP,
    PROMOTED,
    RELABELLED,
    UNSURE,
    WAITING,
    count,
    moment,
)
from webapp.errors import JobWaitsError, NotDeliveredError, PhotoNotFoundError, WebhookError
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.photos.gallery import get_photo
from webapp.services.webhooks import events, transport
from webapp.storage import jobs
from webapp.storage import webhooks as storage
from webapp.storage.cars.cars import cars_by_number
from webapp.storage.database import db, writing
from webapp.storage.tables import (
    BoxEvent,
    Car,
    LabelEvent,
    Promotion,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    now,
)

_Event = TypeVar("_Event", LabelEvent, BoxEvent)

# Seconds before each further attempt; after the last one, some eighteen hours after the first,
# an event is given up.
PAUSES = (5, 30, 300, 1800, 7200, 18000, 36000)
# What waits longer is given up: behind a receiver that is away, most never get their turn.
_OLDEST = timedelta(days=3)
# Seconds that a webhook rests after failures in a row: doubled each time, up to the longest. One
# that is away costs a worker ten seconds in five minutes.
_FIRST_REST, _LONGEST_REST = 5, 300
# So long nobody else tries what is on its way; much longer than it can take.
_IN_FLIGHT = timedelta(seconds=60)
# Seconds after which other jobs have their turn.
_TURN = 15.0
_MOST_CHANGES = 200  # changed photos that an event names singly
_KEPT = timedelta(days=30)


def _do(job: RunningJob) -> Json:
    """Tell a webhook all that waits for it.

    It may run twice: each event is taken by an UPDATE that puts its next attempt off. Killed
    between sending an event and noting it, it sends the event again with the same id, by which
    receivers know it.
    """
    number = int(job.params["webhook"])
    with writing():
        storage.forget_before(now() - _KEPT)
        storage.give_up_older(number, now() - _OLDEST, "It never got its turn.")
    end = time.monotonic() + _TURN
    while not jobs.has_later_job(job.id, events.owner_of(number)):
        job.progress(job.done)
        if time.monotonic() > end:
            raise JobWaitsError("Others have their turn.", 0)
        hook, delivery = _next(number)
        if hook is None or not hook.active:
            break
        if delivery is None:
            due_at = storage.due_at(hook.id)
            if due_at is None:
                break
            wait = (max(due_at, hook.rest_until or due_at) - now()).total_seconds()
            raise JobWaitsError(f"The next attempt is in {max(0.5, wait):.0f} s.", max(0.5, wait))
        _send(hook, delivery, job)
        job.done += 1
    return _result(number, datetime.fromtimestamp(job.params["since"], UTC))


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 of id, timestamp and body, joined by dots.

    Standard Webhooks, "Webhook signatures":
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _next(number: int) -> tuple[Webhook | None, WebhookDelivery | None]:
    """The webhook, and its next delivery; None when nothing is due or the webhook rests."""
    with writing():
        hook = storage.find(number)
        if hook is None or not hook.active or (hook.rest_until and hook.rest_until > now()):
            return hook, None
        delivery = storage.next_delivery(number, now())
        if delivery is not None:
            delivery.next_at = now() + _IN_FLIGHT
    return hook, delivery


def _send(hook: Webhook, delivery: WebhookDelivery, job: RunningJob) -> None:
    """Send one event, and write down what came back."""
    body, timestamp = _body(delivery.event, job.tools).encode(), int(time.time())
    message_id = delivery.event.public_id
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Marque",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(hook.secret, message_id, timestamp, body),
    }
    trouble: NotDeliveredError | WebhookError | None = None
    try:
        status = transport.post(hook.url, body, headers, private=job.tools.config.webhooks == "any")
        answer = f"It answered {status}."
    except (NotDeliveredError, WebhookError) as error:
        trouble, answer = error, str(error)
        job.say(f"{message_id} did not arrive: {error}")
    with writing():
        # Both are read anew: the webhook may have been removed meanwhile.
        if storage.find(hook.id) is None or storage.find_delivery(delivery.id) is None:
            return
        if delivery.state != WAITING:
            return
        delivery.attempts, delivery.answer = delivery.attempts + 1, answer
        if trouble is None:
            delivery.state, delivery.ended_at = DELIVERED, now()
            hook.failures, hook.rest_until = 0, None
        else:
            gone = isinstance(trouble, NotDeliveredError) and trouble.gone
            _note_failure(hook, delivery, gone=gone)


def _body(event: WebhookEvent, tools: Tools) -> str:
    """What is sent of an event: made once, so that each attempt and receiver gets the same."""
    if event.body is not None:
        return event.body
    with writing():
        data, event.upto = _data(event, tools)
        body = {"type": event.type, "timestamp": moment(event.created_at), "data": data}
        event.body = json.dumps(body, ensure_ascii=False)
    return event.body


def _data(event: WebhookEvent, tools: Tools) -> tuple[Json, int]:
    """What an event says, and the number of the last label event in it (or 0)."""
    if event.type == UNSURE:
        return {"photo": _photo(event.about, tools)}, 0
    if event.type == PROMOTED:
        row = db.session.get_one(Promotion, int(event.about))
        return {
            "model": row.model,
            "kind": row.kind,
            "from": row.from_version,
            "to": row.to_version,
            "who": row.who,
            "why": row.why,
            "forced": row.forced,
        }, 0
    if event.type == RELABELLED:
        return _batch_data(event, LabelEvent, _relabelled, tools)
    if event.type == BOXED:
        return _batch_data(event, BoxEvent, _boxed, tools)
    return {"message": "A test from Marque: it works."}, 0


def _batch_data(
    event: WebhookEvent,
    table: type[_Event],
    change: Callable[[_Event, Car | None], Json],
    tools: Tools,
) -> tuple[Json, int]:
    """What an event says of a batch of label or box events, and the number of the last one."""
    number, upto = storage.count_batch_events(table, event.about, event.after)
    rows = storage.batch_events(table, event.about, event.after, _MOST_CHANGES)
    cars = {car.id: car for car in cars_by_number([row.car_id or 0 for row in rows])}
    return {
        "batch": event.about,
        **{name: getattr(rows[0], name) if rows else "" for name in ("who", "place", "why")},
        "changes": [change(row, cars.get(row.car_id or 0)) for row in rows],
        "count": number,
        "photo": _photo(rows[0].photo_ref, tools) if number == 1 else None,
    }, upto


def _relabelled(row: LabelEvent, car: Car | None) -> Json:
    return _car(row.photo_ref, car) | {"from": row.from_label, "to": row.to_label}


def _boxed(row: BoxEvent, car: Car | None) -> Json:
    """From null: the box was drawn. To null: it was taken back, of which the event is an undo with
    the same box twice."""
    taken_back = row.undoes is not None and row.from_box == row.to_box
    to = None if taken_back else row.to_box
    return _car(row.photo_ref, car) | {"from": row.from_box, "to": to}


def _car(photo: str, car: Car | None) -> Json:
    """The ids of a photo and a car, with the car's box and ground truth as they are now; null for a
    car that is gone."""
    return {
        "id": photo,
        "car": car.public_id if car else None,
        "box": list(car.box) if car else None,
        "ground_truth": car.ground_truth if car else None,
    }


def _photo(public_id: str, tools: Tools) -> Mapping[str, Any]:
    """The JSON of a photo; of one that is gone its id alone."""
    try:
        return tools.describe(get_photo(public_id), tools.registry)
    except PhotoNotFoundError:
        return {"id": public_id}


def _note_failure(hook: Webhook, delivery: WebhookDelivery, *, gone: bool) -> None:
    """Let the delivery wait for its next attempt, or give it up; let the webhook rest.

    A receiver that says 410 wants nothing more: its webhook is switched off.
    """
    if delivery.attempts > len(PAUSES) or gone:
        delivery.state, delivery.ended_at = GIVEN_UP, now()
    else:
        delivery.next_at = now() + timedelta(seconds=PAUSES[delivery.attempts - 1])
    rest = min(_LONGEST_REST, _FIRST_REST * 2 ** min(hook.failures, 10))
    hook.failures, hook.rest_until = hook.failures + 1, now() + timedelta(seconds=rest)
    hook.active = hook.active and not gone


def _result(number: int, since: datetime) -> Json:
    """Raises `WebhookError` when something was given up: the job fails then."""
    states = storage.count_states(since).get(number, {})
    hook = storage.find(number)
    if hook is not None and states.get(GIVEN_UP):
        raise WebhookError(
            f"{states[GIVEN_UP]:,} events never arrived at {hook.host} and were given up: "
            f"{storage.last_trouble(number)} The page /admin/webhooks/{number} sends them again."
        )
    return {"delivered": states.get(DELIVERED, 0)}


def _summary(result: Json) -> str:
    delivered = result.get("delivered")
    return f"{count(delivered, 'event')} arrived." if delivered else "Nothing waits any more."


JOB_TYPE = JobType(events.DELIVERY, "Webhook", do=_do, summary=_summary)
