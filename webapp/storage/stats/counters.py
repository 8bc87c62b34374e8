"""The tally of checked answers: a row for each, and the sums of these rows. What changes photos, labels or predictions calls `recount`.

`recount` replaces the rows of some photos by what they are now, and moves the sums by the difference: the rows tell what the sums hold of
them, so it does not matter what had changed, or how often it is called. See docs/decisions/0017-tally.md. Nothing here commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Executable,
    Insert,
    Integer,
    Select,
    String,
    Subquery,
    Table,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from webapp.domain import AUDIT, NONE_OF_THESE
from webapp.storage.database import db
from webapp.storage.labels.truths import right_answer
from webapp.storage.tables import (
    CHECKED,
    CheckedAnswer,
    LabelEvent,
    LearntFile,
    Photo,
    Prediction,
    TallyBand,
    TallyMonth,
    TallyPair,
    TopLabel,
)

BILLION = 1_000_000_000
ANSWERS: Table = CheckedAnswer.__table__  # type: ignore[assignment]
TALLIES: tuple[Table, ...] = tuple(one.__table__ for one in (TallyPair, TallyBand, TallyMonth))  # type: ignore[misc]
Rows = Table | Subquery | CTE

was_audited = (
    exists().where(LabelEvent.photo_id == Photo.id, LabelEvent.place == AUDIT).correlate(Photo)
)
"""Somebody has checked the photo in a random sample."""


def has_learnt_from(model: Any, version: Any) -> ColumnElement[bool]:
    """This version of this model has learnt from the photo."""
    theirs = (
        LearntFile.model == model,
        LearntFile.version == version,
        LearntFile.sha256 == Photo.sha256,
    )
    return exists().where(*theirs).correlate(Photo, Prediction)


@dataclass(frozen=True)
class Steps:
    """What `recount` does, in this order: look for rows, take them out of the sums, and away; put them in again, and into the sums."""

    any: Executable
    out: tuple[Executable, ...]
    away: Executable
    again: Executable
    into: tuple[Executable, ...]


def recount(photo_ids: Sequence[int] | Select[Any]) -> None:
    """Bring the checked answers of these photos, and the sums, up to date with photos, labels and predictions."""
    if isinstance(photo_ids, Select):
        steps, values = _steps(photo_ids, db.engine.dialect.name), {}
    else:
        steps, values = _steps_for_a_list(db.engine.dialect.name), {"ids": list(photo_ids)}
    connection = db.session.connection()
    if connection.execute(steps.any, values).first() is not None:
        for step in (*steps.out, steps.away):
            connection.execute(step, values)
    if connection.execute(steps.again, values).rowcount:
        for step in steps.into:
            connection.execute(step, values)


@cache
def _steps_for_a_list(dialect: str) -> Steps:
    """Made once: putting them together takes longer than the database takes for a photo."""
    return _steps(bindparam("ids", expanding=True), dialect)


def _steps(photo_ids: Any, dialect: str) -> Steps:
    theirs = ANSWERS.c.photo_id.in_(photo_ids)
    return Steps(
        any=select(ANSWERS.c.photo_id).where(theirs).limit(1),
        out=tuple(_moved(table, theirs, -1, dialect) for table in TALLIES),
        away=delete(ANSWERS).where(theirs),
        again=insert(ANSWERS).from_select(list(ANSWERS.c), answers_now(Photo.id.in_(photo_ids))),
        into=tuple(_moved(table, theirs, 1, dialect) for table in TALLIES),
    )


def sums(table: Table, rows: Rows, *where: Any, sign: int = 1) -> Select[Any]:
    """What a table of sums holds of these rows, which have the columns of `CheckedAnswer`; `sign` -1 for the same below zero."""
    told = _told(rows, where)
    keys = [told.c[column.name] for column in table.primary_key]
    counted = [
        func.count() if column.name == "n" else func.sum(told.c[column.name])
        for column in table.c
        if not column.primary_key
    ]
    return select(
        *keys,
        *((sign * one).label(name) for one, name in zip(counted, _sums_of(table), strict=True)),
    ).group_by(*keys)


def all_sums(rows: Rows) -> CompoundSelect[Any]:
    """What every table of sums holds of these rows, read once: columns of all tables, and `kind`, the name of the table."""
    columns = {column.name: column.type for table in TALLIES for column in table.c}
    parts = []
    for table in TALLIES:
        found = sums(table, rows).subquery()
        values = (
            found.c[name] if name in found.c else cast(null(), kind).label(name)
            for name, kind in columns.items()
        )
        parts.append(select(literal(table.name).label("kind"), *values))
    return union_all(*parts)


def answers_now(*where: Any) -> Select[Any]:
    """The rows of `CheckedAnswer` as they should be, from photos, labels and predictions."""
    day = cast(Photo.created_at, String)
    month = cast(func.substr(day, 1, 4), Integer) * 100 + cast(func.substr(day, 6, 2), Integer)
    first = Prediction.label == right_answer
    five = or_(
        first,
        exists().where(TopLabel.prediction_id == Prediction.id, TopLabel.label == right_answer),
    )
    values = {
        "truth": right_answer,
        "month": month,
        "audited": was_audited,
        "learnt": has_learnt_from(Prediction.model, Prediction.version),
        "five": five,
    }
    columns = [
        values[one.name] if one.name in values else getattr(Prediction, one.name)
        for one in ANSWERS.c
    ]
    question = select(
        *(column.label(one.name) for column, one in zip(columns, ANSWERS.c, strict=True))
    ).join_from(Prediction, Photo)
    return question.where(Prediction.outcome.in_(CHECKED), Photo.deleted_at.is_(None), *where)


def _told(rows: Rows, where: Sequence[Any]) -> Subquery:
    """The rows with all that is a key of a sum, or summed."""
    hundredfold = rows.c.confidence * 100
    rounded = cast(hundredfold, Integer)  # SQLite cuts off, PostgreSQL rounds
    percent = rounded - case((rounded > hundredfold, 1), else_=0)
    told = {
        "percent": case((percent > 99, 99), else_=percent),
        "known": case((rows.c.truth != NONE_OF_THESE, True), else_=False),
        "first": _number(rows.c.label == rows.c.truth),
        "five": _number(rows.c.five),
        "right": _number(rows.c.outcome == "correct"),
        "billionths": cast(func.round(rows.c.confidence * BILLION), BigInteger),
    }
    plain = [
        rows.c[name]
        for name in ("model", "version", "audited", "learnt", "truth", "label", "decision", "month")
    ]
    return (
        select(*plain, *(value.label(name) for name, value in told.items()))
        .where(*where)
        .subquery("told")
    )


def _sums_of(table: Table) -> list[str]:
    return [column.name for column in table.c if not column.primary_key]


def _moved(table: Table, which: Any, sign: int, dialect: str) -> Insert:
    """Add these rows to the sums, or take them away."""
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(table).from_select(list(table.c), sums(table, ANSWERS, which, sign=sign))
    keys = [column.name for column in table.primary_key]
    added = {name: table.c[name] + statement.excluded[name] for name in _sums_of(table)}
    return statement.on_conflict_do_update(index_elements=keys, set_=added)


def _number(condition: Any) -> Any:
    return case((condition, 1), else_=0)


# ---- from scratch ----


def numbered(first: int, last: int) -> Select[Any]:
    """The photos with these numbers, for `recount`."""
    return select(Photo.id).where(Photo.id.between(first, last))


def rebuild_sums() -> None:
    """Sum up all checked answers anew."""
    for table in TALLIES:
        db.session.execute(delete(table))
        db.session.execute(insert(table).from_select(list(table.c), sums(table, ANSWERS)))


def differences() -> tuple[int, int]:
    """How many checked answers are not what they should be, and how many sums are not those of the checked answers."""
    rows = _apart(select(ANSWERS), answers_now())
    kept = (select(table).where(table.c.n != 0) for table in TALLIES)
    return rows, sum(
        _apart(one, sums(table, ANSWERS)) for one, table in zip(kept, TALLIES, strict=True)
    )


def _apart(kept: Select[Any], right: Select[Any]) -> int:
    """How many rows of one question the other has not, or the other way round."""
    questions = (kept.except_(right), right.except_(kept))
    return max(
        db.session.execute(select(func.count()).select_from(one.subquery())).scalar_one()
        for one in questions
    )
