"""A person says what a car really is: one car or many, each a label event."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_

from webapp.domain import NO_CAR, NONE_OF_THESE, VERDICTS
from webapp.errors import BadRequestError, ModelError, PhotoNotFoundError, UnknownLabelError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import canonical_label, every_label
from webapp.inference.models.registry import Registry
from webapp.services.labels.label_mapping import current_cards, remember_labels
from webapp.services.photos.gallery import NO_SUCH_CAR, absent
from webapp.services.webhooks import events as webhook_events
from webapp.storage.cars import cars as storage
from webapp.storage.cars import state
from webapp.storage.database import writing
from webapp.storage.labels import events
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import bulk
from webapp.storage.stats import counters
from webapp.storage.tables import Car, Photo

MAX_WHY = 500
CHUNK = 2_000  # cars that change in one transaction: uploads come in between


@dataclass(frozen=True)
class Relabelled:
    """What a change did.

    `changed` cars, `skipped` ones (they had the label already, or changed since), the `batch` to
    undo ("" when nothing changed), the canonical `label` that was given ("" for none), and the
    `car` as it is now, where it was one that was named.
    """

    changed: int
    skipped: int
    batch: str
    label: str = ""
    car: Car | None = None


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
        f"Known labels: {', '.join(names)}; or {', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}."
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
    cards = current_cards(cards)
    label = check_label(label, cards)
    return label, model_of(label, cards)


def relabel_photo(
    public_id: str, label: str, cards: Sequence[ModelCard], stamp: Stamp
) -> Relabelled:
    """Give the main car of a photo a ground truth, see `relabel_car`."""
    which = and_(Photo.public_id == public_id, storage.is_main)
    return _relabel(which, label, cards, stamp, public_id)


def relabel_car(public_id: str, label: str, cards: Sequence[ModelCard], stamp: Stamp) -> Relabelled:
    """Give a car a ground truth; one that it has already changes nothing.

    The cards are current ones, see `current_card`. A verdict is about the labels of the model, if
    there is one card; else of the model whose answer the car shows. Raises `UnknownLabelError`,
    `BadRequestError` or `PhotoNotFoundError`.
    """
    return _relabel(Car.public_id == public_id, label, cards, stamp)


def relabel_cars(
    public_ids: Sequence[str], label: str, cards: Sequence[ModelCard], stamp: Stamp
) -> Relabelled:
    """Give several cars a ground truth, as one batch, see `relabel_car`.

    Raises `UnknownLabelError`, `BadRequestError` for no car or too many, and `PhotoNotFoundError`
    when one is gone: then nothing is changed.
    """
    label, model = resolve_label(label, cards)
    check_why(stamp.why)
    if not public_ids:
        raise BadRequestError("No car was picked. Pick one or more, then press the button again.")
    if len(public_ids) > CHUNK:
        raise BadRequestError(f"These are {len(public_ids)} cars; {CHUNK} are the most at a time.")
    with writing():
        numbers = [car.id for car in storage.cars_with(public_ids).values()]
        if len(numbers) < len(set(public_ids)):
            raise PhotoNotFoundError(
                "One of these cars is not there any more. Nothing was changed: load the page again."
            )
        changed = label_cars(numbers, label, model, stamp)
    batch = stamp.batch if changed else ""
    return Relabelled(changed, len(numbers) - changed, batch, label)


def _relabel(
    which: Any,
    label: str,
    cards: Sequence[ModelCard],
    stamp: Stamp,
    photo_id: str = "",
) -> Relabelled:
    label = check_label(label, cards)
    check_why(stamp.why)
    with writing():
        car = storage.find_car(which)
        if car is None:
            raise absent(photo_id) if photo_id else PhotoNotFoundError(NO_SUCH_CAR)
        model = model_of(label, cards) or car.shown_model
        if car.ground_truth == label and (label != NONE_OF_THESE or car.truth_model == model):
            return Relabelled(0, 1, "", label, car)
        record_label(car, label, model, stamp)
        webhook_events.labels_changed(stamp.batch)
    return Relabelled(1, 0, stamp.batch, label, car)


def record_label(car: Car, label: str, model: str | None, stamp: Stamp) -> None:
    """Append one label event inside the caller's transaction, with all that follows from it here.
    `model` is that of the label; the caller checked it and tells webhooks."""
    before = car.ground_truth
    events.add_event(car, label, model, stamp)
    state.set_truth(car, label, model)
    counters.recount([car.id], uncounted=before is None)
    if before is not None:  # nobody disagrees with a first label
        events.refresh_disputed([car.id])
    if NO_CAR in (before, label):
        storage.arrange(car.photo_id)
        storage.find_car(Car.id == car.id)  # reads anew what that has changed
        storage.find_car(Car.photo_id == car.photo_id, storage.is_main)


def label_cars(numbers: Sequence[int], label: str, model: str | None, stamp: Stamp) -> int:
    """Give cars a ground truth inside the caller's transaction; returns how many changed."""
    changed = bulk.label_cars(numbers, label, model, stamp)
    return _after(numbers, changed, stamp)


def confirm_cars(numbers: Sequence[int], wanted: GalleryFilter, stamp: Stamp) -> int:
    """The same with the answers of the model that is meant, where they name a label."""
    changed = bulk.confirm_cars(numbers, wanted, stamp)
    return _after(numbers, changed, stamp)


def take_back(event_ids: Sequence[int], stamp: Stamp) -> int:
    """Take label events back inside the caller's transaction; returns how many cars changed."""
    numbers = bulk.take_back(event_ids, stamp)
    return _after(numbers, len(numbers), stamp)


def _after(numbers: Sequence[int], changed: int, stamp: Stamp) -> int:
    if changed:
        state.refresh(numbers)
        counters.recount(numbers)
        events.refresh_disputed(numbers)
        for photo in storage.photos_with_no_car(stamp.batch, numbers):
            storage.arrange(photo)
        webhook_events.labels_changed(stamp.batch)
    return changed


def remember_label_sets(registry: Registry) -> None:
    """Keep the label sets of all versions that answered here and still have a card."""
    with writing():
        for model, version in events.versions_that_answered():
            with suppress(ModelError):
                remember_labels(registry.published_card(model, version))
