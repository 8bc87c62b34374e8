"""What SQLite's planner is told about the tables: the shape of a large history, so that plans are
the same on every machine.

Without figures SQLite guesses that every index leads to ten rows, and takes any; measured ones
(ANALYZE) would be those of the small history that a large one once was. These are rough: which
filters are narrow and which are wide. `docs/decisions/0010-gallery.md`.
"""

from typing import Any

from sqlalchemy import Index, column, delete, insert, table, text

from webapp.storage.database import db
from webapp.storage.sqlite.connection import is_sqlite
from webapp.storage.tables import LabelEvent, Photo, Prediction

_ROWS = {"photos": 1_000_000, "predictions": 3_000_000, "label_events": 1_000_000}
# How many different values a column has among a million photos; others differ in each row.
_SAME = {
    "outcome": 5,
    "shown_label": 200,
    "shown_decision": 200,
    "label": 200,
    "ground_truth": 200,
    "uploader_id": 20,
    "source": 3,
    "batch": 50_000,
    "starred": 2,
    "has_duplicate": 2,
    "created_at": 1_000_000,
    "shown_confidence": 300_000,
    "shown_margin": 300_000,
    "confidence": 300_000,
    "margin": 300_000,
    "dhash": 900_000,
    "photo_id": 1_000_000,
    "model": 1,
    "version": 3,
    "shown": 2,
}
# Indexes that SQLite makes for a unique constraint.
_OTHERS = {"sqlite_autoindex_predictions_1": ("predictions", "3000000 3 3 1")}
_statistics = table("sqlite_stat1", column("tbl"), column("idx"), column("stat"))


def tell_planner() -> None:
    """Put the figures where SQLite looks for them, inside the caller's transaction. Other databases
    measure for themselves."""
    if not is_sqlite(db.engine):
        return
    connection = db.session.connection()
    connection.execute(text("ANALYZE sqlite_schema"))  # makes the table of figures
    connection.execute(delete(_statistics))
    connection.execute(insert(_statistics), _figures())
    connection.execute(text("ANALYZE sqlite_schema"))  # reads it


def _figures() -> list[dict[str, str]]:
    """A row for each index: all its rows, then how many share the first column, the first two, …"""
    tables: list[Any] = [row.__table__ for row in (Photo, Prediction, LabelEvent)]
    indexes = [index for of_photos in tables for index in of_photos.indexes]
    return [
        {"tbl": index.table.name, "idx": str(index.name), "stat": _shape(index)}
        for index in indexes
    ] + [{"tbl": owner, "idx": name, "stat": stat} for name, (owner, stat) in _OTHERS.items()]


def _shape(index: Index) -> str:
    rows = left = _ROWS[index.table.name]  # type: ignore[union-attr]
    shape = [rows]
    for of_index in index.columns:
        left = max(1, left // _SAME.get(of_index.name, rows))
        shape.append(left)
    return " ".join(map(str, shape))
