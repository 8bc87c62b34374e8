"""Taking back single labels, and all that a person did since a time. Undo is one more event; what others said since stays."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from webapp.domain import Who
from webapp.errors import NothingToUndoError
from webapp.services.labels.relabel import Relabelled, new_batch
from webapp.services.webhooks import events as webhook_events
from webapp.storage.database import writing
from webapp.storage.labels import events as storage
from webapp.storage.tables import LabelEvent

AT_ONCE = 500
"""Photos that change in one transaction."""
NOTHING = "There is nothing to undo: it was undone already, or these photos were relabelled since."


def undo_event(event_id: int, *, who: Who, place: str) -> Relabelled:
    """Take one event back, and leave what was done together with it. Raises `NothingToUndoError`."""
    batch = new_batch()
    with writing():
        event = storage.find_event(event_id)
        story = (
            storage.stories_of([event.photo_id])[event.photo_id] if event and event.photo_id else []
        )
        found = next((one for one in story if one.id == event_id), None)
        if found is None or not _is_last(found, story):
            raise NothingToUndoError(NOTHING)
        _take_back(found, who, place, batch)
    return Relabelled(1, 0, batch)


def undo_person(name: str, since: datetime, *, who: Who, place: str) -> Relabelled:
    """Take back everything that the person called `name` did since a time: labels, and what they took back of others.

    Numbers are of label events; `skipped` are those of photos that others have relabelled since. It is done in parts of 500 photos,
    each committed, all in one batch. When it is cut short, asking again does the rest. Raises `NothingToUndoError`.
    """
    batch = new_batch()
    changed = skipped = 0
    for photo_ids in _parts(storage.photos_labelled_by(name, since)):
        with writing():
            for story in storage.stories_of(photo_ids).values():
                theirs = _deeds(story, name, since)
                taken = _unwind(story, theirs)
                for event in taken:
                    _take_back(event, who, place, batch)
                changed, skipped = changed + len(taken), skipped + len(theirs) - len(taken)
    if not changed:
        raise NothingToUndoError(NOTHING)
    return Relabelled(changed, skipped, batch)


def count_undo_person(name: str, since: datetime) -> Relabelled:
    """What `undo_person` would do now. Changes nothing."""
    changed = skipped = 0
    for photo_ids in _parts(storage.photos_labelled_by(name, since)):
        for story in storage.stories_of(photo_ids).values():
            theirs = _deeds(story, name, since)
            taken = len(_unwind(story, theirs))
            changed, skipped = changed + taken, skipped + len(theirs) - taken
    return Relabelled(changed, skipped, "")


def _deeds(story: Sequence[LabelEvent], name: str, since: datetime) -> list[LabelEvent]:
    """What a person did since a time to one photo and stands, newest first. Who takes back an own word has done nothing."""
    own = {one.id for one in story if one.who == name}
    standing = _standing(story)
    return [
        one
        for one in story
        if one.id in standing
        and one.who == name
        and one.created_at >= since
        and one.undoes not in own
    ]


def _unwind(story: Sequence[LabelEvent], wanted: Sequence[LabelEvent]) -> list[LabelEvent]:
    """Those of the wanted events that can be taken back one after the other, newest first, until something else stands in the way."""
    left = list(story)
    taken = []
    for event in wanted:
        if not _is_last(event, left):
            break
        taken.append(event)
        left.remove(event)
    return taken


def _is_last(event: LabelEvent, story: Sequence[LabelEvent]) -> bool:
    """True when an event stands and no word after it does. `story` is newest first."""
    standing = _standing(story)
    return event.id in standing and not any(
        one.id > event.id and one.undoes is None and one.id in standing for one in story
    )


def _standing(story: Sequence[LabelEvent]) -> set[int]:
    """The events of a photo that nobody has undone, or whose undo was undone. `story` is newest first."""
    standing: set[int] = set()
    undone: set[int] = set()
    for event in story:
        if event.id in undone:
            continue
        standing.add(event.id)
        if event.undoes is not None:
            undone.add(event.undoes)
    return standing


def _take_back(event: LabelEvent, who: Who, place: str, batch: str) -> None:
    back = LabelEvent(
        to_label=event.from_label,
        to_model=event.from_model,
        user_id=who.user_id,
        who=who.name,
        why="",
        place=place,
        batch=batch,
        undoes=event.id,
    )
    if event.photo is not None:
        storage.add_event(back, event.photo)
        webhook_events.labels_changed(batch)


def _parts(photo_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(photo_ids), AT_ONCE):
        yield photo_ids[start : start + AT_ONCE]
