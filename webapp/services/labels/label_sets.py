"""An admin says how people see the labels of a model: another name, a parent, a colour, aliases, a key, a photo, or that it is retired."""

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webapp.domain import Who
from webapp.errors import BadRequestError, NothingToUndoError, UnknownLabelError
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.label_set import (
    KINDS,
    MERGED,
    SPLIT,
    STRUCTURE,
    SeenCard,
    SeenLabel,
    as_seen,
    fold,
    new_label,
    seen,
)
from webapp.services.labels.label_mapping import write_down
from webapp.services.labels.relabel import check_why
from webapp.services.labels.remapping import begin
from webapp.services.labels.search import fold as plain
from webapp.storage.database import writing
from webapp.storage.labels import label_sets as storage
from webapp.storage.photos import photos
from webapp.storage.tables import LabelChange

MAX_NAME = 120
MAX_ALIASES = 20
KEYS_IN_USE = "12345nukswzbg"
"""The keys of the review: no label may have one of these."""
WORDS = {
    "name": "name",
    "parent": "parent",
    "color": "colour",
    "aliases": "aliases",
    "key": "key in the review",
    "photo": "reference photo",
    "retired": "retired",
}


@dataclass(frozen=True)
class Change:
    """What was saved together about one label: the rows, whether it was taken back since, and whether it takes another one back."""

    rows: tuple[LabelChange, ...]
    undone: bool
    undo: bool


def change_label(
    published: ModelCard, label: str, wanted: Mapping[str, str], *, who: Who, why: str = ""
) -> int:
    """Let people see a label as `wanted` says and return how many kinds changed: values by kind, see `KINDS`; an absent one stays.

    `published` is the card as it was published: the label itself, its place and the answers that have it stay what they are. A value
    that is the card's own takes the changes of that kind back. Raises `UnknownLabelError`, or `BadRequestError` that says what is wrong.
    """
    check_why(why)
    with writing():
        return len(change_now(published, label, wanted, who, why))


def change_now(
    published: ModelCard, label: str, wanted: Mapping[str, str], who: Who, why: str
) -> dict[str, str]:
    """The same inside the caller's transaction; returns what changed, by kind."""
    wished = {kind: tidy(kind, wanted[kind]) for kind in KINDS if kind in wanted}
    card = card_now(published)
    current = as_seen(_known(card, label))
    now, own = values_of(current), values_of(_own(published, card, label))
    changed = {kind: value for kind, value in wished.items() if value != now[kind]}
    _check(card, label, changed)
    batch = secrets.token_urlsafe(9)
    storage.add_changes(
        [
            row_of(
                published.name, label, kind, None if value == own[kind] else value, who, why, batch
            )
            for kind, value in changed.items()
        ]
    )
    return changed


def undo_last_change(published: ModelCard, label: str, *, who: Who) -> int:
    """Take back what was saved last about a label, by changes of their own; again: what was saved before. Returns how many kinds changed.

    A merge or a split is taken back whole. Raises `UnknownLabelError`, `NothingToUndoError` when nothing stands, and `BadRequestError`
    when another label has taken the name, an alias or the key since, or when what a split made is in use.
    """
    model = published.name
    with writing():
        card = card_now(published)
        own = _own(published, card, label)
        rows = storage.changes_of(model, label)
        last = next(
            (one for one in reversed(_together(rows)) if not (one.undo or one.undone)), None
        )
        if last is None:
            raise NothingToUndoError("There is nothing to undo: this label is as its card says.")
        taken = storage.changes_of_batch(model, last.rows[0].batch)
        _check_unsplit(card, [one.label for one in taken if one.kind == SPLIT])
        batch = secrets.token_urlsafe(9)
        before = fold(plain_rows([row for row in rows if row.id < last.rows[0].id])).get(label, {})
        values = values_of(own) | before
        _check(
            card,
            label,
            {one.kind: values[one.kind] for one in taken if one.kind in ("name", "aliases", "key")},
        )
        back = [
            row_of(
                model,
                one.label,
                one.kind,
                None if one.kind == SPLIT else before.get(one.kind),
                who,
                "",
                batch,
                undoes=one.id,
            )
            for one in taken
        ]
        storage.add_changes(back)
        if any(one.kind in STRUCTURE for one in taken):
            write_down(model)
            begin(model, answers=any(one.kind == MERGED for one in taken))
    return len(back)


def card_now(published: ModelCard) -> SeenCard:
    """The card with every change that stands laid over it, as the history has it at this moment."""
    return seen(published, fold(plain_rows(storage.changes_of(published.name))))


def _own(published: ModelCard, card: SeenCard, label: str) -> SeenLabel:
    """A label as it is while nobody has changed how it is seen. Raises `UnknownLabelError`."""
    current = as_seen(_known(card, label))
    return as_seen(published.label(label) or new_label(label, card.label(current.split)))


def _check_unsplit(card: SeenCard, labels: Sequence[str]) -> None:
    """Raise `BadRequestError` when labels that a split made are in use: what people said would have no label."""
    used = [one.display for one in card.added if one.split in labels and one.name not in labels]
    used += [
        one.display
        for one in (*card.labels, *card.added)
        if as_seen(one).merged and {one.name, as_seen(one).merged} & {*labels}
    ]
    if used:
        raise BadRequestError(
            f"{', '.join(dict.fromkeys(used))} was merged or split since. Undo that first."
        )
    photos = storage.count_given(card.name, labels) if labels else 0
    if photos:
        named = " or ".join(_known(card, one).display for one in labels)
        raise BadRequestError(
            f"{photos} {'photo is' if photos == 1 else 'photos are'} checked as {named}. Merge these labels into the one that was split "
            "instead: that keeps what people said, and can be undone."
        )


def changes(model: str, label: str | None = None) -> list[Change]:
    """What was saved about the labels of a model, or about one of them, newest first."""
    return list(reversed(_together(storage.changes_of(model, label))))


def values_of(label: SeenLabel) -> dict[str, str]:
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


def _together(rows: Sequence[LabelChange]) -> list[Change]:
    undone = {row.undoes for row in rows}
    batches: dict[str, list[LabelChange]] = {}
    for row in rows:
        batches.setdefault(row.batch, []).append(row)
    return [
        Change(tuple(those), those[0].id in undone, those[0].undoes is not None)
        for those in batches.values()
    ]


def plain_rows(rows: Sequence[LabelChange]) -> list[tuple[str, str, str | None]]:
    """Changes as (label, kind, value)."""
    return [(row.label, row.kind, row.value) for row in rows]


def row_of(
    model: str,
    label: str,
    kind: str,
    value: str | None,
    who: Who,
    why: str,
    batch: str,
    undoes: int | None = None,
) -> LabelChange:
    """A change as a row that is not kept yet."""
    return LabelChange(
        model=model,
        label=label,
        kind=kind,
        value=value,
        why=why,
        user_id=who.user_id,
        who=who.name,
        batch=batch,
        undoes=undoes,
    )


def _known(card: ModelCard, label: str) -> Label:
    found = card.label(label)
    if found is None:
        raise UnknownLabelError(f"There is no label {label[:80]!r} of {card.name}.")
    return found


def tidy(kind: str, value: str) -> str:
    """A value without stray spaces, in the form of Unicode that is the same however it was typed (NFC)."""
    text = unicodedata.normalize("NFC", value)
    if kind == "aliases":
        lines = (" ".join(line.split()) for line in text.splitlines())
        return "\n".join(dict.fromkeys(line for line in lines if line))
    text = " ".join(text.split())
    return text.upper() if kind == "color" else text.casefold() if kind == "key" else text


def _check(card: ModelCard, label: str, changed: Mapping[str, str]) -> None:
    """Raise `BadRequestError` for what makes no sense, or would mean two labels."""
    everything = (*card.labels, *card.added) if isinstance(card, SeenCard) else card.labels
    others = [as_seen(one) for one in everything if one.name != label]
    check_names(changed, others)
    if changed.get("color") and not re.fullmatch(r"#[0-9A-F]{6}", changed["color"]):
        raise BadRequestError("A colour is written as #RRGGBB, for example #C00000, or left empty.")
    _check_key(changed.get("key", ""), others)
    _check_photo(changed.get("photo", ""), label)
    if changed.get("retired", "") not in ("", "yes"):
        raise BadRequestError("retired is “yes” or empty.")


def check_names(changed: Mapping[str, str], others: Sequence[SeenLabel]) -> None:
    """Raise `BadRequestError` when a name, a parent or an alias cannot be, or means one of the `others` already."""
    for kind in ("name", "parent", "aliases"):
        for line in changed.get(kind, "").split("\n"):
            if len(line) > MAX_NAME or not all(one.isprintable() for one in line):
                raise BadRequestError(
                    f"A name, parent or alias has up to {MAX_NAME} characters, all of which can be seen."
                )
    if "name" in changed and not plain(changed["name"]):
        raise BadRequestError("A label needs a name with a letter or a digit in it.")
    aliases = changed.get("aliases", "").splitlines()
    if len(aliases) > MAX_ALIASES:
        raise BadRequestError(f"{len(aliases)} aliases are too many: {MAX_ALIASES} are the most.")
    for text in [changed[kind] for kind in ("name",) if kind in changed] + aliases:
        taken = next(
            (
                one
                for one in others
                if plain(text) in {plain(each) for each in (one.name, one.display, *one.aliases)}
            ),
            None,
        )
        if taken is not None:
            raise BadRequestError(
                f"“{text}” means {taken.display} already. Two labels of one name could not be told apart."
            )


def _check_key(key: str, others: Sequence[SeenLabel]) -> None:
    if key and (len(key) != 1 or not key.isalnum()):
        raise BadRequestError("A key is one letter or digit.")
    if key and key in KEYS_IN_USE:
        raise BadRequestError(
            f"The key {key} does something else in the review already. These are taken: {' '.join(KEYS_IN_USE)}."
        )
    taken = next((one for one in others if key and one.key == key), None)
    if taken is not None:
        raise BadRequestError(f"The key {key} gives {taken.display} already.")


def _check_photo(public_id: str, label: str) -> None:
    if not public_id:
        return
    found = photos.photos_by_public_id([public_id[:80]]).get(public_id)
    if found is None:
        raise BadRequestError(
            "There is no photo with this id. It is the last part of the address of a photo’s page."
        )
    if found[0].ground_truth != label:
        raise BadRequestError(
            "A reference photo must have been checked as this label. Label the photo first."
        )
