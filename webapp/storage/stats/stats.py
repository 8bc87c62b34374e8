"""Counts over checked photos: what a version said against what people said. Nothing here loads a photo.

Without a filter they are read from the sums that `webapp.storage.stats.counters` keeps; with one the checked answers that pass it are counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import CTE, Select, Table, insert, select
from sqlalchemy.exc import OperationalError

from webapp.domain import GalleryFilter
from webapp.errors import TooMuchToCountError
from webapp.storage.database import db, stopping_after
from webapp.storage.photos.query_filters import conditions, truths_of
from webapp.storage.stats import counters as tally
from webapp.storage.tables import CheckedAnswer, LearntFile, LearntList, Photo, Prediction

COUNTING = 3.0
"""Seconds that counting the photos of a filter may take."""
SAID = (
    "predicted",
    "decision",
    "outcome",
    "min_confidence",
    "max_confidence",
    "min_margin",
    "max_margin",
)
"""Filters that ask nothing of the photos themselves."""
PAIRS, BANDS, MONTHS = tally.TALLIES


@dataclass(frozen=True)
class Pair:
    """`n` photos that are `truth`, about which `decision` was said. Of these the first guess was right on `first`, and the truth was
    among the first five of `five`. `audited` parts the photos that were drawn at random from the others, `learnt` those that the version
    has learnt from."""

    truth: str
    decision: str
    audited: bool
    learnt: bool
    n: int
    first: int
    five: int


@dataclass(frozen=True)
class Band:
    """`n` photos whose first guess had a confidence of `percent` (0 to 99, rounded down); it was right on `first`. `confidence` is the
    sum of theirs. `known` is False for photos that show none of the labels."""

    percent: int
    audited: bool
    learnt: bool
    known: bool
    n: int
    first: int
    confidence: float


@dataclass(frozen=True)
class Month:
    """`n` photos of one month (year * 100 + month, of their upload in UTC); what was said was right on `right`."""

    month: int
    audited: bool
    learnt: bool
    n: int
    right: int


@dataclass(frozen=True)
class Counts:
    """Everything that was counted of one version's answers to checked photos."""

    pairs: list[Pair]
    bands: list[Band]
    months: list[Month]


@dataclass(frozen=True)
class VersionCount:
    """`n` photos that a version has answered and somebody has checked; what was said was right on `right`. The flags as in `Pair`."""

    version: int
    audited: bool
    learnt: bool
    n: int
    right: int


def count_answers(wanted: GalleryFilter, model: str, version: int) -> Counts:
    """Count a version's answers to the checked photos of a filter (whose `model` and `version` must be these, if any).

    Photos whose truth says nothing about the version's labels are left out. Raises `TooMuchToCountError` when a filter takes too long.
    """
    if not _is_a_filter(wanted):
        return Counts(
            _pairs(_kept(PAIRS, model, version)),
            _bands(_kept(BANDS, model, version)),
            _months(_kept(MONTHS, model, version)),
        )
    rows = _in_time(tally.all_sums(_passing(wanted, model, version)))
    pairs, bands, months = (
        [row for row in rows if row.kind == table.name] for table in tally.TALLIES
    )
    return Counts(_pairs(pairs), _bands(bands), _months(months))


def count_by_version(wanted: GalleryFilter, model: str) -> list[VersionCount]:
    """How often each version of a model was right on the checked photos of a filter that it has answered. Raises like `count_answers`."""
    found: dict[tuple[int, bool, bool], list[int]] = defaultdict(lambda: [0, 0])
    for row in (
        _in_time(tally.sums(MONTHS, _passing(wanted, model)))
        if _is_a_filter(wanted)
        else _kept(MONTHS, model)
    ):
        total = found[row.version, row.audited, row.learnt]
        total[0], total[1] = total[0] + row.n, total[1] + row.right
    return [VersionCount(*key, *numbers) for key, numbers in sorted(found.items())]


def photos_of_pair(
    wanted: GalleryFilter, model: str, version: int, truth: str, decision: str, *, limit: int
) -> Sequence[Photo]:
    """The newest photos of a filter, whose `model` and `version` are these, for which `truth` is right and of which it said `decision`."""
    question = (
        select(Photo)
        .join(Prediction, Prediction.photo_id == Photo.id)
        .where(
            Prediction.model == model,
            Prediction.version == version,
            Prediction.decision == decision,
        )
        .where(Photo.ground_truth.in_(truths_of(model, version, truth)))
        .where(Photo.deleted_at.is_(None), *conditions(wanted))
        .order_by(Photo.id.desc())
        .limit(limit)
    )
    return db.session.execute(question).scalars().all()


def _pairs(rows: Iterable[Any]) -> list[Pair]:
    found: dict[tuple[str, str, bool, bool], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        total = found[row.truth, row.decision, row.audited, row.learnt]
        for at, number in enumerate((row.n, row.n if row.label == row.truth else 0, row.five)):
            total[at] += number
    return [Pair(*key, *numbers) for key, numbers in found.items()]


def _bands(rows: Iterable[Any]) -> list[Band]:
    return [
        Band(
            row.percent,
            row.audited,
            row.learnt,
            row.known,
            row.n,
            row.first,
            row.billionths / tally.BILLION,
        )
        for row in rows
    ]


def _months(rows: Iterable[Any]) -> list[Month]:
    return [Month(row.month, row.audited, row.learnt, row.n, row.right) for row in rows]


def _kept(table: Table, model: str, version: int | None = None) -> Sequence[Any]:
    """The sums of a model's answers that are kept, or of one version's."""
    kept = select(table).where(table.c.model == model, table.c.n != 0)
    return db.session.execute(
        kept if version is None else kept.where(table.c.version == version)
    ).all()


def _is_a_filter(wanted: GalleryFilter) -> bool:
    """True when a filter asks for more than a version and an order."""
    return replace(wanted, model="", version=None, sort="newest") != GalleryFilter()


def _passing(wanted: GalleryFilter, model: str, version: int | None = None) -> CTE:
    """The checked answers to the photos of a filter."""
    mine = replace(wanted, model=model, version=version, sort="newest")
    question: Select[Any] = select(CheckedAnswer).where(
        CheckedAnswer.model == model, *conditions(mine, CheckedAnswer)
    )
    if version is not None:
        question = question.where(CheckedAnswer.version == version)
    if (
        replace(
            wanted,
            **{name: getattr(GalleryFilter, name) for name in (*SAID, "model", "version", "sort")},
        )
        != GalleryFilter()
    ):
        question = question.join(Photo, Photo.id == CheckedAnswer.photo_id).where(
            Photo.deleted_at.is_(None)
        )  # as the indexes ask
    return question.cte("passing")


def _in_time(question: Any) -> Sequence[Any]:
    """The rows of a question about the photos of a filter. Raises `TooMuchToCountError` when its time is over."""
    try:
        with stopping_after(COUNTING):
            return db.session.execute(question).all()
    except OperationalError as error:
        if "interrupted" not in str(error):
            raise
        raise TooMuchToCountError(
            "These are more photos than can be counted while you wait. Narrow the filter, by days for example, or count all photos."
        ) from error


# ---- what a version has learnt from ----


def learnt_list(model: str, version: int) -> int | None:
    """How many files a version has learnt from; None when nobody knows, or its list has not been read yet."""
    question = select(LearntList.files).where(
        LearntList.model == model, LearntList.version == version
    )
    return db.session.execute(question).scalar_one_or_none()


def add_learnt_files(model: str, version: int, files: Sequence[str]) -> list[int]:
    """Remember files that a version has learnt from; the numbers of the photos that are here of them, for `tally.recount`."""
    this = (LearntFile.model == model, LearntFile.version == version)
    known = set(db.session.execute(select(LearntFile.sha256).where(*this)).scalars())
    rows = [
        {"model": model, "version": version, "sha256": one} for one in files if one not in known
    ]
    if rows:
        db.session.connection().execute(insert(LearntFile), rows)
    here = select(Photo.id).join(LearntFile, LearntFile.sha256 == Photo.sha256).where(*this)
    return list(db.session.execute(here).scalars())


def end_learnt_list(model: str, version: int, files: int) -> None:
    """Write down that the whole list of a version is here, and that its checked answers tell it."""
    db.session.merge(LearntList(model=model, version=version, files=files))
    db.session.flush()
