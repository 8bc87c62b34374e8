"""An admin edits how people see the labels of a model: names, colours, keys, and so on.

Every edit is a row that stays; undo is one more. Merges and splits are edits too: see `merges`.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from webapp.domain import Who
from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import (
    ADDED,
    KINDS,
    MERGED,
    SPLIT,
    STRUCTURE,
    CurrentCard,
    CurrentLabel,
    Edits,
    all_labels,
    apply_edits,
    as_current,
    new_label,
    resolve_edits,
)
from webapp.services.labels.relabel import check_why
from webapp.services.labels.remap import Editor, remap
from webapp.services.labels.search import plain
from webapp.storage.database import writing
from webapp.storage.labels import edits as storage
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import photos
from webapp.storage.tables import LabelEdit

PLACE = "labels"  # of a stamp of edits
_MAX_NAME = 120
_MAX_ALIASES = 20
_KEYS_IN_USE = "12345nukswzbgx"  # the keys of the review: no label may have one of these
KIND_NAMES = {
    "name": "name",
    "parent": "parent",
    "color": "colour",
    "aliases": "aliases",
    "key": "key in the review",
    "photo": "reference photo",
    "retired": "retired",
}


@dataclass(frozen=True)
class _Change:
    """What was saved together, whether it was taken back, and whether it takes another one back."""

    rows: tuple[LabelEdit, ...]
    undone: bool
    undo: bool


def change_label(
    published: ModelCard, label: str, wanted: Mapping[str, str], *, who: Who, why: str = ""
) -> int:
    """Save how people see a label and return how many kinds changed.

    `published` is the card as it was published. `wanted` has values by kind, see `KINDS`; an absent
    kind stays. A value that is the card's own clears the edits of that kind. Raises
    `UnknownLabelError`, or `BadRequestError` that says what is wrong.
    """
    check_why(why)
    with writing():
        return len(add_change(published, label, wanted, Stamp(who, PLACE, why)))


def add_change(
    published: ModelCard, label: str, wanted: Mapping[str, str], stamp: Stamp
) -> dict[str, str]:
    """The same inside the caller's transaction; returns what changed, by kind."""
    card = card_now(published)
    now = values_of(as_current(find_label(card, label)))
    own = values_of(_unedited(published, card, label))
    wished = {kind: tidy(kind, wanted[kind]) for kind in KINDS if kind in wanted}
    changed = {kind: value for kind, value in wished.items() if value != now[kind]}
    _check(card, label, changed)
    for kind, value in changed.items():
        storage.add_edit(card.name, label, kind, None if value == own[kind] else value, stamp)
    return changed


def undo_last_change(published: ModelCard, label: str, editor: Editor) -> int:
    """Take back what was saved last about a label, then what was saved before. Returns how many
    edits that were.

    A merge or a split is taken back whole. Raises `UnknownLabelError`, `NothingToUndoError` when
    nothing stands, and `BadRequestError` when another label has taken the name, an alias or the key
    since, or when what a split made is in use.
    """
    model, stamp = published.name, Stamp(editor.who, PLACE)
    with writing():
        card = card_now(published)
        own = _unedited(published, card, label)
        saved = changes(model, label)
        last = next((change for change in saved if not (change.undo or change.undone)), None)
        if last is None:
            raise NothingToUndoError("There is nothing to undo: this label is as its card says.")
        first = last.rows[0]
        edits = storage.edits_of(model)
        taken = [edit for edit in edits if edit.batch == first.batch]
        _check_unused(card, [edit.label for edit in taken if edit.kind in (SPLIT, ADDED)])
        before = _resolve(edit for edit in edits if edit.id < first.id).get(label, {})
        values = values_of(own) | dict(before)
        names = [edit.kind for edit in taken if edit.kind in ("name", "aliases", "key")]
        _check(card, label, {kind: values[kind] for kind in names})
        for edit in taken:
            value = None if edit.kind == SPLIT else before.get(edit.kind)
            storage.add_edit(model, edit.label, edit.kind, value, stamp, undoes=edit.id)
        kinds = {edit.kind for edit in taken}
        if kinds & {*STRUCTURE}:
            remap(model, editor, merged=MERGED in kinds)
    return len(taken)


def card_now(published: ModelCard) -> CurrentCard:
    """The card with every edit that stands, as the history has it at this moment."""
    return apply_edits(published, _resolve(storage.edits_of(published.name)))


def changes(model: str, label: str | None = None) -> list[_Change]:
    """What was saved about the labels of a model, or about one of them, newest first."""
    rows = storage.edits_of(model, label)
    undone = {row.undoes for row in rows}
    batches: dict[str, list[LabelEdit]] = {}
    for row in rows:
        batches.setdefault(row.batch, []).append(row)
    return [
        _Change(tuple(those), those[0].id in undone, those[0].undoes is not None)
        for those in reversed(batches.values())
    ]


def values_of(label: CurrentLabel) -> dict[str, str]:
    """A label's values by kind, as a form shows them."""
    return {
        "name": label.display,
        "parent": label.parent,
        "color": label.color.upper(),
        "aliases": "\n".join(label.aliases),
        "key": label.key,
        "photo": label.photo,
        "retired": "yes" if label.retired else "",
    }


def find_label(card: ModelCard, label: str) -> Label:
    """A label of a card. Raises `UnknownLabelError`."""
    known = card.label(label)
    if known is None:
        raise UnknownLabelError(f"There is no label {label[:80]!r} of {card.name}.")
    return known


def tidy(kind: str, value: str) -> str:
    """A value without stray spaces, in Unicode's form NFC: the same however it was typed."""
    text = unicodedata.normalize("NFC", value)
    if kind == "aliases":
        lines = (" ".join(line.split()) for line in text.splitlines())
        return "\n".join(dict.fromkeys(line for line in lines if line))
    text = " ".join(text.split())
    return text.upper() if kind == "color" else text.casefold() if kind == "key" else text


def check_names(changed: Mapping[str, str], others: Iterable[CurrentLabel]) -> None:
    """Raise `BadRequestError` for a name, parent or alias that cannot be, or that `others` have."""
    aliases = changed.get("aliases", "").splitlines()
    for line in (changed.get("name", ""), changed.get("parent", ""), *aliases):
        if len(line) > _MAX_NAME or not line.isprintable():
            raise BadRequestError(
                f"A name, parent or alias has up to {_MAX_NAME} characters, "
                "all of which can be seen."
            )
    if "name" in changed and not plain(changed["name"]):
        raise BadRequestError("A label needs a name with a letter or a digit in it.")
    if len(aliases) > _MAX_ALIASES:
        raise BadRequestError(f"{len(aliases)} aliases are too many: {_MAX_ALIASES} are the most.")
    taken = {
        plain(text): label.display
        for label in others
        for text in (label.name, label.display, *label.aliases)
    }
    for text in (*([changed["name"]] if "name" in changed else []), *aliases):
        if plain(text) in taken:
            raise BadRequestError(
                f"“{text}” means {taken[plain(text)]} already. "
                "Two labels of one name could not be told apart."
            )


def _resolve(rows: Iterable[LabelEdit]) -> Edits:
    return resolve_edits((row.label, row.kind, row.value) for row in rows)


def _unedited(published: ModelCard, card: CurrentCard, label: str) -> CurrentLabel:
    """A label as it is without edits. Raises `UnknownLabelError`."""
    current = as_current(find_label(card, label))
    return as_current(published.label(label) or new_label(label, card.label(current.split)))


def _check_unused(card: CurrentCard, labels: Sequence[str]) -> None:
    """Raise `BadRequestError` when labels that were added, or that a split made, are in use."""
    if not labels:
        return
    used = [part.display for part in card.added if part.split in labels and part.name not in labels]
    used += [
        label.display
        for label in all_labels(card)
        if label.merged and {label.name, label.merged} & {*labels}
    ]
    if used:
        raise BadRequestError(
            f"{', '.join(dict.fromkeys(used))} was merged or split since. Undo that first."
        )
    number = storage.count_labelled(card.name, labels)
    if number:
        named = " or ".join(find_label(card, label).display for label in labels)
        raise BadRequestError(
            f"{number} {'photo is' if number == 1 else 'photos are'} checked as {named}. "
            "Merge that into another label instead, such as the one that was split: it keeps what "
            "people said, and can be undone."
        )


def _check(card: CurrentCard, label: str, changed: Mapping[str, str]) -> None:
    """Raise `BadRequestError` for what makes no sense, or would mean two labels."""
    others = [other for other in all_labels(card) if other.name != label]
    check_names(changed, others)
    if changed.get("color") and not re.fullmatch(r"#[0-9A-F]{6}", changed["color"]):
        raise BadRequestError("A colour is written as #RRGGBB, for example #C00000, or left empty.")
    if changed.get("retired", "") not in ("", "yes"):
        raise BadRequestError("retired is “yes” or empty.")
    if changed.get("key"):
        _check_key(changed["key"], others)
    public_id = changed.get("photo")
    if public_id:
        known = photos.photos_by_public_id([public_id[:80]]).get(public_id)
        if known is None:
            raise BadRequestError(
                "There is no photo with this id. "
                "It is the last part of the address of a photo’s page."
            )
        if known.ground_truth != label:
            raise BadRequestError(
                "A reference photo must have been checked as this label. Label the photo first."
            )


def _check_key(key: str, others: Sequence[CurrentLabel]) -> None:
    if len(key) != 1 or not key.isalnum():
        raise BadRequestError("A key is one letter or digit.")
    if key in _KEYS_IN_USE:
        raise BadRequestError(
            f"The key {key} does something else in the review already. "
            f"These are taken: {' '.join(_KEYS_IN_USE)}."
        )
    for other in others:
        if other.key == key:
            raise BadRequestError(f"The key {key} gives {other.display} already.")
