"""A person says what a car really is: one photo or many, each a label event."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from webapp.domain import NONE_OF_THESE, VERDICTS
from webapp.errors import BadRequestError, ModelError, UnknownLabelError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import canonical_label, every_label
from webapp.inference.models.registry import Registry
from webapp.services.labels.label_mapping import current_card, remember_labels
from webapp.services.photos.gallery import absent
from webapp.services.webhooks import events as webhook_events
from webapp.storage.database import writing
from webapp.storage.labels import events
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import bulk, photos
from webapp.storage.stats import counters
from webapp.storage.tables import Photo

MAX_WHY = 500
CHUNK = 2_000  # photos that change in one transaction: uploads come in between


@dataclass(frozen=True)
class Relabelled:
    """What a change did.

    `changed` photos, `skipped` ones (they had the label already, or changed since), the `batch` to
    undo ("" when nothing changed), the canonical `label` that was given ("" for none), and the
    `photo` as it is now, where it was one that was named.
    """

    changed: int
    skipped: int
    batch: str
    label: str = ""
    photo: Photo | None = None


def check_label(label: str, cards: Sequence[ModelCard]) -> str:
    """The canonical label of one of the cards, which are current ones, or a verdict.

    Raises `UnknownLabelError`, which lists the labels.
    """
    for card in cards:
        if card.label(label) is not None:
            return canonical_label(card, label)
    if label in VERDICTS:
        return label
    names = [known.name for card in cards for known in every_label(card)]
    if len(names) > 20:
        names = [", ".join(names[:10]) + f" … ({len(names)} in all)"]
    whose = f" of {cards[0].name}" if len(cards) == 1 else ""
    raise UnknownLabelError(
        f"There is no label {label[:80]!r}{whose}. "
        f"Known labels: {', '.join(names)}; or {' or '.join(VERDICTS)}."
    )


def check_why(why: str) -> None:
    """Raise `BadRequestError` when a reason is too long."""
    if len(why) > MAX_WHY:
        raise BadRequestError(f"The reason is longer than {MAX_WHY} characters.")


def model_of(label: str, cards: Sequence[ModelCard]) -> str | None:
    """The model whose label this is, None when a verdict is about the labels of several."""
    known = [card.name for card in cards if card.label(label) is not None]
    return known[0] if known else cards[0].name if len(cards) == 1 else None


def resolve_label(label: str, cards: Sequence[ModelCard]) -> tuple[str, str | None]:
    """The canonical label with its model, see `check_label` and `model_of`, as cards read now."""
    cards = [current_card(card) for card in cards]
    label = check_label(label, cards)
    return label, model_of(label, cards)


def relabel_photo(
    public_id: str, label: str, cards: Sequence[ModelCard], stamp: Stamp
) -> Relabelled:
    """Give a photo a ground truth; one that it has already changes nothing.

    The cards are current ones, see `current_card`. A verdict is about the labels of the model, if
    there is one card; else of the model whose answer the photo shows. Raises `UnknownLabelError`,
    `BadRequestError` or `PhotoNotFoundError`.
    """
    label = check_label(label, cards)
    check_why(stamp.why)
    with writing():
        photo = photos.find_photo(Photo.public_id == public_id)
        if photo is None:
            raise absent(public_id)
        model = model_of(label, cards) or photo.shown_model
        if photo.ground_truth == label and (label != NONE_OF_THESE or photo.truth_model == model):
            return Relabelled(0, 1, "", label, photo)
        record_label(photo, label, model, stamp)
        webhook_events.labels_changed(stamp.batch)
    return Relabelled(1, 0, stamp.batch, label, photo)


def record_label(photo: Photo, label: str, model: str | None, stamp: Stamp) -> None:
    """Append one label event inside the caller's transaction, with all that follows from it here.
    `model` is that of the label; the caller checked it and tells webhooks."""
    first = photo.ground_truth is None
    events.add_event(photo, label, model, stamp)
    photos.set_truth(photo, label, model)
    counters.recount([photo.id], uncounted=first)
    if not first:  # nobody disagrees with a first label
        events.refresh_disputed([photo.id])


def label_photos(numbers: Sequence[int], label: str, model: str | None, stamp: Stamp) -> int:
    """Give photos a ground truth inside the caller's transaction; returns how many changed."""
    changed = bulk.label_photos(numbers, label, model, stamp)
    return _after(numbers, changed, stamp)


def confirm_photos(numbers: Sequence[int], wanted: GalleryFilter, stamp: Stamp) -> int:
    """The same with the answers of the model that is meant, where they name a label."""
    changed = bulk.confirm_photos(numbers, wanted, stamp)
    return _after(numbers, changed, stamp)


def take_back(event_ids: Sequence[int], stamp: Stamp) -> int:
    """Take label events back inside the caller's transaction; returns how many photos changed."""
    numbers = bulk.take_back(event_ids, stamp)
    return _after(numbers, len(numbers), stamp)


def _after(numbers: Sequence[int], changed: int, stamp: Stamp) -> int:
    if changed:
        photos.refresh_outcomes(numbers)
        counters.recount(numbers)
        events.refresh_disputed(numbers)
        webhook_events.labels_changed(stamp.batch)
    return changed


def remember_label_sets(registry: Registry) -> None:
    """Keep the label sets of all versions that answered here and still have a card."""
    with writing():
        for model, version in events.versions_that_answered():
            with suppress(ModelError):
                remember_labels(registry.published_card(model, version))
