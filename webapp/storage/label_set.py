"""Questions about how people see the labels of a model, and how that is written. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from webapp.storage.database import db
from webapp.storage.tables import LabelChange


def last_change() -> int:
    """The number of the newest change of any label, 0 when there is none: while it stays the same, so do all label sets."""
    return db.session.execute(select(func.max(LabelChange.id))).scalar() or 0


def changes_of(model: str, label: str | None = None) -> Sequence[LabelChange]:
    """Every change of the labels of a model, or of one of them, oldest first."""
    question = select(LabelChange).where(LabelChange.model == model)
    if label is not None:
        question = question.where(LabelChange.label == label)
    return db.session.execute(question.order_by(LabelChange.id)).scalars().all()


def add_changes(rows: Sequence[LabelChange]) -> None:
    """Append changes, in this order."""
    db.session.add_all(rows)
    db.session.flush()
