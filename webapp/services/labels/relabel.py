"""A person says what the car really is, and takes it back."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from webapp.domain import NONE_OF_THESE, VERDICTS, Who
from webapp.errors import (
    BadRequestError,
    ModelError,
    NothingToUndoError,
    PhotoNotFoundError,
    UnknownLabelError,
)
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label, reads_as
from webapp.inference.models.registry import Registry
from webapp.services.labels.label_mapping import remember_labels, today
from webapp.services.webhooks import events as webhook_events
from webapp.storage.database import writing
from webapp.storage.labels import events as storage
from webapp.storage.photos import bulk as many
from webapp.storage.photos import photos
from webapp.storage.photos.bulk import Stamp
from webapp.storage.tables import LabelEvent, Photo

MAX_WHY = 500
MAX_AT_ONCE = 500
CHUNK = 2_000
"""Photos that change in one transaction: many enough to be quick, few enough that uploads come in between."""


@dataclass(frozen=True)
class Relabelled:
    """What a change did: `changed` photos, `skipped` ones (they had the label already, or changed since), and the batch to undo.

    `batch` is "" when nothing changed. `label` is the label that was given, as it reads today; "" where there is none to tell.
    """

    changed: int
    skipped: int
    batch: str
    label: str = ""


def check_label(label: str, *cards: ModelCard) -> str:
    """The label as it reads today: itself, or the one that it was merged into. Raises `UnknownLabelError` when it is neither a label of
    one of the cards nor a verdict; the message lists what is."""
    seen = [today(card) for card in cards]
    known = next((card for card in seen if card.label(label) is not None), None)
    if known is not None:
        return reads_as(known, label)
    if label in VERDICTS:
        return label
    names = [one.name for card in seen for one in every_label(card)]
    listed = (
        ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:10])} … ({len(names)} in all)"
    )
    whose = "" if len(cards) != 1 else f" of {cards[0].name}"
    raise UnknownLabelError(
        f"There is no label {label[:80]!r}{whose}. Known labels: {listed}; or {' or '.join(VERDICTS)}."
    )


def check_why(why: str) -> None:
    """Raise `BadRequestError` when a reason is too long."""
    if len(why) > MAX_WHY:
        raise BadRequestError(f"The reason is longer than {MAX_WHY} characters.")


def model_of(label: str, *cards: ModelCard) -> str | None:
    """The model whose label this is, None when a verdict is about the labels of several."""
    known = [card.name for card in map(today, cards) if card.label(label) is not None]
    return known[0] if known else cards[0].name if len(cards) == 1 else None


def relabel_photos(
    public_ids: Sequence[str],
    label: str,
    *,
    card: ModelCard,
    others: Sequence[ModelCard] = (),
    who: Who,
    place: str,
    why: str = "",
) -> Relabelled:
    """Give photos a ground truth, all in one transaction and one batch. A photo that has the label already is skipped.

    The label is one of `card` or `others`; a merged one is taken as the one that it reads as. A verdict is about the labels of `card`;
    when there are others too, about those of the model whose answer each photo shows. Raises `UnknownLabelError`, `PhotoNotFoundError`
    (one of the ids is unknown: nothing is changed) or `BadRequestError`.
    """
    label = check_label(label, card, *others)
    wanted = list(dict.fromkeys(public_ids))
    if not wanted:
        raise BadRequestError(
            "No photo was selected. Select one or more, then press the button again."
        )
    if len(wanted) > MAX_AT_ONCE:
        raise BadRequestError(
            f"These are {len(wanted)} photos; {MAX_AT_ONCE} are the most at a time."
        )
    check_why(why)
    batch = new_batch()
    changed = 0
    with writing():
        found = photos.photos_by_public_id(wanted)
        for public_id in wanted:
            if public_id not in found:
                raise PhotoNotFoundError(
                    "One of these photos is not there any more. Nothing was changed: load the page again."
                )
            photo = found[public_id][0]
            model = model_of(label, card, *others) or (
                photo.prediction.model if photo.prediction else None
            )
            if photo.ground_truth != label or (
                label == NONE_OF_THESE and photo.truth_model != model
            ):
                record_label(photo, label, model=model, who=who, place=place, why=why, batch=batch)
                changed += 1
    return Relabelled(changed, len(wanted) - changed, batch if changed else "", label)


def record_label(
    photo: Photo,
    label: str | None,
    *,
    model: str | None = None,
    who: Who,
    place: str,
    why: str = "",
    batch: str = "",
    told: bool = True,
) -> None:
    """Append one label event inside the caller's transaction; the caller checked the label. `model` is the one whose label it is.

    Webhooks are `told`, unless the label came with the photo.
    """
    event = LabelEvent(
        to_label=label,
        to_model=model,
        user_id=who.user_id,
        who=who.name,
        why=why,
        place=place,
        batch=batch or new_batch(),
        undoes=None,
    )
    storage.add_event(event, photo)
    if told:
        webhook_events.labels_changed(event.batch)


def remember_label_sets(registry: Registry) -> None:
    """Keep the label sets of all versions that ever answered here and still have a card: after an upgrade some may be incomplete."""
    with writing():
        for model, version in storage.versions_that_answered():
            with suppress(ModelError):
                remember_labels(registry.published_card(model, version))


def undo_batch(batch: str, *, who: Who, place: str) -> Relabelled:
    """Take an action back: labels get those from before (as events in a batch of its own), deleted photos return, stars change back.

    Photos that were relabelled again since are skipped. Undoing an undo of labels works the same way. Raises `NothingToUndoError` when
    nothing of the batch stands any more.
    """
    stamp = Stamp(new_batch(), who, place)
    changed = skipped = last = 0
    while True:
        with writing():
            events = many.standing_numbers(batch, last, CHUNK)
            back = many.take_back(events, stamp) if events else 0
            if back:
                webhook_events.labels_changed(stamp.batch)
        if not events:
            break
        changed, skipped, last = changed + back, skipped + len(events) - back, events[-1]
    if changed:
        return Relabelled(changed, skipped, stamp.batch)
    with writing():
        changed = photos.restore(Photo.deleted_batch == batch) or many.unstar_batch(batch)
    if not changed:
        raise NothingToUndoError(
            "There is nothing to undo: it was undone already, or these photos were relabelled since."
        )
    return Relabelled(changed, 0, "")


def new_batch() -> str:
    """A fresh batch id: what was done together is undone together."""
    return secrets.token_urlsafe(9)
