"""Counts over checked photos, made in the database: what a version said against what people said. Nothing here loads a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    CompoundSelect,
    Float,
    Integer,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
)

from webapp.storage.database import db
from webapp.storage.matching import conditions, truths_of
from webapp.storage.photos import given, right_answer
from webapp.storage.tables import CHECKED, ExpectedAnswer, KnownLabel, LabelChange, LabelEvent, Photo, Prediction, Rereading, TopLabel
from webapp.values import AUDIT, NONE_OF_THESE, UNCLASSIFIED, GalleryFilter

_checked_answer = text(f"predictions.{CHECKED}")
_deleted = Photo.deleted_at.is_not(None)
_audited = exists().where(LabelEvent.photo_id == Photo.id, LabelEvent.place == AUDIT).correlate(Photo)
_CONFUSION, _BANDS, _MONTHS = "confusion", "bands", "months"


@dataclass(frozen=True)
class Pair:
    """`n` photos that are `truth`, about which `decision` was said. Of these the first guess was right on `first`, and the truth was
    among the first five of `five`. `audited` parts the photos that were drawn at random from the others."""

    truth: str
    decision: str
    audited: bool
    n: int
    first: int
    five: int


@dataclass(frozen=True)
class Band:
    """`n` photos whose first guess had a confidence of `percent` (0 to 99, rounded down); it was right on `first`. `confidence` is the
    sum of theirs. `known` is False for photos that show none of the labels."""

    percent: int
    audited: bool
    known: bool
    n: int
    first: int
    confidence: float


@dataclass(frozen=True)
class Month:
    """`n` photos of one month (year * 100 + month, of their upload in UTC); what was said was right on `right`."""

    month: int
    audited: bool
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
    """`n` checked photos that a version has answered; what was said was right on `right`. The same for those drawn at random."""

    version: int
    n: int
    right: int
    audited: int
    audited_right: int


def count_answers(wanted: GalleryFilter, model: str, version: int) -> Counts:
    """Count a version's answers to the checked photos of a filter (whose `model` must be this one, so that what it asks of predictions
    is asked of the version's). Photos whose truth says nothing about its labels are left out.

    One statement: the checked answers are read once, from an index that holds nothing else, and counted three ways.
    """
    counts = Counts([], [], [])
    for kind, truth, decision, place, flag, drawn, n, hits, more, confidence in db.session.execute(_count(wanted, model, version)):
        if kind == _CONFUSION:
            counts.pairs.append(Pair(truth, decision, bool(drawn), n, hits, more))
        elif kind == _BANDS:
            counts.bands.append(Band(min(place, 99), bool(drawn), bool(flag), n, hits, confidence))
        else:
            counts.months.append(Month(int(truth[:4]) * 100 + int(truth[5:]), bool(drawn), n, hits))
    return counts


def count_by_version(wanted: GalleryFilter, model: str) -> list[VersionCount]:
    """How often each version of a model was right on the checked photos of a filter that it has answered, oldest version first."""
    about = conditions(wanted)
    kept = [Photo.deleted_at.is_(None), *about] if about else [Prediction.photo_id.not_in(select(Photo.id).where(_deleted))]
    versions = select(KnownLabel.version).where(KnownLabel.model == model).distinct()
    answers = select(Prediction.version, func.count(), _sum(Prediction.outcome == "correct")).group_by(Prediction.version)
    answers = answers.where(Prediction.model == model, Prediction.version.in_(versions), _checked_answer, *kept)
    if about:
        answers = answers.join(Photo, Photo.id == Prediction.photo_id)
    drawn = select(LabelEvent.photo_id).where(LabelEvent.place == AUDIT, LabelEvent.photo_id.is_not(None))
    everything = {version: (n, right) for version, n, right in db.session.execute(answers)}
    audited = {version: (n, right) for version, n, right in db.session.execute(answers.where(Prediction.photo_id.in_(drawn)))}
    return [VersionCount(version, *everything[version], *audited.get(version, (0, 0))) for version in sorted(everything)]


def photos_of_pair(
    wanted: GalleryFilter, model: str, version: int, truth: str, decision: str, *, audited: bool, limit: int
) -> Sequence[Photo]:
    """The newest checked photos of a filter for which `truth` is the right answer and about which this version said `decision`."""
    question = (
        select(Photo)
        .join(Prediction, Prediction.photo_id == Photo.id)
        .where(Prediction.model == model, Prediction.version == version, Prediction.decision == decision)
        .where(Photo.ground_truth.in_(truths_of(model, version, truth)))
        .where(Photo.deleted_at.is_(None), *conditions(wanted))
        .where(*([_audited] if audited else []))
        .order_by(Photo.id.desc())
        .limit(limit)
    )
    return db.session.execute(question).scalars().all()


def _count(wanted: GalleryFilter, model: str, version: int) -> CompoundSelect[Any]:
    checked = _checked(wanted, model, version)
    said = _right(checked.c.truth, checked.c.decision)
    first = checked.c.label == checked.c.truth
    five = or_(first, exists().where(TopLabel.prediction_id == checked.c.prediction, TopLabel.label == checked.c.truth))
    audited, known = checked.c.audited, _flag(checked.c.truth != NONE_OF_THESE)
    words, number, real = cast(null(), String), cast(null(), Integer), cast(null(), Float)
    n = func.count()
    pairs = select(literal(_CONFUSION), checked.c.truth, checked.c.decision, number, number, audited, n, _sum(first), _sum(five), real)
    bands = select(literal(_BANDS), words, words, checked.c.band, known, audited, n, _sum(first), number, func.sum(checked.c.confidence))
    months = select(literal(_MONTHS), checked.c.month, words, number, number, audited, n, _sum(said), number, real)
    return union_all(
        pairs.group_by(checked.c.truth, checked.c.decision, audited),
        bands.group_by(checked.c.band, known, audited),
        months.group_by(checked.c.month, audited),
    )


def _checked(wanted: GalleryFilter, model: str, version: int) -> CTE:
    """The checked photos of a filter that this version has answered and whose truth its labels can be held against, one row each.

    The truth is the answer that is right from this version: labels that were merged are one, and what was split since is what it was.
    """
    hundredfold = Prediction.confidence * 100
    rounded = cast(hundredfold, Integer)
    question = (
        select(
            (right_answer if _is_read_anew(model, version) else given).label("truth"),
            Prediction.label.label("label"),
            Prediction.decision.label("decision"),
            Prediction.confidence.label("confidence"),
            Prediction.id.label("prediction"),
            (rounded - case((rounded > hundredfold, 1), else_=0)).label("band"),
            func.substr(cast(Photo.created_at, String), 1, 7).label("month"),
            _flag(_audited).label("audited"),
        )
        .join(Photo, Photo.id == Prediction.photo_id)
        .where(Prediction.model == model, Prediction.version == version, _checked_answer)
        .where(Photo.deleted_at.is_(None), *conditions(wanted))
    )
    return question.cte("checked")


def _is_read_anew(model: str, version: int) -> bool:
    """True when labels were merged or split so that for some ground truth another answer of this version is right."""
    theirs = select(ExpectedAnswer.label).where(ExpectedAnswer.model == model, ExpectedAnswer.version == version)
    return db.session.execute(theirs.limit(1)).first() is not None


def _right(truth: Any, decision: Any) -> Any:
    """What was said is right: the label, or none of them about a photo that shows none."""
    return or_(decision == truth, and_(truth == NONE_OF_THESE, decision == UNCLASSIFIED))


def _flag(condition: Any) -> Any:
    return case((condition, 1), else_=0)


def _sum(condition: Any) -> Any:
    return func.sum(_flag(condition))


# ---- when to count again ----


def last_event() -> int:
    """The number of the newest label event, 0 without any."""
    return db.session.execute(select(func.max(LabelEvent.id))).scalar() or 0


def last_prediction() -> int:
    """The number of the newest prediction, 0 without any."""
    return db.session.execute(select(func.max(Prediction.id))).scalar() or 0


def answered_checked_photo(after: int, until: int) -> bool:
    """True when one of the predictions after `after`, up to `until`, is about a checked photo."""
    question = (
        select(Prediction.id).join(Photo).where(Prediction.id > after, Prediction.id <= until, Photo.ground_truth.is_not(None)).limit(1)
    )
    return db.session.execute(question).first() is not None


def how_labels_read() -> tuple[int, ...]:
    """Numbers that stay the same while labels read as they did: of the last change of a label, and how far photos are read again."""
    changes = db.session.execute(select(func.max(LabelChange.id))).scalar() or 0
    return changes, *db.session.execute(select(Rereading.after).order_by(Rereading.model)).scalars()


def deleted_photos() -> int:
    """How many photos wait for their end."""
    return db.session.execute(select(func.count()).select_from(Photo).where(_deleted)).scalar_one()


def which_database() -> str:
    """A name of the database that is open."""
    return str(db.engine.url)
