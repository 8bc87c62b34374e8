"""The review: one photo at a time lies on a person's desk, gets its label, and the next one comes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from webapp.domain import MERGE, UNDO, UNUSABLE, Who, make_tag
from webapp.errors import BadRequestError, NotAllowedError, NothingToUndoError, PhotoNotFoundError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import ModelCard
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.relabel import check_label, check_why, model_of, record_label
from webapp.services.labels.undo import undo_event
from webapp.storage.database import writing
from webapp.storage.labels.events import Stamp, events_of
from webapp.storage.photos import photos
from webapp.storage.review import queue as storage
from webapp.storage.tables import Audit, Photo, now

ORDERS = ("least-sure", "margin", "surprising", "versions", "suspected", "disputed", "audit")
"""In what order photos come; what each means is said in `webapp.storage.review.queue`, and for people in docs/review.md."""

AHEAD = 5
"""Photos on a desk: the one that is shown, and the next ones, whose pictures the browser fetches meanwhile."""
LEASE = timedelta(minutes=5)
"""A desk that nobody touches for so long is cleared for the others."""
PAUSE = timedelta(minutes=30)
"""A longer pause ends a sitting."""
SITTING = timedelta(hours=12)
MOST_CHECKS = 2000
"""A sitting counts so many photos, the newest ones."""
PACE_OF = 20
"""The pace is that of so many last photos."""
COUNTING, COUNTING_AUDIT = 0.05, 5.0
"""Seconds that counting what is left may take. An audit is counted to the end: it has a thousand photos at most."""
AUDIT_SIZES = (50, 100, 200, 400, 1000)


@dataclass(frozen=True)
class Queue:
    """What a person reviews: an order, and a filter (which an audit leaves aside)."""

    order: str = ORDERS[0]
    wanted: GalleryFilter = field(default_factory=GalleryFilter)

    @property
    def key(self) -> str:
        """A short name: the same for the same order and filter."""
        return make_tag(self.order, self.wanted.model_dump_json())

    @property
    def place(self) -> str:
        """Where the label log says that its labels were given."""
        return "audit" if self.order == "audit" else "queue"


@dataclass(frozen=True)
class Check:
    """A photo that was checked in this sitting: `kept` when its label is the first one of the answer."""

    public_id: str
    label: str
    kept: bool
    at: datetime


@dataclass(frozen=True)
class Sitting:
    """What a person has checked since their last longer pause, newest first. `a_minute` is the pace, None for less than two photos."""

    checks: Sequence[Check]
    kept: int
    corrected: int
    a_minute: float | None


@dataclass(frozen=True)
class Progress:
    """How far an audit is: `done` of `size`, drawn by `who` at `at`."""

    done: int
    size: int
    who: str
    at: datetime


@dataclass(frozen=True)
class Desk:
    """What a reviewer sees: the photo to check (None when there is none), the ones after it, and how many are `left` in the queue, on
    other desks too (`more`: at least so many). `audit` is None when none was drawn, and in other orders."""

    photo: Photo | None
    coming: Sequence[Photo]
    left: int
    more: bool
    sitting: Sitting
    audit: Progress | None


@dataclass(frozen=True)
class Checked:
    """What a decision did: the label, whether it was there before, whether it is the answer's first, and the batch to undo."""

    label: str
    same: bool
    kept: bool
    batch: str


def open_desk(queue: Queue, *, who: Who, later: Sequence[str] = ()) -> Desk:
    """Give a person the next photos of a queue, for five minutes from now: as long, nobody else gets them.

    `later` are photos that the person has put aside; they come when nothing else is left.
    """
    sitting = get_sitting(who)
    audit = storage.latest_audit() if queue.order == "audit" else None
    scope = _scope(queue, who, audit)
    with writing():
        aside = storage.ids_of(later)
        ids = [one for one in storage.desk_of(scope.user_id, queue.key) if one not in aside]
        still = storage.still_open(ids, scope)
        ids = [one for one in ids if one in still]
        ids += (
            storage.next_photos(scope, limit=AHEAD - len(ids), without={*ids, *aside})
            if len(ids) < AHEAD
            else []
        )
        ids += (
            storage.next_photos(scope, limit=AHEAD - len(ids), without=set(ids))
            if len(ids) < AHEAD and aside
            else []
        )
        storage.lay_on_desk(ids, user_id=scope.user_id, queue=queue.key, until=scope.now + LEASE)
    number, exact = storage.count_open(scope, seconds=COUNTING_AUDIT if audit else COUNTING)
    left = max(number, len(ids))
    found = storage.photos_by_id(ids)
    return Desk(
        photo=found[0] if found else None,
        coming=found[1:],
        left=left,
        more=not exact,
        sitting=sitting,
        audit=_progress(audit, left) if audit else None,
    )


def check_photo(
    public_id: str,
    label: str,
    *,
    queue: Queue,
    card: ModelCard,
    others: Sequence[ModelCard] = (),
    who: Who,
    why: str = "",
) -> Checked:
    """A person says in the review what a photo shows. Saying what it was said to be before is remembered too: it was checked.

    The same word of the same person twice in a row is one. Raises `UnknownLabelError`, `PhotoNotFoundError` or `BadRequestError`.
    """
    cards = [current_card(each) for each in (card, *others)]
    label = check_label(label, cards)
    check_why(why)
    user_id, stamp = _user(who), Stamp(who, queue.place, why.strip())
    with writing():
        row = photos.find_photo(public_id)
        if row is None:
            raise PhotoNotFoundError(
                "This photo is not there any more: somebody has deleted it. The next one is below."
            )
        photo, batch = row[0], stamp.batch
        model = model_of(label, cards) or photo.shown_model
        same = photo.ground_truth == label and photo.truth_model == model
        kept = photo.prediction is not None and storage.is_right_answer(photo.prediction, label)
        if same and _said_last(photo, who):
            batch = ""
        else:
            record_label(photo, label, model, stamp)
        storage.give_back(photo.id, user_id)
    return Checked(label, same=same, kept=kept, batch=batch)


def undo_last(queue: Queue, *, who: Who) -> tuple[str, str]:
    """Take back what a person checked last in this sitting, and put that photo first on the desk. Returns its id and the label it had.

    Raises `NothingToUndoError`.
    """
    user_id, moment = _user(who), now()
    last = _checks(who, moment)[:1]
    if not last:
        raise NothingToUndoError(
            "There is nothing to undo: you have checked nothing in this sitting, or taken it all back."
        )
    undo_event(last[0].event, Stamp(who, UNDO))
    with writing():
        rest = [one for one in storage.desk_of(user_id, queue.key) if one != last[0].photo_id]
        storage.lay_on_desk(
            [last[0].photo_id, *rest][:AHEAD],
            user_id=user_id,
            queue=queue.key,
            until=moment + LEASE,
        )
    return str(last[0].public_id), str(last[0].label)


def get_sitting(who: Who) -> Sitting:
    """What a person has checked since their last pause of half an hour."""
    checks = [
        Check(one.public_id, one.label, one.label == one.first, one.at)
        for one in _checks(who, now())
    ]
    kept = sum(one.kept for one in checks)
    corrected = sum(not one.kept and one.label != UNUSABLE for one in checks)
    return Sitting(checks, kept, corrected, _pace([one.at for one in checks[:PACE_OF]]))


def start_audit(size: int, *, who: Who, seed: int | None = None) -> int:
    """Draw a random sample of all answered photos, unless the last one is not done yet. Returns how many photos it has.

    Raises `BadRequestError` when there is no photo to draw.
    """
    if size not in AUDIT_SIZES:
        raise BadRequestError(f"A sample has {', '.join(str(one) for one in AUDIT_SIZES)} photos.")
    with writing():
        running = storage.latest_audit()
        if (
            running is not None
            and storage.count_open(_scope(Queue("audit"), who, running), seconds=COUNTING_AUDIT)[0]
        ):
            return running.size
        number = secrets.randbelow(2**31) if seed is None else seed
        drawn = storage.draw_audit(
            Audit(seed=number, size=size, user_id=who.user_id, who=who.name, created_at=now())
        )
    if not drawn:
        raise BadRequestError("There is no photo to draw from yet. Upload some first.")
    return drawn


def _scope(queue: Queue, who: Who, audit: Audit | None) -> storage.Scope:
    moment = now()
    return storage.Scope(
        queue.order, queue.wanted, _user(who), moment, moment - SITTING, audit.id if audit else None
    )


def _user(who: Who) -> int:
    if who.user_id is None:
        raise NotAllowedError("Only people who have logged in can review.")
    return who.user_id


def _said_last(photo: Photo, who: Who) -> bool:
    events = [event for event in events_of(photo) if event.place != MERGE]
    return (
        bool(events)
        and events[0].undoes is None
        and (events[0].user_id, events[0].who) == (who.user_id, who.name)
    )


def _checks(who: Who, moment: datetime) -> Sequence[Any]:
    """The checks of this sitting that stand, newest first."""
    found = storage.checks_of(_user(who), who.name, moment - SITTING, MOST_CHECKS)
    later = [moment, *(one.at for one in found)]
    pause = next(
        (place for place, one in enumerate(found) if later[place] - one.at > PAUSE), len(found)
    )
    return found[:pause]


def _pace(moments: Sequence[datetime]) -> float | None:
    """Photos a minute between the first and the last of these moments, newest first."""
    seconds = (moments[0] - moments[-1]).total_seconds() if len(moments) > 1 else 0.0
    return 60 * (len(moments) - 1) / seconds if seconds else None


def _progress(audit: Audit, left: int) -> Progress:
    size = storage.audit_size(audit.id)
    return Progress(size - left, size, audit.who, audit.created_at)
