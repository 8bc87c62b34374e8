"""An admin merges a label into another one, or splits it into new ones; both are changes that can be undone, and nothing is rewritten."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.domain import UNCLASSIFIED, VERDICTS, Who
from webapp.errors import BadRequestError, UnknownLabelError
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import (
    MERGED,
    SPLIT,
    SeenLabel,
    as_seen,
    every_label,
    is_merged,
    reads_as,
    split_into,
)
from webapp.services.labels.label_mapping import write_down
from webapp.services.labels.label_sets import card_now, check_names, check_why, row_of, tidy
from webapp.services.labels.remapping import begin
from webapp.storage.database import writing
from webapp.storage.labels import label_sets as storage
from webapp.storage.labels.events import known_labels

MOST_NEW = 20


@dataclass(frozen=True)
class Touched:
    """What a merge or split is about: photos with the ground truth, and photos that the model's standing answer names so first."""

    photos: int
    answers: int


def preview_merge(published: ModelCard, label: str, into: str) -> Touched:
    """What a merge would touch. Raises like `merge_label`; changes nothing."""
    _check_merge(card_now(published), label, into)
    return Touched(*storage.count_touched(published.name, label))


def merge_label(published: ModelCard, label: str, into: str, *, who: Who, why: str = "") -> None:
    """From now on `label` reads as `into`: it is no longer offered, and photos and answers that have it count as the other one.

    What people and the model said stays written as it was. `services.rereading` then reads everything again. Raises
    `UnknownLabelError`, or `BadRequestError` that says what is wrong.
    """
    check_why(why)
    with writing():
        merge_now(published, label, into, who, why)
        read_anew(published.name, answers=True)


def merge_now(published: ModelCard, label: str, into: str, who: Who, why: str) -> None:
    """The same inside the caller's transaction, who also calls `read_anew`."""
    _check_merge(card_now(published), label, into)
    storage.add_changes([row_of(published.name, label, MERGED, into, who, why, _batch())])


def read_anew(model: str, *, answers: bool) -> None:
    """After merges (`answers`: what these say changed too) and splits, inside the transaction that made them: let all be read again."""
    write_down(model)
    begin(model, answers=answers)


def preview_split(published: ModelCard, label: str, names: Sequence[str]) -> Touched:
    """What a split would touch. Raises like `split_label`; changes nothing."""
    _check_split(card_now(published), label, tidy_names(names))
    return Touched(*storage.count_touched(published.name, label))


def split_label(
    published: ModelCard, label: str, names: Sequence[str], *, who: Who, why: str = ""
) -> list[str]:
    """From now on people are offered these new labels instead of `label`; returns their names as they are kept.

    Photos that were checked as `label` wait to be sorted. A version that does not know the new ones is right when it says `label`.
    Raises `UnknownLabelError`, or `BadRequestError` that says what is wrong.
    """
    check_why(why)
    with writing():
        new = split_now(published, label, names, who, why)
        read_anew(published.name, answers=False)
    return new


def split_now(
    published: ModelCard, label: str, names: Sequence[str], who: Who, why: str
) -> list[str]:
    """The same inside the caller's transaction, who also calls `read_anew`."""
    new, batch = tidy_names(names), _batch()
    _check_split(card_now(published), label, new)
    storage.add_changes([row_of(published.name, one, SPLIT, label, who, why, batch) for one in new])
    return new


def tidy_names(names: Sequence[str]) -> list[str]:
    """Names without stray spaces, empty lines left out."""
    return [text for text in (tidy("name", one) for one in names) if text]


def waiting_to_be_sorted(card: ModelCard, label: str) -> int:
    """How many photos still have a label that was split; 0 for any other."""
    return storage.count_touched(card.name, label)[0] if split_into(card, label) else 0


def former_labels(card: ModelCard) -> list[str]:
    """Labels that only other versions of the model know and that were never merged: photos and answers may have them."""
    known = set().union(*known_labels(card.name).values())
    return sorted(name for name in known if card.label(name) is None)


def _batch() -> str:
    return secrets.token_urlsafe(9)


def _check_merge(card: ModelCard, label: str, into: str) -> None:
    one = _standing(card, label) if label not in former_labels(card) else Label(label, label)
    other = _standing(card, into)
    if one.name == other.name:
        raise BadRequestError("A label cannot be merged into itself. Choose another one.")
    if as_seen(other).retired:
        raise BadRequestError(
            f"{other.display} is retired, so nothing is merged into it. Bring it back first, or choose another one."
        )
    parts = split_into(card, label)
    if parts:
        named = ", ".join(part.display for part in parts)
        raise BadRequestError(
            f"{one.display} was split into {named}. Undo the split first, or merge these into one another."
        )
    for known in ({*card.label_names}, *known_labels(card.name).values()):
        left = {reads_as(card, name) for name in known}
        if label in left and len(left - {label} | {into}) < 2:
            raise BadRequestError(
                "A version needs two labels to tell apart; this merge would leave one."
            )


def _check_split(card: ModelCard, label: str, names: Sequence[str]) -> None:
    one = _standing(card, label)
    if split_into(card, label):
        raise BadRequestError(
            f"{one.display} was split already. Undo that first, or split one of its parts."
        )
    if not 2 <= len(names) <= MOST_NEW:
        raise BadRequestError(f"Give 2 to {MOST_NEW} new labels, one on each line.")
    others: list[SeenLabel] = [
        as_seen(each) for each in (*card.labels, *getattr(card, "added", ()))
    ]
    for at, name in enumerate(names):
        if name.casefold() in (*VERDICTS, UNCLASSIFIED):
            raise BadRequestError(
                f"No label may be called “{name}”: the word has a meaning of its own."
            )
        earlier = [as_seen(Label(each, each)) for each in names[:at]]
        check_names({"name": name}, [*others, *earlier])


def _standing(card: ModelCard, label: str) -> Label:
    """A label that stands. Raises `UnknownLabelError`, or `BadRequestError` for a merged one."""
    found = card.label(label)
    if found is None:
        raise UnknownLabelError(f"There is no label {label[:80]!r} of {card.name}.")
    if is_merged(found):
        target = next(
            (one.display for one in every_label(card) if one.name == reads_as(card, label)),
            reads_as(card, label),
        )
        raise BadRequestError(
            f"{found.display} reads as {target} since it was merged. Choose {target}, or undo the merge first."
        )
    return found
