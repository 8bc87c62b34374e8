"""Taking labels back: a batch, one event, or all that a person did since a time.

Undo is one more event; what others said since stays. A merge is undone on the page of its label.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest

from webapp.domain import MERGE
from webapp.errors import NothingToUndoError
from webapp.services.labels.relabel import CHUNK, Relabelled, take_back
from webapp.storage.database import writing
from webapp.storage.labels import events as storage
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import bulk
from webapp.storage.photos.deletion import restore
from webapp.storage.tables import LabelEvent, Photo

_AT_ONCE = 500  # cars that change in one transaction
NOTHING = "There is nothing to undo: it was undone already, or these photos were relabelled since."
OF_A_MERGE = (
    "This label comes from a merge of labels. Undo the merge on the page of the label that was "
    "merged: it takes back all of it."
)


def undo_batch(batch: str, stamp: Stamp) -> Relabelled:
    """Take an action back: labels get those from before (as events in the batch of `stamp`),
    deleted photos return, stars change back.

    Cars that were relabelled again since are skipped. Undoing an undo of labels works the same
    way. Raises `NothingToUndoError` when nothing of the batch stands any more.
    """
    if storage.is_merge(batch):
        raise NothingToUndoError(OF_A_MERGE)
    changed = skipped = last = 0
    while True:
        with writing():
            events = bulk.standing_numbers(batch, last, CHUNK)
            back = take_back(events, stamp)
        if not events:
            break
        changed, skipped, last = changed + back, skipped + len(events) - back, events[-1]
    if changed:
        return Relabelled(changed, skipped, stamp.batch)
    with writing():
        changed = restore(Photo.deleted_batch == batch) or bulk.unstar_batch(batch)
    if not changed:
        raise NothingToUndoError(NOTHING)
    return Relabelled(changed, 0, "")


def undo_event(event_id: int, stamp: Stamp) -> Relabelled:
    """Take one event back, and leave the rest of its batch. Raises `NothingToUndoError`."""
    with writing():
        history = storage.history_with(event_id)
        event = next((event for event in history if event.id == event_id), None)
        if event is not None and event.place == MERGE:
            raise NothingToUndoError(OF_A_MERGE)
        if event is None or not _is_last(event, history) or not take_back([event_id], stamp):
            raise NothingToUndoError(NOTHING)
    return Relabelled(1, 0, stamp.batch)


def undo_person(name: str, since: datetime, stamp: Stamp) -> Relabelled:
    """Take back all labels by the person called `name` since a time, also what they took back.

    Numbers are of label events; `skipped` are those of cars that others have relabelled since. It
    is done 500 cars at a time, each part committed, all in one batch. When it is cut short,
    asking again does the rest. Raises `NothingToUndoError`.
    """
    changed = skipped = 0
    for car_ids in _cars_labelled_by(name, since):
        with writing():
            taken, left = _theirs(car_ids, name, since)
            for events in zip_longest(*taken):
                changed += take_back([event.id for event in events if event is not None], stamp)
            skipped += left
    if not changed:
        raise NothingToUndoError(NOTHING)
    return Relabelled(changed, skipped, stamp.batch)


def count_undo_person(name: str, since: datetime) -> Relabelled:
    """What `undo_person` would do now. Changes nothing."""
    changed = skipped = 0
    for car_ids in _cars_labelled_by(name, since):
        taken, left = _theirs(car_ids, name, since)
        changed, skipped = changed + sum(map(len, taken)), skipped + left
    return Relabelled(changed, skipped, "")


def _cars_labelled_by(name: str, since: datetime) -> Iterator[Sequence[int]]:
    car_ids = storage.cars_labelled_by(name, since)
    for start in range(0, len(car_ids), _AT_ONCE):
        yield car_ids[start : start + _AT_ONCE]


def _theirs(
    car_ids: Sequence[int], name: str, since: datetime
) -> tuple[list[list[LabelEvent]], int]:
    """The standing events of a person since a time that can be taken back one after the other, for
    each car the newest first, and how many of theirs are left.

    Somebody who takes an own label back has done nothing.
    """
    taken, number = list[list[LabelEvent]](), 0
    for history in storage.histories_of(car_ids):
        own = {event.id for event in history if event.who == name}
        standing = _standing(history)
        theirs = [
            event
            for event in history
            if event.id in own & standing
            and event.created_at >= since
            and event.place != MERGE
            and event.undoes not in own
        ]
        left, chain = list(history), []
        for event in theirs:
            if not _is_last(event, left):
                break
            chain.append(event)
            left.remove(event)
        taken.append(chain)
        number += len(theirs) - len(chain)
    return taken, number


def _is_last(event: LabelEvent, history: Sequence[LabelEvent]) -> bool:
    """True when an event stands and nobody has relabelled the car since, merges left out."""
    standing = _standing(history)
    return event.id in standing and not any(
        later.id > event.id
        and later.undoes is None
        and later.place != MERGE
        and later.id in standing
        for later in history
    )


def _standing(history: Sequence[LabelEvent]) -> set[int]:
    """The events of a car that nobody has undone, or whose undo was undone."""
    standing: set[int] = set()
    undone: set[int] = set()
    for event in history:
        if event.id in undone:
            continue
        standing.add(event.id)
        if event.undoes is not None:
            undone.add(event.undoes)
    return standing
