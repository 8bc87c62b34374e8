"""A model's labels as people see them: what its card says, with the changes that were made since laid over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from webapp.inference.card import Label, ModelCard

KINDS = ("name", "parent", "color", "aliases", "key", "photo", "retired")
"""What can be changed. Values are texts: `aliases` one on each line, `key` a key of the keyboard, `photo` an id, `retired` "yes"."""
Overlay = Mapping[str, Mapping[str, str]]
"""For each changed label its values by kind."""


@dataclass(frozen=True)
class SeenLabel(Label):
    """A label with what no card knows: the `key` that gives it in a review, its reference `photo` (an id), and whether it is `retired`.

    A retired label is no longer offered to people who label; photos and answers that have it keep it.
    """

    key: str = ""
    photo: str = ""
    retired: bool = False


def fold(changes: Iterable[tuple[str, str, str | None]]) -> dict[str, dict[str, str]]:
    """The overlay that (label, kind, value) make, oldest first. The last one counts; None takes back what came before."""
    found: dict[str, dict[str, str]] = {}
    for label, kind, value in changes:
        values = found.setdefault(label, {})
        values.pop(kind, None)
        if value is not None:
            values[kind] = value
    return {label: values for label, values in found.items() if values}


def seen(card: ModelCard, overlay: Overlay) -> ModelCard:
    """The card with its labels as people see them. Their number, order and names stay: they are the network's outputs."""
    return replace(card, labels=tuple(_seen(label, overlay.get(label.name, {})) for label in card.labels))


def as_seen(label: Label) -> SeenLabel:
    """A label of a card that nobody has changed, in the shape of one that somebody has."""
    return label if isinstance(label, SeenLabel) else _seen(label, {})


def is_retired(label: Label) -> bool:
    """True when people who label are not offered it any more."""
    return isinstance(label, SeenLabel) and label.retired


def offered(card: ModelCard) -> list[Label]:
    """The labels that people may choose from, in the card's order."""
    return [label for label in card.labels if not is_retired(label)]


def _seen(label: Label, values: Mapping[str, str]) -> SeenLabel:
    return SeenLabel(
        name=label.name,
        display=values.get("name", label.display),
        color=values.get("color", label.color),
        parent=values.get("parent", label.parent),
        aliases=tuple(values["aliases"].splitlines()) if "aliases" in values else label.aliases,
        key=values.get("key", ""),
        photo=values.get("photo", ""),
        retired=values.get("retired", "") == "yes",
    )
