"""A label set as a file: JSON or a table, to keep, to change in a spreadsheet, or to take to another Marque; and what comes back."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from webapp.domain import Who
from webapp.errors import BadRequestError, UnknownLabelError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import SeenLabel, as_seen, reads_as
from webapp.reports.csv_safety import plain_cell, to_csv
from webapp.services.labels.label_sets import WORDS, card_now, change_now, values_of
from webapp.services.labels.merges import merge_now, read_anew, split_now
from webapp.services.labels.relabel import check_why
from webapp.storage.database import writing

COLUMNS = {
    "display": "name",
    "parent": "parent",
    "color": "color",
    "aliases": "aliases",
    "key": "key",
    "retired": "retired",
}
"""Columns beside `label`, `merged_into` and `split_from`, with the kind of change that each is."""
HEADING = ("label", *COLUMNS, "merged_into", "split_from")
BETWEEN = " | "
"""Between aliases in a cell."""
LARGEST = 1_000_000
"""Bytes of a file: ten times what 196 labels with twenty aliases need."""


@dataclass(frozen=True)
class Planned:
    """What a file changes about one label, in words."""

    label: str
    change: str


class _JustLookingError(Exception):
    """Ends the transaction of a look, so that nothing of it stays."""


def to_json(card: ModelCard) -> str:
    """Every label of a card as people see it: a list of objects with the keys of `HEADING`, aliases as a list."""
    rows = [
        {**row, "aliases": [one for one in row["aliases"].split(BETWEEN) if one]}
        for row in _rows(card)
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def to_table(card: ModelCard) -> str:
    """The same as CSV."""
    return to_csv(HEADING, [[row[name] for name in HEADING] for row in _rows(card)])


def take_in(
    published: ModelCard, content: bytes, *, who: Who, why: str = "", apply: bool
) -> list[Planned]:
    """What a file in one of these forms changes, label by label; done when `apply`, all of it or nothing.

    Labels and columns that the file leaves out stay as they are, and so do merges and splits: a file can add those, not take them back.
    Raises `BadRequestError` that names the label.
    """
    check_why(why)
    rows = _read(content)
    planned: list[Planned] = []
    with suppress(_JustLookingError), writing():
        split = _split(published, rows, who, why)
        changed = [one for row in rows for one in _change(published, row, who, why)]
        merged = [one for row in rows for one in _merge(published, row, who, why)]
        planned = [*split, *changed, *merged]
        if split or merged:
            read_anew(published.name, answers=bool(merged))
        if not apply:
            raise _JustLookingError
    return planned


def _split(
    published: ModelCard, rows: Sequence[dict[str, str]], who: Who, why: str
) -> list[Planned]:
    """New labels of the file, those first whose whole is there."""
    planned: list[Planned] = []
    waiting = [row for row in rows if row.get("split_from")]
    while True:
        card = card_now(published)
        new: dict[str, list[str]] = defaultdict(list)
        for row in waiting:
            if card.label(row["label"]) is None and card.label(row["split_from"]) is not None:
                new[row["split_from"]].append(row["label"])
        if not new:
            return planned
        for label, names in new.items():
            with _naming(label):
                planned.append(
                    Planned(
                        label,
                        f"split into {', '.join(split_now(published, label, names, who, why))}",
                    )
                )


def _change(published: ModelCard, row: dict[str, str], who: Who, why: str) -> list[Planned]:
    wanted = {kind: row[name] for name, kind in COLUMNS.items() if name in row}
    if "aliases" in wanted:
        wanted["aliases"] = "\n".join(wanted["aliases"].split(BETWEEN.strip()))
    with _naming(row["label"]):
        changed = change_now(published, row["label"], wanted, who, why)
    words = [
        f"{WORDS[kind]}: {value.replace(chr(10), ', ') or 'nothing'}"
        for kind, value in changed.items()
    ]
    return [Planned(row["label"], "; ".join(words))] if words else []


def _merge(published: ModelCard, row: dict[str, str], who: Who, why: str) -> list[Planned]:
    card, label, into = card_now(published), row["label"], row.get("merged_into", "")
    if not into or reads_as(card, label) == reads_as(card, into):
        return []
    with _naming(label):
        merge_now(published, label, into, who, why)
    return [Planned(label, f"merged into {into}")]


@contextmanager
def _naming(label: str) -> Iterator[None]:
    """Names the label in the sentence of what was refused about it."""
    try:
        yield
    except (BadRequestError, UnknownLabelError) as error:
        raise BadRequestError(f"{label[:80]}: {error}") from error


def _rows(card: ModelCard) -> list[dict[str, str]]:
    return [_row(one) for one in map(as_seen, (*card.labels, *getattr(card, "added", ())))]


def _row(label: SeenLabel) -> dict[str, str]:
    values = values_of(label)
    shown = {name: values[kind] for name, kind in COLUMNS.items()} | {
        "aliases": BETWEEN.join(label.aliases)
    }
    return {"label": label.name, **shown, "merged_into": label.merged, "split_from": label.split}


def _read(content: bytes) -> list[dict[str, str]]:
    """The rows of a file. Raises `BadRequestError` when it is neither, or names a label twice or not at all."""
    if len(content) > LARGEST:
        raise BadRequestError("This file is larger than a label set can be.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequestError("This file is not text in UTF-8.") from error
    rows = _from_json(text) if text.lstrip()[:1] in ("[", "{") else _from_table(text)
    names = [row.get("label", "") for row in rows]
    if not rows or not all(names):
        raise BadRequestError(
            f"A label set has the columns {', '.join(HEADING)}; label is needed, and every line needs one."
        )
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise BadRequestError(f"{twice[:80]} stands in the file twice.")
    return rows


def _from_table(text: str) -> list[dict[str, str]]:
    try:
        table = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise BadRequestError(f"This is no table: {error}.") from error
    return [{name: plain_cell(row[name] or "") for name in HEADING if name in row} for row in table]


def _from_json(text: str) -> list[dict[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"This is no JSON: {error}.") from error
    found = found.get("items", []) if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadRequestError("A label set in JSON is a list of objects, one for each label.")
    return [{name: _text(row[name]) for name in HEADING if name in row} for row in found]


def _text(value: object) -> str:
    """A value of JSON as a cell: lists joined, yes for true, nothing for null and false."""
    if isinstance(value, list):
        return BETWEEN.join(str(one) for one in value)
    return "yes" if value is True else str(value) if value else ""
