"""A model's labels as people see them: what its card says, with the changes that were made since laid over it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from webapp.inference.models.card import Label, ModelCard

KINDS = ("name", "parent", "color", "aliases", "key", "photo", "retired")
"""What can be changed. Values are texts: `aliases` one on each line, `key` a key of the keyboard, `photo` an id, `retired` "yes"."""
MERGED, SPLIT = "merged", "split"
STRUCTURE = (MERGED, SPLIT)
"""What changes which labels there are: on a merged label the one it reads as, on a new label the one it was split from."""
Overlay = Mapping[str, Mapping[str, str]]
"""For each changed label its values by kind."""


@dataclass(frozen=True)
class SeenLabel(Label):
    """A label with what no card knows: the `key` that gives it in a review, its reference `photo` (an id), and whether it is `retired`.

    A retired label is no longer offered to people who label; photos and answers that have it keep it. `merged` is the label that it reads
    as since it was merged, "" for none; `split` the label that it was split from, "" for none.
    """

    key: str = ""
    photo: str = ""
    retired: bool = False
    merged: str = ""
    split: str = ""


@dataclass(frozen=True)
class SeenCard(ModelCard):
    """A card as people see it. `labels` stay the network's outputs; `added` are labels that this version does not know: made by a split,
    or another version's that were merged or split.

    `reads` has for each merged label the one that it reads as, the end of its chain.
    """

    added: tuple[SeenLabel, ...] = ()
    reads: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> Label | None:
        """The label called `name`, one that was added too, or None."""
        return next((label for label in (*self.labels, *self.added) if label.name == name), None)

    @cached_property
    def outputs(self) -> dict[str, list[int]]:
        """See `outputs`; made once."""
        found: dict[str, list[int]] = {}
        for place, name in enumerate(self.label_names):
            today = self.reads.get(name, name)
            places = found.setdefault(today, [])
            places.insert(0 if today == name else len(places), place)
        return found


def fold(changes: Iterable[tuple[str, str, str | None]]) -> dict[str, dict[str, str]]:
    """The overlay that (label, kind, value) make, oldest first. The last one counts; None takes back what came before."""
    found: dict[str, dict[str, str]] = {}
    for label, kind, value in changes:
        values = found.setdefault(label, {})
        values.pop(kind, None)
        if value is not None:
            values[kind] = value
    return {label: values for label, values in found.items() if values}


def seen(card: ModelCard, overlay: Overlay) -> SeenCard:
    """The card with its labels as people see them. Their number, order and names stay: they are the network's outputs."""
    reads = reading(overlay)
    labels = tuple(_seen(label, overlay.get(label.name, {}), reads) for label in card.labels)
    known = {label.name: label for label in labels}
    added = []
    for name, values in overlay.items():  # a label is split before its own new labels are
        if SPLIT in values and name not in known:
            known[name] = _seen(new_label(name, known.get(values[SPLIT])), values, reads)
            added.append(known[name])
    split = [values[SPLIT] for values in overlay.values() if SPLIT in values]
    for name in dict.fromkeys([*reads, *reads.values(), *split]):  # another version's
        if name not in known:
            known[name] = _seen(new_label(name, None), overlay.get(name, {}), reads)
            added.append(known[name])
    facts = {one.name: getattr(card, one.name) for one in fields(ModelCard)}
    return SeenCard(**{**facts, "labels": labels}, added=tuple(added), reads=reads)


def new_label(name: str, split: Label | None) -> Label:
    """A label that a split makes, before anybody changed how it is seen: it has the parent of the one that was split."""
    return Label(name, name, parent=split.parent if split else "")


def reading(overlay: Overlay) -> dict[str, str]:
    """For each merged label the one that it reads as, the end of its chain."""
    into = {label: values[MERGED] for label, values in overlay.items() if MERGED in values}
    ends = {}
    for label in into:
        end, steps = label, 0
        while end in into and steps <= len(into):
            end, steps = into[end], steps + 1
        ends[label] = end
    return ends


def expected(overlay: Overlay, known: Collection[str]) -> dict[str, str]:
    """The answer that is right for a ground truth, from a version that knows these labels; only where it is not the label itself.

    A merged label and the one it reads as are one. What a version does not know since it was split later, it is expected to call by the
    label that was split.
    """
    return _expected(
        reading(overlay),
        {label: values[SPLIT] for label, values in overlay.items() if SPLIT in values},
        known,
    )


def right_answers(card: ModelCard) -> dict[str, str]:
    """For each ground truth that the version's answers can be held against the answer that is right, as labels read today."""
    found = {name: name for name in card.label_names}
    if not isinstance(card, SeenCard):
        return found
    split = {one.name: one.split for one in map(as_seen, (*card.labels, *card.added)) if one.split}
    return found | _expected(card.reads, split, card.label_names)


def in_words_of(truth: str, said: str, right: Mapping[str, str]) -> str:
    """The ground truth itself when what a version said is the answer that is right for it, by its `right_answers`; else what it said."""
    return truth if said == right.get(truth, truth) else said


def _expected(
    reads: Mapping[str, str], split: Mapping[str, str], known: Collection[str]
) -> dict[str, str]:
    answers = {reads.get(label, label) for label in known}
    found = {}
    for label in {*reads, *reads.values(), *split, *split.values()}:
        answer, steps = reads.get(label, label), 0
        while answer not in answers and answer in split and steps <= len(split):
            answer, steps = reads.get(split[answer], split[answer]), steps + 1
        if answer in answers and (answer != label or label not in known):
            found[label] = answer
    return found


def reads_as(card: ModelCard, label: str) -> str:
    """The label that a label reads as today: itself unless it was merged."""
    return card.reads.get(label, label) if isinstance(card, SeenCard) else label


def reads_differently(card: ModelCard) -> bool:
    """True when labels were merged, so that an answer is not what the network said."""
    return isinstance(card, SeenCard) and bool(card.reads)


def outputs(card: ModelCard) -> dict[str, list[int]]:
    """For each label that the version can answer as labels read today, the places of the outputs that add up to it, its own first."""
    return (
        card.outputs
        if isinstance(card, SeenCard)
        else {name: [place] for place, name in enumerate(card.label_names)}
    )


def added_up(probabilities: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """The probabilities of `outputs(card)`, in that order: those of merged labels added up. The last axis is the card's outputs."""
    if not isinstance(card, SeenCard) or not card.reads:
        return probabilities
    places = list(card.outputs.values())
    sums = probabilities[..., [one[0] for one in places]]
    for at, one in enumerate(places):
        if len(one) > 1:
            sums[..., at] = np.minimum(probabilities[..., one].sum(axis=-1), np.float32(1))
    return sums


def as_seen(label: Label) -> SeenLabel:
    """A label of a card that nobody has changed, in the shape of one that somebody has."""
    return label if isinstance(label, SeenLabel) else _seen(label, {}, {})


def is_retired(label: Label) -> bool:
    """True when people who label are not offered it any more."""
    return isinstance(label, SeenLabel) and label.retired


def is_merged(label: Label) -> bool:
    """True when the label reads as another one today."""
    return isinstance(label, SeenLabel) and bool(label.merged)


def every_label(card: ModelCard) -> list[Label]:
    """The card's labels and those that splits have added, without merged ones: what photos can be, as labels read today."""
    added = card.added if isinstance(card, SeenCard) else ()
    return [label for label in (*card.labels, *added) if not is_merged(label)]


def split_into(card: ModelCard, name: str) -> list[SeenLabel]:
    """The labels that a label was split into and that stand; empty when it was not split."""
    return [
        one
        for one in every_label(card)
        if isinstance(one, SeenLabel) and one.split and reads_as(card, one.split) == name
    ]


def offered(card: ModelCard) -> list[Label]:
    """The labels that people may choose from, in the card's order: neither retired nor merged ones, and for a split label its parts."""
    split = {
        reads_as(card, one.split)
        for one in every_label(card)
        if isinstance(one, SeenLabel) and one.split
    }
    return [
        label for label in every_label(card) if not is_retired(label) and label.name not in split
    ]


def _seen(label: Label, values: Mapping[str, str], reads: Mapping[str, str]) -> SeenLabel:
    return SeenLabel(
        name=label.name,
        display=values.get("name", label.display),
        color=values.get("color", label.color),
        parent=values.get("parent", label.parent),
        aliases=tuple(values["aliases"].splitlines()) if "aliases" in values else label.aliases,
        key=values.get("key", ""),
        photo=values.get("photo", ""),
        retired=values.get("retired", "") == "yes",
        merged=reads.get(label.name, ""),
        split=values.get(SPLIT, ""),
    )
