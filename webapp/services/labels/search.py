"""Finding a label by a few letters of its name, an alias or a parent, in any script."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import CurrentLabel, all_labels, as_current, offered
from webapp.storage.photos import photos

_MOST = 24  # labels for a few letters; without any all are shown


def find_labels(text: str, cards: Sequence[ModelCard]) -> list[CurrentLabel]:
    """The offered labels that have every word of `text` somewhere, the best first; without a text
    all of them, by name.

    Upper and lower case, accents and the order of the words do not matter: "skoda rs" finds "Škoda
    Octavia RS". A display name that begins with the text comes first, then names with a word that
    does, then the rest. A label is also found by the names of those that were merged into it, and
    of the one that it was split from.
    """
    words = plain(text).split()
    matches = []
    for card in cards:
        former = _former_names(card) if words else {}
        for label in offered(card):
            place = _place(words, label, former.get(label.name, ()))
            if place is not None:
                matches.append((place, plain(label.display), label))
    matches.sort(key=lambda match: match[:2])
    return [label for *_order, label in matches][: _MOST if words else None]


def examples(labels: Sequence[Label]) -> dict[str, photos.Photo]:
    """For each label its reference photo, else its newest checked photo; others are absent."""
    chosen = {label.name: as_current(label).photo for label in labels}
    kept = photos.photos_by_public_id([photo for photo in chosen.values() if photo])
    references = {name: kept[photo] for name, photo in chosen.items() if photo in kept}
    others = [label.name for label in labels if label.name not in references]
    return photos.latest_photo_of(others) | references


def keyed(cards: Sequence[ModelCard]) -> list[CurrentLabel]:
    """The labels with a key of their own in the review, by key; of two the first model's."""
    labels = [label for card in cards for label in offered(card) if label.key]
    by_key = {label.key: label for label in reversed(labels)}
    return [by_key[key] for key in sorted(by_key)]


def plain(text: str) -> str:
    """A text without case and accents, words apart by single spaces; other scripts stay."""
    letters = (
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
    return " ".join("".join(letter if letter.isalnum() else " " for letter in letters).split())


def _former_names(card: ModelCard) -> dict[str, list[str]]:
    """For each label the names of those that were merged into it, or that it was split from."""
    names: dict[str, list[str]] = defaultdict(list)
    for label in all_labels(card):
        split = card.label(label.split) if label.split else None
        if label.merged:
            names[label.merged] += [label.name, label.display, *label.aliases]
        if split is not None:
            names[label.name] += [split.name, split.display, *split.aliases]
    return names


def _place(words: Sequence[str], label: Label, former: Sequence[str]) -> int | None:
    """How well a label fits: 0 best, None not at all."""
    name = plain(label.display)
    others = (label.name, *label.aliases, label.parent, *former)
    everything = " ".join([name, *map(plain, others)])
    if not all(word in everything for word in words):
        return None
    if name.startswith(" ".join(words)):
        return 0
    beginnings = everything.split()
    return 1 if all(any(text.startswith(word) for text in beginnings) for word in words) else 2
