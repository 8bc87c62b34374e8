"""An admin adds a label, merges one into another, or splits one into new ones; all can be undone.

A merge gives the photos label events in one batch and adds a line to the map of labels; what the
network said is never rewritten. See docs/decisions/0016-merged-and-split-labels.md.
"""

from collections.abc import Sequence

from webapp.domain import MERGE, UNCLASSIFIED, VERDICTS, Who
from webapp.errors import BadRequestError
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import (
    ADDED,
    MERGED,
    SPLIT,
    all_labels,
    as_current,
    canonical_label,
    parts_by_label,
)
from webapp.services.labels.label_sets import PLACE, card_now, check_names, find_label, tidy
from webapp.services.labels.relabel import check_why
from webapp.services.labels.remap import Editor, remap
from webapp.storage.database import writing
from webapp.storage.labels import edits as storage
from webapp.storage.labels.edits import Touched
from webapp.storage.labels.events import Stamp, known_labels

_MOST_NEW = 20


def add_label(published: ModelCard, name: str, who: Who, why: str = "") -> str:
    """Add a label that no version of the model knows: people may give it from now on, and the next
    training learns it. Returns its name as kept. Raises `BadRequestError`."""
    check_why(why)
    with writing():
        new = tidy("name", name)
        card = card_now(published)
        _check_new(card, [new])
        if new in former_labels(card):
            raise BadRequestError(f"Earlier versions of {card.name} know “{new}”. Choose another.")
        storage.add_edit(published.name, new, ADDED, "", Stamp(who, PLACE, why))
    return new


def preview_merge(published: ModelCard, label: str, into: str) -> Touched:
    """What a merge would touch. Raises like `merge_label`; changes nothing."""
    _check_merge(card_now(published), label, into)
    return storage.count_touched(published.name, label)


def merge_label(published: ModelCard, label: str, into: str, editor: Editor, why: str = "") -> None:
    """Merge a label: photos that have it get the label `into`, answers that name it count as that
    one, and it is no longer offered. Raises `UnknownLabelError` or `BadRequestError`."""
    check_why(why)
    with writing():
        add_merge(published, label, into, Stamp(editor.who, MERGE, why))
        remap(published.name, editor, merged=True)


def add_merge(published: ModelCard, label: str, into: str, stamp: Stamp) -> None:
    """The edit alone, inside the caller's transaction, who also calls `remap`."""
    _check_merge(card_now(published), label, into)
    storage.add_edit(published.name, label, MERGED, into, stamp)


def preview_split(published: ModelCard, label: str, names: Sequence[str]) -> Touched:
    """What a split would touch. Raises like `split_label`; changes nothing."""
    _check_split(card_now(published), label, tidy_names(names))
    return storage.count_touched(published.name, label)


def split_label(
    published: ModelCard, label: str, names: Sequence[str], editor: Editor, why: str = ""
) -> list[str]:
    """Split a label: people are offered the new labels instead; returns their names as kept.

    Photos that have `label` wait to be sorted. A version that does not know the new ones is right
    when it says `label`. Raises `UnknownLabelError` or `BadRequestError`.
    """
    check_why(why)
    with writing():
        new = add_split(published, label, names, Stamp(editor.who, PLACE, why))
        remap(published.name, editor, merged=False)
    return new


def add_split(published: ModelCard, label: str, names: Sequence[str], stamp: Stamp) -> list[str]:
    """The edit alone, inside the caller's transaction, who also calls `remap`."""
    new = tidy_names(names)
    _check_split(card_now(published), label, new)
    for name in new:
        storage.add_edit(published.name, name, SPLIT, label, stamp)
    return new


def tidy_names(names: Sequence[str]) -> list[str]:
    """Names without stray spaces, empty lines left out."""
    return [text for text in (tidy("name", name) for name in names) if text]


def waiting_to_be_sorted(card: ModelCard, label: str) -> int:
    """How many photos still have a label that was split; 0 for any other."""
    return storage.count_touched(card.name, label).photos if label in parts_by_label(card) else 0


def former_labels(card: ModelCard) -> list[str]:
    """Labels that only other versions of the model know and that were never merged."""
    known = set().union(*known_labels(card.name).values())
    return sorted(name for name in known if card.label(name) is None)


def _check_merge(card: ModelCard, label: str, into: str) -> None:
    source = Label(label, label) if label in former_labels(card) else _unmerged(card, label)
    target = _unmerged(card, into)
    if source.name == target.name:
        raise BadRequestError("A label cannot be merged into itself. Choose another one.")
    if as_current(target).retired:
        raise BadRequestError(
            f"{target.display} is retired, so nothing is merged into it. "
            "Bring it back first, or choose another one."
        )
    parts = parts_by_label(card).get(label)
    if parts:
        named = ", ".join(part.display for part in parts)
        raise BadRequestError(
            f"{source.display} was split into {named}. "
            "Undo the split first, or merge these into one another."
        )
    for known in (card.label_names, *known_labels(card.name).values()):
        left = {canonical_label(card, name) for name in known}
        if label in left and len(left - {label} | {into}) < 2:
            raise BadRequestError(
                "A version needs two labels to tell apart; this merge would leave one."
            )


def _check_split(card: ModelCard, label: str, names: Sequence[str]) -> None:
    source = _unmerged(card, label)
    if label in parts_by_label(card):
        raise BadRequestError(
            f"{source.display} was split already. Undo that first, or split one of its parts."
        )
    if not 2 <= len(names) <= _MOST_NEW:
        raise BadRequestError(f"Give 2 to {_MOST_NEW} new labels, one on each line.")
    _check_new(card, names)


def _check_new(card: ModelCard, names: Sequence[str]) -> None:
    """Raise `BadRequestError` for names that no new label may have."""
    others = all_labels(card)
    for name in names:
        if name.casefold() in (*VERDICTS, UNCLASSIFIED):
            raise BadRequestError(
                f"No label may be called “{name}”: the word has a meaning of its own."
            )
        check_names({"name": name}, others)
        others.append(as_current(Label(name, name)))


def _unmerged(card: ModelCard, label: str) -> Label:
    """A label that was not merged. Raises `UnknownLabelError` or `BadRequestError`."""
    known = find_label(card, label)
    target = as_current(known).merged
    if target:
        name = find_label(card, target).display
        raise BadRequestError(
            f"{known.display} reads as {name} since it was merged. "
            f"Choose {name}, or undo the merge first."
        )
    return known
