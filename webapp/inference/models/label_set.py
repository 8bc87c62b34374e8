"""The labels of a model as people see them: what its card says, with the edits made since.

See docs/decisions/0016-merged-and-split-labels.md.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from webapp.inference.models.card import Groups, Label, ModelCard

# Kinds of edits that change how a label is shown. Values are texts: `aliases` one on each line,
# `key` a key of the keyboard, `photo` the id of a photo, `retired` "yes" or "".
KINDS = ("name", "parent", "color", "aliases", "key", "photo", "retired")
# Kinds that change which labels there are: the label that it was merged into, or was split from.
MERGED, SPLIT = "merged", "split"
STRUCTURE = (MERGED, SPLIT)
# A label that no version knows yet; its value is "". A version that is trained with it knows it.
ADDED = "added"

Edits = Mapping[str, Mapping[str, str]]  # for each edited label its values by kind


@dataclass(frozen=True)
class CurrentLabel(Label):
    """A label as people see it now.

    `key` gives it in the review, `photo` is the id of its reference photo. A `retired` label is no
    longer offered; photos and answers keep it. `merged` is its canonical label since it was merged,
    `split` the label that it was split from; "" for none.
    """

    key: str = ""
    photo: str = ""
    retired: bool = False
    merged: str = ""
    split: str = ""


@dataclass(frozen=True)
class CurrentCard(ModelCard):
    """A card as people see it now.

    `labels` stay the network's outputs, `published` are these as they were at first. `added` are
    labels that this version does not know: added by a person, made by a split, or another version's
    that were merged or split. `canonical` maps each merged label to its canonical label, the end of
    the chain.
    """

    published: tuple[Label, ...] = ()
    added: tuple[CurrentLabel, ...] = ()
    canonical: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> Mapping[str, Label]:
        """As for any card, with those of `added`."""
        return {label.name: label for label in (*self.labels, *self.added)}

    @property
    def published_labels(self) -> tuple[Label, ...]:
        """As for any card."""
        return self.published

    @cached_property
    def outputs(self) -> dict[str, list[int]]:
        """As for any card, by canonical label."""
        outputs: dict[str, list[int]] = {}
        for place, name in enumerate(self.label_names):
            places = outputs.setdefault(self.canonical.get(name, name), [])
            places.insert(len(places) if name in self.canonical else 0, place)
        return outputs

    @cached_property
    def parts(self) -> dict[str, list[CurrentLabel]]:
        """For each label that was split the labels that it was split into."""
        parts: dict[str, list[CurrentLabel]] = {}
        for label in every_label(self):
            if label.split:
                parts.setdefault(canonical_label(self, label.split), []).append(label)
        return parts


def resolve_edits(edits: Iterable[tuple[str, str, str | None]]) -> dict[str, dict[str, str]]:
    """What (label, kind, value) add up to, oldest first: the last one holds, None clears."""
    resolved: dict[str, dict[str, str]] = {}
    for label, kind, value in edits:
        values = resolved.setdefault(label, {})
        values.pop(kind, None)
        if value is not None:
            values[kind] = value
    return {label: values for label, values in resolved.items() if values}


def apply_edits(card: ModelCard, edits: Edits) -> CurrentCard:
    """The card as people see it with these edits."""
    canonical = canonical_labels(edits)
    known: dict[str, CurrentLabel] = {}

    def add(label: Label) -> None:
        values = edits.get(label.name, {})
        known[label.name] = CurrentLabel(
            name=label.name,
            display=values.get("name", label.display),
            color=values.get("color", label.color),
            parent=values.get("parent", label.parent),
            aliases=tuple(values["aliases"].splitlines()) if "aliases" in values else label.aliases,
            key=values.get("key", ""),
            photo=values.get("photo", ""),
            retired=values.get("retired", "") == "yes",
            merged=canonical.get(label.name, ""),
            split=values.get(SPLIT, ""),
        )

    for label in card.labels:
        add(label)
    parts = {name: values[SPLIT] for name, values in edits.items() if SPLIT in values}
    new = [name for name, values in edits.items() if ADDED in values]
    for name in dict.fromkeys([*new, *parts, *canonical, *canonical.values(), *parts.values()]):
        if name not in known:
            add(new_label(name, known.get(parts.get(name, ""))))
    own = {entry.name: getattr(card, entry.name) for entry in fields(ModelCard)}
    labels, number = tuple(known.values()), len(card.labels)
    return CurrentCard(
        **{**own, "labels": labels[:number]},
        published=card.published_labels,
        added=labels[number:],
        canonical=canonical,
    )


def new_label(name: str, split: Label | None) -> Label:
    """A label that a person added or that a split makes, as it is unedited: with the parent of the
    one that was split."""
    return Label(name, name, parent=split.parent if split else "")


def canonical_labels(edits: Edits) -> dict[str, str]:
    """For each merged label its canonical label, the end of its chain."""
    into = {label: values[MERGED] for label, values in edits.items() if MERGED in values}
    canonical = {}
    for label in into:
        end, steps = label, 0
        while end in into and steps <= len(into):
            end, steps = into[end], steps + 1
        canonical[label] = end
    return canonical


def expected_labels(edits: Edits, known: Collection[str]) -> dict[str, str]:
    """For each ground truth the label that is right from a version that knows the labels `known`.

    Only where that is not the ground truth itself. A merged label counts as its canonical label. A
    part that the version does not know is expected to be called by the label that was split.
    """
    canonical = canonical_labels(edits)
    split = {label: values[SPLIT] for label, values in edits.items() if SPLIT in values}
    answers = {canonical.get(label, label) for label in known}
    expected = {}
    for label in {*canonical, *canonical.values(), *split, *split.values()}:
        answer, steps = canonical.get(label, label), 0
        while answer not in answers and answer in split and steps <= len(split):
            answer, steps = canonical.get(split[answer], split[answer]), steps + 1
        if answer in answers and (answer != label or label not in known):
            expected[label] = answer
    return expected


def right_answers(card: ModelCard) -> dict[str, str]:
    """For each ground truth that the version's answers can be compared with, the right answer."""
    right = {name: name for name in card.label_names}
    edits = {
        label.name: {kind: value for kind in STRUCTURE if (value := getattr(label, kind))}
        for label in all_labels(card)
    }
    return right | expected_labels(edits, card.label_names)


def in_terms_of(truth: str, answer: str, right: Mapping[str, str]) -> str:
    """The ground truth when the answer is right for it, by `right_answers`; else the answer."""
    return truth if answer == right.get(truth, truth) else answer


def canonical_label(card: ModelCard, label: str) -> str:
    """The canonical label of a label: itself unless it was merged."""
    return card.canonical.get(label, label) if isinstance(card, CurrentCard) else label


def has_merges(card: ModelCard) -> bool:
    """True when labels were merged, so that an answer may not be what the network said."""
    return isinstance(card, CurrentCard) and bool(card.canonical)


def sum_merged(probabilities: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """The probabilities of `card.outputs`, in that order: those of merged labels added up.

    The last axis of `probabilities` is the network's outputs, in the card's label order.
    """
    if not has_merges(card):
        return probabilities
    places = list(card.outputs.values())
    sums = probabilities[..., [those[0] for those in places]]
    for column, those in enumerate(places):
        if len(those) > 1:
            sums[..., column] = np.minimum(probabilities[..., those].sum(axis=-1), np.float32(1))
    return sums


def sum_parents(probabilities: NDArray[np.float32], groups: Groups) -> NDArray[np.float32]:
    """The probabilities of each group, see `group_by_parent`, in that order: (..., groups) from
    those of the labels, (..., labels)."""
    starts = np.cumsum([0, *map(len, groups.values())])[:-1]
    members = probabilities[..., [place for own in groups.values() for place in own]]
    return np.add.reduceat(members, starts, axis=-1)


def as_current(label: Label) -> CurrentLabel:
    """The label in the shape of an edited one."""
    return label if isinstance(label, CurrentLabel) else CurrentLabel(**vars(label))


def all_labels(card: ModelCard) -> list[CurrentLabel]:
    """Every label of the card: the network's outputs, then those of `added`; merged ones too."""
    added = card.added if isinstance(card, CurrentCard) else ()
    return [as_current(label) for label in (*card.labels, *added)]


def every_label(card: ModelCard) -> list[CurrentLabel]:
    """The labels that photos can have: all but merged ones."""
    return [label for label in all_labels(card) if not label.merged]


def parts_by_label(card: ModelCard) -> dict[str, list[CurrentLabel]]:
    """For each label that was split the labels that it was split into."""
    return card.parts if isinstance(card, CurrentCard) else {}


def offered(card: ModelCard) -> list[CurrentLabel]:
    """The labels that people may choose from, in the card's order.

    Neither retired nor merged ones, and the parts of a label that was split instead of it.
    """
    split = parts_by_label(card)
    return [label for label in every_label(card) if not label.retired and label.name not in split]
