"""A person says what the car really is, and takes it back."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.errors import BadRequestError, NothingToUndoError, PhotoNotFoundError, UnknownLabelError
from webapp.inference.card import ModelCard
from webapp.storage import labels as storage
from webapp.storage import photos
from webapp.storage.database import writing
from webapp.storage.tables import LabelEvent, Photo
from webapp.values import VERDICTS, Who

MAX_WHY = 500
MAX_AT_ONCE = 500


@dataclass(frozen=True)
class Relabelled:
    """What a change did: `changed` photos, `skipped` ones (they had the label already, or changed since), and the batch to undo.

    `batch` is "" when nothing changed.
    """

    changed: int
    skipped: int
    batch: str


def check_label(label: str, card: ModelCard) -> None:
    """Raise `UnknownLabelError` when `label` is neither a label of the card nor a verdict. The message lists what is."""
    if label in VERDICTS or card.label(label) is not None:
        return
    names = card.label_names
    known = ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:10])} … ({len(names)} in all)"
    raise UnknownLabelError(f"There is no label {label[:80]!r}. Known labels: {known}; or {' or '.join(VERDICTS)}.")


def relabel_photos(public_ids: Sequence[str], label: str, *, card: ModelCard, who: Who, place: str, why: str = "") -> Relabelled:
    """Give photos a ground truth, all in one transaction and one batch. A photo that has the label already is skipped.

    Raises `UnknownLabelError`, `PhotoNotFoundError` (one of the ids is unknown: nothing is changed) or `BadRequestError`.
    """
    check_label(label, card)
    wanted = list(dict.fromkeys(public_ids))
    if not wanted:
        raise BadRequestError("No photo was selected. Select one or more, then press the button again.")
    if len(wanted) > MAX_AT_ONCE:
        raise BadRequestError(f"These are {len(wanted)} photos; {MAX_AT_ONCE} are the most at a time.")
    if len(why) > MAX_WHY:
        raise BadRequestError(f"The reason is longer than {MAX_WHY} characters.")
    batch = new_batch()
    changed = 0
    with writing():
        found = photos.photos_by_public_id(wanted)
        for public_id in wanted:
            if public_id not in found:
                raise PhotoNotFoundError("One of these photos is not there any more. Nothing was changed: load the page again.")
            photo = found[public_id][0]
            if photo.ground_truth != label:
                record_label(photo, label, who=who, place=place, why=why, batch=batch)
                changed += 1
    return Relabelled(changed, len(wanted) - changed, batch if changed else "")


def record_label(photo: Photo, label: str | None, *, who: Who, place: str, why: str = "", batch: str = "") -> None:
    """Append one label event inside the caller's transaction; the caller checked the label."""
    event = LabelEvent(to_label=label, user_id=who.user_id, who=who.name, why=why, place=place, batch=batch or new_batch(), undoes=None)
    storage.add_event(event, photo)


def undo_batch(batch: str, *, who: Who, place: str) -> Relabelled:
    """Take a batch back: each of its photos gets the label it had before, as one more event in a batch of its own.

    Photos that were relabelled again since are skipped. Undoing an undo works the same way. Raises `NothingToUndoError` when
    nothing of the batch stands any more.
    """
    undo = new_batch()
    changed = skipped = 0
    with writing():
        for event in storage.standing_events(batch):
            photo = event.photo
            if photo is None or not _is_last(event, photo):
                skipped += 1
                continue
            back = LabelEvent(
                to_label=event.from_label, user_id=who.user_id, who=who.name, why="", place=place, batch=undo, undoes=event.id
            )
            storage.add_event(back, photo)
            changed += 1
        if not changed:
            raise NothingToUndoError("There is nothing to undo: it was undone already, or these photos were relabelled since.")
    return Relabelled(changed, skipped, undo)


def new_batch() -> str:
    """A fresh batch id: what was done together is undone together."""
    return secrets.token_urlsafe(9)


def _is_last(event: LabelEvent, photo: Photo) -> bool:
    history = storage.events_of(photo)
    return bool(history) and history[0].id == event.id
