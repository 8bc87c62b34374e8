"""The review: a person leases some cars of a queue, labels the first, and the next one comes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_

from webapp.domain import MERGE, NO_CAR, UNDO, UNUSABLE, Who, make_tag
from webapp.errors import BadRequestError, NotAllowedError, NothingToUndoError, PhotoNotFoundError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import ModelCard
from webapp.services.labels.relabel import (
    Relabelled,
    check_why,
    record_label,
    resolve_label,
)
from webapp.services.labels.undo import undo_event
from webapp.services.webhooks import events as webhook_events
from webapp.storage.cars.cars import cars_by_number, find_car, is_main, numbers_with
from webapp.storage.database import writing
from webapp.storage.labels.events import Stamp, history_of
from webapp.storage.review import queue as storage
from webapp.storage.review.queue import SESSION, ReviewScope
from webapp.storage.tables import Audit, Car, Photo, now

# what each order means: `webapp.storage.review.queue`, and for people docs/review.md
ORDERS = ("least-sure", "margin", "surprising", "versions", "suspected", "disputed", "audit")
AUDIT_SIZES = (50, 100, 200, 400, 1000)
LEASED = 5  # cars: the one that is shown, and the next ones, which the browser fetches meanwhile
_LEASE = timedelta(minutes=5)
_PAUSE = timedelta(minutes=30)  # a longer pause ends a review session
_MOST_CHECKS = 2000  # of a session, the newest ones
_PACE_OF = 20  # the pace is that of the last checks
COUNTING, COUNTING_AUDIT = 0.05, 5.0  # seconds; an audit has a thousand photos at most


@dataclass(frozen=True)
class ReviewQueue:
    """What a person reviews: an order, and a filter, which an audit does not use."""

    order: str = ORDERS[0]
    photo_filter: GalleryFilter = field(default_factory=GalleryFilter)

    @property
    def key(self) -> str:
        """A short name: the same for the same order and filter."""
        return make_tag(self.order, self.photo_filter.model_dump_json())


@dataclass(frozen=True)
class _ReviewSession:
    """What a person has checked since their last longer pause: rows of `storage.checks_of`, newest
    first, and the pace, None for less than two."""

    checks: Sequence[Any]
    kept: int
    corrected: int
    per_minute: float | None


@dataclass(frozen=True)
class ReviewState:
    """What a reviewer sees: the `cars` that they have leased, the one to check first.

    `left` cars are open in the queue, leased to others too (`more`: at least that number).
    `audit` is None when none was drawn, and in other orders; `size` cars of it are still there.
    """

    cars: Sequence[Car]
    left: int
    more: bool
    session: _ReviewSession
    audit: Audit | None
    size: int


def lease_next(queue: ReviewQueue, *, who: Who, later: Sequence[str] = ()) -> ReviewState:
    """Lease the next cars of a queue to a person for five minutes: nobody else gets them.

    `later` are cars that the person has put aside; they come when nothing else is left.
    """
    session = get_session(who)
    audit = storage.latest_audit() if queue.order == "audit" else None
    scope = _scope(queue, who, audit)
    with writing():
        aside = {*numbers_with(later)}
        leased = storage.still_open(storage.leased(scope.user_id, queue.key), scope)
        ids = [car_id for car_id in leased if car_id not in aside]
        if len(ids) < LEASED:
            ids += storage.next_cars(scope, limit=LEASED - len(ids), without={*ids, *aside})
        if len(ids) < LEASED and aside:
            ids += storage.next_cars(scope, limit=LEASED - len(ids), without={*ids})
        storage.lease(ids, user_id=scope.user_id, queue=queue.key, until=scope.now + _LEASE)
    number, exact = storage.count_open(scope, COUNTING_AUDIT if audit else COUNTING)
    left, size = max(number, len(ids)), storage.audit_size(audit.id) if audit else 0
    return ReviewState(cars_by_number(ids), left, not exact, session, audit, size)


def check_photo(
    public_id: str,
    label: str,
    *,
    queue: ReviewQueue,
    cards: Sequence[ModelCard],
    who: Who,
    why: str = "",
) -> Relabelled:
    """A person says in the review what the main car of a photo is, see `check_car`."""
    which = and_(Photo.public_id == public_id, is_main)
    return _check(which, label, cards, make_stamp(queue, who, why))


def check_car(public_id: str, label: str, cards: Sequence[ModelCard], stamp: Stamp) -> Relabelled:
    """A person says in the review what a car is; confirming what it has is an event too.

    The same label by the same person twice in a row is one event. `cards` are those whose labels
    may be given, the car's own first. The result has one car, which was skipped when the label was
    there before.
    Raises `UnknownLabelError`, `PhotoNotFoundError` or `BadRequestError`.
    """
    return _check(Car.public_id == public_id, label, cards, stamp)


def make_stamp(queue: ReviewQueue, who: Who, why: str = "") -> Stamp:
    """The stamp of a check in a queue: the label log tells audits from the rest."""
    return Stamp(who, "audit" if queue.order == "audit" else "queue", why.strip())


def _check(which: Any, label: str, cards: Sequence[ModelCard], stamp: Stamp) -> Relabelled:
    label, owner = resolve_label(label, cards)
    check_why(stamp.why)
    user_id, batch = _user_id(stamp.who), stamp.batch
    with writing():
        car = find_car(which)
        if car is None:
            raise PhotoNotFoundError(
                "This photo is not there any more: somebody has deleted it. The next one is below."
            )
        model = owner or car.shown_model
        same = car.ground_truth == label and car.truth_model == model
        if same and _labelled_last(car, stamp.who):
            batch = ""
        else:
            record_label(car, label, model, stamp)
            webhook_events.labels_changed(batch)
        storage.release(car.id, user_id)
    return Relabelled(int(not same), int(same), batch, label)


def undo_last(queue: ReviewQueue, *, who: Who) -> Any:
    """Take back the last check of this session and lease that car again. Returns the check,
    a row of `storage.checks_of`. Raises `NothingToUndoError`."""
    user_id, moment = _user_id(who), now()
    checks = _checks(who, moment)
    if not checks:
        raise NothingToUndoError(
            "There is nothing to undo: you have checked nothing in this session, "
            "or taken it all back."
        )
    last = checks[0]
    undo_event(last.event, Stamp(who, UNDO))
    with writing():
        others = [car_id for car_id in storage.leased(user_id, queue.key) if car_id != last.car_id]
        ids = [last.car_id, *others][:LEASED]
        storage.lease(ids, user_id=user_id, queue=queue.key, until=moment + _LEASE)
    return last


def get_session(who: Who) -> _ReviewSession:
    """What a person has checked since their last pause of half an hour."""
    checks = _checks(who, now())
    kept = sum(check.kept for check in checks)
    corrected = sum(not check.kept and check.label not in (UNUSABLE, NO_CAR) for check in checks)
    moments = [check.checked_at for check in checks[:_PACE_OF]]
    seconds = (moments[0] - moments[-1]).total_seconds() if len(moments) > 1 else 0.0
    pace = 60 * (len(moments) - 1) / seconds if seconds else None
    return _ReviewSession(checks, kept, corrected, pace)


def start_audit(size: int, *, who: Who, seed: int | None = None) -> int:
    """Draw a random sample of all answered cars, unless the last one is not done yet; its size.
    Raises `BadRequestError` when there is no photo to draw."""
    if size not in AUDIT_SIZES:
        raise BadRequestError(f"A sample has {', '.join(map(str, AUDIT_SIZES))} photos.")
    with writing():
        running = storage.latest_audit()
        if running is not None:
            scope = _scope(ReviewQueue("audit"), who, running)
            if storage.count_open(scope, COUNTING_AUDIT)[0]:
                return running.size
        number = secrets.randbelow(2**31) if seed is None else seed
        audit = Audit(seed=number, size=size, user_id=who.user_id, who=who.name, created_at=now())
        drawn = storage.draw_audit(audit)
    if not drawn:
        raise BadRequestError("There is no photo to draw from yet. Upload some first.")
    return drawn


def _scope(queue: ReviewQueue, who: Who, audit: Audit | None) -> ReviewScope:
    return ReviewScope(
        queue.order, queue.photo_filter, _user_id(who), audit_id=audit.id if audit else None
    )


def _user_id(who: Who) -> int:
    if who.user_id is None:
        raise NotAllowedError("Only people who have logged in can review.")
    return who.user_id


def _labelled_last(car: Car, who: Who) -> bool:
    last = next((event for event in history_of(car) if event.place != MERGE), None)
    if last is None or last.undoes is not None:
        return False
    return (last.user_id, last.who) == (who.user_id, who.name)


def _checks(who: Who, moment: datetime) -> Sequence[Any]:
    """The checks of this session that were not undone, newest first."""
    rows = storage.checks_of(_user_id(who), who.name, moment - SESSION, _MOST_CHECKS)
    later = moment
    for place, row in enumerate(rows):
        if later - row.checked_at > _PAUSE:
            return rows[:place]
        later = row.checked_at
    return rows
