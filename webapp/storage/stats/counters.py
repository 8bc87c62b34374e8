"""The checked answers about cars, and their sums: the counters that the statistics read.

Everything that changes photos, labels or predictions ends with `recount`. It replaces the rows of
some cars by what they are now and moves the counters by the difference: the old rows tell what
the counters hold of them, so it does not matter what changed, or how often it is called.
See docs/decisions for why. Nothing here commits.
"""

from collections.abc import Sequence
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
    and_,
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
from webapp.storage.labels.canonical import right_answer
from webapp.storage.tables import (
    CHECKED,
    BandCounter,
    Car,
    CheckedAnswer,
    LabelEvent,
    MonthCounter,
    PairCounter,
    Photo,
    Prediction,
    TopLabel,
    TrainingFile,
)

BILLION = 1_000_000_000
_ANSWERS: Table = CheckedAnswer.__table__  # type: ignore[assignment]
_PAIRS: Table = PairCounter.__table__  # type: ignore[assignment]
_BANDS: Table = BandCounter.__table__  # type: ignore[assignment]
MONTHS: Table = MonthCounter.__table__  # type: ignore[assignment]
COUNTERS = (_PAIRS, _BANDS, MONTHS)
_Rows = Table | Subquery | CTE
_Steps = tuple[Executable, Sequence[Executable], Executable, Sequence[Executable]]

# somebody has checked the car in a random sample
was_audited = exists().where(LabelEvent.car_id == Car.id, LabelEvent.place == AUDIT).correlate(Car)


def was_trained_on(model: Any, version: Any) -> ColumnElement[bool]:
    """SQL: this version of this model was trained on the photo."""
    same_file = TrainingFile.sha256 == Photo.sha256
    of_version = (TrainingFile.model == model, TrainingFile.version == version)
    return exists().where(*of_version, same_file).correlate(Photo, Prediction)


def recount(numbers: Sequence[int], *, uncounted: bool = False) -> None:
    """Bring the checked answers about the cars with these numbers, and the counters, up to date.

    `uncounted` cars had no label before, so that nothing is counted of them yet.
    """
    find, remove, insert_rows, add = _steps(db.engine.dialect.name)
    connection, values = db.session.connection(), {"ids": list(numbers)}
    if not uncounted and connection.execute(find, values).first() is not None:
        for step in remove:
            connection.execute(step, values)
    if connection.execute(insert_rows, values).rowcount:
        for step in add:
            connection.execute(step, values)


@cache
def _steps(dialect: str) -> _Steps:
    """What finds a row of cars, removes and subtracts them, inserts them anew, adds them. Made
    once: building the statements takes longer than running them for one car."""
    ids: Any = bindparam("ids", expanding=True)
    photos = select(Car.photo_id).where(Car.id.in_(ids))
    of_cars = and_(_ANSWERS.c.photo_id.in_(photos), _ANSWERS.c.car_id.in_(ids))
    subtract, add = (
        [_moved(table, of_cars, sign, dialect) for table in COUNTERS] for sign in (-1, 1)
    )
    find = select(_ANSWERS.c.car_id).where(of_cars).limit(1)
    fresh = _answers_now(Car.id.in_(ids))
    insert_rows = insert(_ANSWERS).from_select(list(_ANSWERS.c), fresh)
    return find, (*subtract, delete(_ANSWERS).where(of_cars)), insert_rows, add


def sums(table: Table, rows: _Rows, *where: Any, sign: int = 1) -> Select[Any]:
    """What a counter table holds of rows with the columns of `CheckedAnswer`; `sign` -1:
    negated."""
    values = _counter_values(rows, where)
    keys = [values.c[column.name] for column in table.primary_key]
    counted = [
        (sign * (func.count() if name == "n" else func.sum(values.c[name]))).label(name)
        for name in _sum_columns(table)
    ]
    return select(*keys, *counted).group_by(*keys)


def all_sums(rows: _Rows) -> CompoundSelect[Any]:
    """What all counter tables hold of these rows, read once.

    The columns of all tables, and `kind`: the name of the table.
    """
    columns = {column.name: column.type for table in COUNTERS for column in table.c}
    parts = []
    for table in COUNTERS:
        part = sums(table, rows).subquery()
        values = (
            part.c[name] if name in part.c else cast(null(), kind).label(name)
            for name, kind in columns.items()
        )
        parts.append(select(literal(table.name).label("kind"), *values))
    return union_all(*parts)


def _answers_now(*where: Any) -> Select[Any]:
    """The rows of `CheckedAnswer` as they should be, from cars, labels and predictions."""
    day = cast(Photo.created_at, String)
    in_top_five = exists().where(
        TopLabel.prediction_id == Prediction.id, TopLabel.label == right_answer
    )
    values: dict[str, Any] = {
        "photo_id": Car.photo_id,
        "truth": right_answer,
        "month": cast(func.substr(day, 1, 4), Integer) * 100
        + cast(func.substr(day, 6, 2), Integer),
        "audited": was_audited,
        "trained": was_trained_on(Prediction.model, Prediction.version),
        "five": or_(Prediction.label == right_answer, in_top_five),
    }
    columns = [
        (values[name] if name in values else getattr(Prediction, name)).label(name)
        for name in _ANSWERS.c.keys()  # noqa: SIM118
    ]
    return (
        select(*columns)
        .join_from(Prediction, Car, Car.id == Prediction.car_id)
        .join(Photo, Photo.id == Car.photo_id)
        .where(Prediction.outcome.in_(CHECKED), Photo.deleted_at.is_(None), *where)
    )


def _counter_values(rows: _Rows, where: Sequence[Any]) -> Subquery:
    """The rows with every value that is a key of a counter, or summed in one."""
    hundredfold = rows.c.confidence * 100
    rounded = cast(hundredfold, Integer)  # SQLite cuts off, PostgreSQL rounds
    percent = rounded - case((rounded > hundredfold, 1), else_=0)
    values = {
        "percent": case((percent > 99, 99), else_=percent),
        "known": case((rows.c.truth != NONE_OF_THESE, True), else_=False),
        "first": case((rows.c.label == rows.c.truth, 1), else_=0),
        "five": case((rows.c.five, 1), else_=0),
        "right": case((rows.c.outcome == "correct", 1), else_=0),
        "billionths": cast(func.round(rows.c.confidence * BILLION), BigInteger),
    }
    names = ("model", "version", "audited", "trained", "truth", "label", "decision", "month")
    computed = (value.label(name) for name, value in values.items())
    return select(*(rows.c[name] for name in names), *computed).where(*where).subquery("counted")


def _sum_columns(table: Table) -> list[str]:
    return [column.name for column in table.c if not column.primary_key]


def _moved(table: Table, which: Any, sign: int, dialect: str) -> Insert:
    """Add the checked answers `which` to a counter table, or subtract them."""
    upsert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = upsert(table).from_select(list(table.c), sums(table, _ANSWERS, which, sign=sign))
    keys = [column.name for column in table.primary_key]
    moved = {name: table.c[name] + statement.excluded[name] for name in _sum_columns(table)}
    return statement.on_conflict_do_update(index_elements=keys, set_=moved)


# ---- from scratch ----


def rebuild_sums() -> None:
    """Sum up all checked answers anew."""
    for table in COUNTERS:
        db.session.execute(delete(table))
        db.session.execute(insert(table).from_select(list(table.c), sums(table, _ANSWERS)))


def differences() -> tuple[int, int]:
    """How many checked answers, and how many counters, are not what a full count gives."""
    answers = _differing(select(_ANSWERS), _answers_now())
    return answers, sum(
        _differing(select(table).where(table.c.n != 0), sums(table, _ANSWERS)) for table in COUNTERS
    )


def _differing(stored: Select[Any], right: Select[Any]) -> int:
    """How many rows of one query the other lacks, or the other way round."""
    return max(
        db.session.execute(select(func.count()).select_from(query.subquery())).scalar_one()
        for query in (stored.except_(right), right.except_(stored))
    )
