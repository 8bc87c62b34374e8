"""A label set as a file, JSON or a table: to keep, to edit elsewhere, and to import again."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from webapp.domain import MERGE
from webapp.errors import BadRequestError, UnknownLabelError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import CurrentLabel, all_labels, canonical_label
from webapp.reports.csv_safety import plain_cell, to_csv
from webapp.services.labels.label_sets import KIND_NAMES, PLACE, add_change, card_now, values_of
from webapp.services.labels.merges import add_merge, add_split
from webapp.services.labels.remap import Editor, remap
from webapp.storage.database import writing
from webapp.storage.labels.events import Stamp

# Columns beside `label`, `merged_into` and `split_from`, with the kind of edit that each is.
_COLUMNS = {
    "display": "name",
    "parent": "parent",
    "color": "color",
    "aliases": "aliases",
    "key": "key",
    "retired": "retired",
}
_HEADING = ("label", *_COLUMNS, "merged_into", "split_from")
_BETWEEN = " | "  # between aliases in a cell
_Rows = Sequence[dict[str, str]]
_Change = tuple[str, str]  # a label, and what changes about it in words
LARGEST = 1_000_000  # bytes: ten times what 196 labels with twenty aliases need


class _PreviewError(Exception):
    """Ends the transaction of a preview, so that nothing of it stays."""


def to_json(card: ModelCard) -> str:
    """Every label as people see it: objects with the keys of `_HEADING`, aliases as a list."""
    rows = [{**_row(label), "aliases": list(label.aliases)} for label in all_labels(card)]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def to_table(card: ModelCard) -> str:
    """The same as CSV."""
    return to_csv(_HEADING, [list(_row(label).values()) for label in all_labels(card)])


def import_file(
    published: ModelCard, content: bytes, editor: Editor, *, apply: bool
) -> list[_Change]:
    """Each label with what a file in one of these forms changes about it, in words; done when
    `apply`, all or nothing.

    Labels and columns that the file leaves out stay as they are, and so do merges and splits: a
    file can add those, not take them back. Raises `BadRequestError` that names the label.
    """
    rows = _read(content)
    planned: list[_Change] = []
    with suppress(_PreviewError), writing():
        split = list(_split(published, rows, editor))
        changed = list(_change(published, rows, editor))
        merged = list(_merge(published, rows, editor))
        planned = [*split, *changed, *merged]
        if not apply:
            raise _PreviewError
        if split or merged:
            remap(published.name, editor, merged=bool(merged))
    return planned


def _split(published: ModelCard, rows: _Rows, editor: Editor) -> Iterator[_Change]:
    """New labels of the file, those first whose whole is there."""
    while True:
        card = card_now(published)
        new: dict[str, list[str]] = {}
        for row in rows:
            whole = row.get("split_from", "")
            if whole and card.label(row["label"]) is None and card.label(whole) is not None:
                new.setdefault(whole, []).append(row["label"])
        if not new:
            return
        for label, names in new.items():
            with _naming(label):
                names = add_split(published, label, names, Stamp(editor.who, PLACE))
            yield label, f"split into {', '.join(names)}"


def _change(published: ModelCard, rows: _Rows, editor: Editor) -> Iterator[_Change]:
    for row in rows:
        wanted = {kind: row[name] for name, kind in _COLUMNS.items() if name in row}
        if "aliases" in wanted:
            wanted["aliases"] = "\n".join(wanted["aliases"].split(_BETWEEN.strip()))
        with _naming(row["label"]):
            changed = add_change(published, row["label"], wanted, Stamp(editor.who, PLACE))
        if changed:
            sentences = [
                f"{KIND_NAMES[kind]}: {value.replace(chr(10), ', ') or 'nothing'}"
                for kind, value in changed.items()
            ]
            yield row["label"], "; ".join(sentences)


def _merge(published: ModelCard, rows: _Rows, editor: Editor) -> Iterator[_Change]:
    for row in rows:
        card, label, into = card_now(published), row["label"], row.get("merged_into", "")
        if into and canonical_label(card, label) != canonical_label(card, into):
            with _naming(label):
                add_merge(published, label, into, Stamp(editor.who, MERGE))
            yield label, f"merged into {into}"


@contextmanager
def _naming(label: str) -> Iterator[None]:
    """Names the label in the sentence of what was refused about it."""
    try:
        yield
    except (BadRequestError, UnknownLabelError) as error:
        raise BadRequestError(f"{label[:80]}: {error}") from error


def _row(label: CurrentLabel) -> dict[str, str]:
    """A label as the cells of a line, in the order of `_HEADING`."""
    values = values_of(label) | {"aliases": _BETWEEN.join(label.aliases)}
    cells = {name: values[kind] for name, kind in _COLUMNS.items()}
    return {"label": label.name, **cells, "merged_into": label.merged, "split_from": label.split}


def _read(content: bytes) -> _Rows:
    """The rows of a file, each with its label once. Raises `BadRequestError`."""
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
            f"A label set has the columns {', '.join(_HEADING)}; "
            "label is needed, and every line needs one."
        )
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise BadRequestError(f"{twice[:80]} stands in the file twice.")
    return rows


def _from_table(text: str) -> _Rows:
    try:
        table = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise BadRequestError(f"This is no table: {error}.") from error
    return [
        {name: plain_cell(row[name] or "") for name in _HEADING if name in row} for row in table
    ]


def _from_json(text: str) -> _Rows:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"This is no JSON: {error}.") from error
    rows = rows.get("items", []) if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRequestError("A label set in JSON is a list of objects, one for each label.")
    return [{name: _text(row[name]) for name in _HEADING if name in row} for row in rows]


def _text(value: object) -> str:
    """A value of JSON as a cell."""
    if isinstance(value, list):
        return _BETWEEN.join(map(str, value))
    return "yes" if value is True else str(value) if value else ""
