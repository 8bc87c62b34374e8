"""Finding a label among many by a few letters of its name, an alias or a parent, in any script."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import SeenCard, SeenLabel, offered
from webapp.storage.photos import photos

MOST = 24
"""So many labels are shown for a few letters; without any, all are."""


def find_labels(text: str, cards: Sequence[ModelCard]) -> list[tuple[ModelCard, Label]]:
    """The labels that have every word of `text` somewhere, the best first; without a text all of them, by name.

    Upper and lower case, accents and the order of the words do not matter: "skoda rs" finds "Škoda Octavia RS". A display name that begins
    with the text comes first, then names with a word that does, then the rest. Retired labels are left out. A label is also found by the
    names of those that were merged into it, and of the one that it was split from.
    """
    words = fold(text).split()
    found = []
    for card in cards:
        former = _former_names(card) if words else {}
        for label in offered(card):
            place = _place(words, label, former.get(label.name, ()))
            if place is not None:
                found.append((place, fold(label.display), card, label))
    found.sort(key=lambda one: one[:2])
    return [(card, label) for _place_, _name, card, label in found][: MOST if words else None]


def examples(labels: Sequence[Label]) -> dict[str, photos.Photo]:
    """For each of these labels its reference photo, else its newest photo that somebody has checked; labels without one are absent."""
    chosen = {
        label.name: label.photo for label in labels if isinstance(label, SeenLabel) and label.photo
    }
    kept = photos.photos_by_public_id(list(chosen.values())) if chosen else {}
    found = {name: kept[photo][0] for name, photo in chosen.items() if photo in kept}
    return (
        photos.latest_photo_of([label.name for label in labels if label.name not in found]) | found
    )


def keyed(cards: Sequence[ModelCard]) -> list[SeenLabel]:
    """The labels that have a key of their own in the review, by key; of two with the same key the first model's."""
    labels = [
        label
        for card in cards
        for label in offered(card)
        if isinstance(label, SeenLabel) and label.key
    ]
    return sorted(
        {label.key: label for label in reversed(labels)}.values(), key=lambda one: one.key
    )


def fold(text: str) -> str:
    """A text without case and accents, words apart by single spaces. Letters of other scripts stay what they are."""
    plain = "".join(
        one
        for one in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(one)
    )
    return " ".join("".join(one if one.isalnum() else " " for one in plain).split())


def _former_names(card: ModelCard) -> dict[str, list[str]]:
    """For each label the names of the labels that read as it since they were merged, or that it was split from."""
    found: dict[str, list[str]] = defaultdict(list)
    for label in card.labels if not isinstance(card, SeenCard) else (*card.labels, *card.added):
        if not isinstance(label, SeenLabel):
            continue
        if label.merged:
            found[label.merged] += [label.name, label.display, *label.aliases]
        split = card.label(label.split) if label.split else None
        if split is not None:
            found[label.name] += [split.name, split.display, *split.aliases]
    return found


def _place(words: Sequence[str], label: Label, former: Sequence[str]) -> int | None:
    """How well a label fits: 0 best, None not at all."""
    name = fold(label.display)
    everything = " ".join(
        [name, *(fold(one) for one in (label.name, *label.aliases, label.parent, *former))]
    )
    if not all(word in everything for word in words):
        return None
    text = " ".join(words)
    if name.startswith(text):
        return 0
    beginnings = everything.split()
    return 1 if all(any(one.startswith(word) for one in beginnings) for word in words) else 2
