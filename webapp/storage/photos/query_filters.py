"""From a filter to SQL: which photos, by which prediction, in what order. The one place that knows; gallery, counts, exports ask it.

Without a model the question is about the shown predictions, whose mirror stands on the photos: one table, one index. With a model it
is about the predictions of that model, joined.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, func, select

from webapp.domain import AMONG_FIVE, AUDIT, FIRST_GUESS, KNOWN, NONE_OF_THESE, VISITORS, YES
from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import db
from webapp.storage.labels.canonical import truths_of
from webapp.storage.models import comparisons
from webapp.storage.photos import lookalikes as near
from webapp.storage.sqlite import name_index
from webapp.storage.stats.counters import was_trained_on
from webapp.storage.tables import (
    CheckedAnswer,
    LabelEvent,
    Photo,
    Prediction,
    TrainingFile,
    User,
    UTCDateTime,
)

Answers = type[Prediction] | type[CheckedAnswer]
MOST_NUMBERS = 2**62
CLOCK = timedelta(hours=1)
"""Photos are numbered as they are stored, and stamped a little before: by less than this."""
MEANT = {
    "outcome": "outcome",
    "predicted": "label",
    "decision": "decision",
    "ground_truth": "truth",
}
BESIDE = {
    "outcome": ("confidence", "margin"),
    "predicted": ("confidence", "margin"),
    "decision": ("confidence", "margin"),
    "ground_truth": ("confidence",),
}
"""Filters whose photos stand in an index by confidence or margin: few of a label or an outcome may be within a range that many have."""

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9999, 12, 30)
"""No photo came before, none will come after; and an hour more or less is still a moment that can be written."""


def with_prediction(*columns: Any, model: str = "", version: int | None = None) -> Select[Any]:
    """Each photo with the prediction that is meant: the shown one, or that of `model` (which stands, or of `version`); then only photos
    that have one."""
    question = select(*columns).select_from(Photo)
    if not model:
        return question.join(
            Prediction, and_(Photo.id == Prediction.photo_id, Prediction.shown), isouter=True
        )
    which = Prediction.current if version is None else Prediction.version == version
    return question.join(
        Prediction, and_(Photo.id == Prediction.photo_id, Prediction.model == model, which)
    )


def matching(*columns: Any, wanted: GalleryFilter) -> Select[Any]:
    """These columns of every photo that the filter lets through, in no order. They may be of `Photo`; with `wanted.model` also of
    `Prediction`, which is the one that is meant then."""
    question = (
        with_prediction(*columns, model=wanted.model, version=wanted.version)
        if wanted.model
        else select(*columns).select_from(Photo)
    )
    return question.where(Photo.deleted_at.is_(None), *conditions(wanted))


def conditions(wanted: GalleryFilter, answers: Answers = Prediction) -> list[Any]:
    """What the filter asks of photos, and of predictions when it names a model; `with_prediction` joins those.

    `answers` may be another table that says the same of them.
    """
    said = _columns(wanted.model, answers)
    found: list[Any] = []
    if wanted.predicted:
        found.append(said["label"] == wanted.predicted)
    if wanted.decision:
        found.append(said["decision"] == wanted.decision)
    if wanted.outcome:
        found.append(said["outcome"] == wanted.outcome)
    for name in ("confidence", "margin"):
        found += _in_range(wanted, name, said)
    return [
        *found,
        *_about_truth(wanted, answers),
        *_about_photos(wanted),
        *_between(wanted, answers),
    ]


def _in_range(wanted: GalleryFilter, name: str, said: dict[str, Any]) -> list[Any]:
    """The confidence or margin, by the column that holds it."""
    low, high = getattr(wanted, f"min_{name}"), getattr(wanted, f"max_{name}")
    if low is None and high is None:
        return []
    column, key = said[name], sort_key(wanted)
    between = column.between(0.0 if low is None else low, 1.0 if high is None else high)
    if wanted.model or (key is not None and key is column):
        return [between]
    hidden = func.coalesce(column, column).between(
        0.0 if low is None else low, 1.0 if high is None else high
    )
    indexed = [one for one, names in BESIDE.items() if getattr(wanted, one) and name in names]
    together = [
        said[MEANT[one]] == getattr(wanted, one) for one in indexed[:1]
    ]  # one index has both
    key_of_both = "".join(f" {one} {getattr(wanted, one)}" for one in indexed[:1])
    return [narrow(and_(*together, between), f"{name} {low} {high}{key_of_both}", otherwise=hidden)]


def narrow(condition: Any, name: str, otherwise: Any = None) -> Any:
    """A condition on photos that has an index of its own; the list of its photos instead when they are few.

    Few photos are sorted at once, in any order; many are soon met while an index in the wanted order is walked. The planner cannot tell
    the one from the other; `otherwise` may say the same in words that no index knows, lest it finds all of many and sorts them. `name`
    keeps what was found out for the rest of the request.
    """
    known = db.session.info.setdefault("narrow", {})
    some = select(Photo.id).where(Photo.deleted_at.is_(None), condition)
    if name not in known:
        known[name] = (
            db.session.execute(
                select(func.count()).select_from(some.limit(name_index.FEW + 1).subquery())
            ).scalar_one()
            <= name_index.FEW
        )
    return Photo.id.in_(some) if known[name] else condition if otherwise is None else otherwise


def outcome_column(model: str) -> Any:
    """Where the outcome of the meant prediction stands."""
    return _columns(model)["outcome"]


def number_column(wanted: GalleryFilter, answers: Answers = Prediction) -> Any:
    """Where a photo's number stands for ordering: in the table whose index finds the photos."""
    by_photo = (
        wanted.ground_truth,
        wanted.batch,
        wanted.labelled,
        wanted.like,
        wanted.compared,
        wanted.picked,
        wanted.uploader,
        wanted.starred,
        wanted.duplicates,
    )
    by_prediction = (wanted.predicted, wanted.decision, wanted.outcome)
    return (
        answers.photo_id
        if wanted.model
        and (any(by_prediction) or not any(by_photo) or sort_key(wanted) is not None)
        else Photo.id
    )


def meant_columns(model: str) -> dict[str, Any]:
    """The meant prediction's label, decision, outcome, confidence and margin, for a question made by `matching`."""
    return _columns(model)


def sort_key(wanted: GalleryFilter) -> Any:
    """The column that the order goes by before the photo's number; None for the orders by arrival."""
    name = {
        "least-sure": "confidence",
        "smallest-margin": "margin",
        "most-wrong": "confidence",
    }.get(wanted.sort)
    return _columns(wanted.model)[name] if name else None


def _columns(model: str, answers: Answers = Prediction) -> dict[str, Any]:
    """The meant prediction's columns: on the photo, or on the prediction of a model. The truth is the photo's."""
    if model:
        return {
            name: getattr(answers, name)
            for name in ("label", "decision", "outcome", "confidence", "margin")
        } | {"truth": Photo.ground_truth}
    mirrored = {
        name: getattr(Photo, f"shown_{name}")
        for name in ("label", "decision", "confidence", "margin")
    }
    return mirrored | {"outcome": Photo.outcome, "truth": Photo.ground_truth}


def _about_truth(wanted: GalleryFilter, answers: Answers) -> list[Any]:
    """Whether somebody has checked the answer that is meant, how right it is, and whether its version has learnt from the photo."""
    return (_checked(wanted, answers) if wanted.checked else []) + (
        _learnt(wanted, answers) if wanted.trained_on else []
    )


def _learnt(wanted: GalleryFilter, answers: Answers) -> list[Any]:
    model, version = (
        (answers.model, answers.version)
        if wanted.model
        else (Photo.shown_model, Photo.shown_version)
    )
    learnt = answers.trained if answers is CheckedAnswer else was_trained_on(model, version)
    if wanted.trained_on != YES:
        return [~learnt]
    files = select(TrainingFile.sha256)
    if wanted.model and wanted.version is not None:
        files = files.where(
            TrainingFile.model == wanted.model, TrainingFile.version == wanted.version
        )
    return [
        narrow(
            Photo.sha256.in_(files), f"learnt {wanted.model} {wanted.version}", otherwise=learnt
        ),
        learnt,
    ]


def _checked(wanted: GalleryFilter, answers: Answers) -> list[Any]:
    """Conditions that say nothing to an index but which photos have a label, while these are few: most of them pass."""
    words: dict[str, list[Any]] = {
        KNOWN: [CheckedAnswer.truth != NONE_OF_THESE],
        FIRST_GUESS: [CheckedAnswer.label == CheckedAnswer.truth],
        AMONG_FIVE: [CheckedAnswer.five],
    }
    narrower = words.get(wanted.checked, [])
    if answers is CheckedAnswer:
        return narrower
    model, version = (
        (Prediction.model, Prediction.version)
        if wanted.model
        else (Photo.shown_model, Photo.shown_version)
    )
    mine = (
        CheckedAnswer.photo_id == Photo.id,
        CheckedAnswer.model == model,
        CheckedAnswer.version == version,
    )
    labelled = narrow(
        Photo.ground_truth > "", "labelled", otherwise=func.coalesce(Photo.ground_truth, "") != ""
    )
    return [labelled, exists().where(*mine, *narrower).correlate(Photo, Prediction)]


def _about_photos(wanted: GalleryFilter) -> list[Any]:
    found: list[Any] = []
    if wanted.ground_truth:
        found.append(_is(wanted.ground_truth, wanted.model, wanted.version))
    if wanted.filename:
        found.append(name_index.has(wanted.filename))
    if wanted.uploader:
        person = select(User.id).where(User.name == wanted.uploader).scalar_subquery()
        theirs = (
            Photo.uploader_id.is_(None)
            if wanted.uploader == VISITORS
            else Photo.uploader_id == person
        )
        found.append(narrow(theirs, f"uploader {wanted.uploader}"))
    if wanted.source:
        found.append(narrow(Photo.source == wanted.source, f"source {wanted.source}"))
    if wanted.batch:
        found.append(Photo.batch == wanted.batch)
    if wanted.labelled:
        found.append(
            Photo.id.in_(select(LabelEvent.photo_id).where(LabelEvent.batch == wanted.labelled))
        )
    if wanted.picked:
        found.append(
            Photo.id.in_(select(Photo.id).where(Photo.public_id.in_(wanted.picked.split(","))))
        )
    if wanted.like:
        found.append(Photo.id.in_(near.numbers_like(wanted.like)))
    if wanted.compared:
        found.append(Photo.id.in_(comparisons.numbers_that_differ(wanted.compared)))
    for name, column in (("duplicates", Photo.has_duplicate), ("starred", Photo.starred)):
        asked = getattr(wanted, name)
        found += [narrow(column == (asked == YES), f"{name} {asked}")] if asked else []
    if wanted.audited:
        drawn = Photo.id.in_(
            select(LabelEvent.photo_id).where(
                LabelEvent.place == AUDIT, LabelEvent.photo_id.is_not(None)
            )
        )
        found.append(drawn if wanted.audited == YES else ~drawn)
    return found


def _is(truth: str, model: str, version: int | None) -> Any:
    """The ground truth; with a version every one for which that is the right answer from it."""
    meant = truths_of(model, version, truth) if model and version is not None else [truth]
    return Photo.ground_truth == truth if meant == [truth] else Photo.ground_truth.in_(meant)


def _between(wanted: GalleryFilter, answers: Answers = Prediction) -> list[Any]:
    """The days. Numbers follow time, so the days are said in numbers too: every index that ends with the number knows them then.

    In an order that is not by arrival, many days are only checked while the order's index is walked: a function hides them from the
    planner, which would sort them all.
    """
    if wanted.since is None and wanted.until is None:
        return []
    start = datetime.combine(max(wanted.since, FIRST_DAY), time(), UTC) if wanted.since else None
    end = (
        datetime.combine(wanted.until, time(), UTC) + timedelta(days=1)
        if wanted.until and wanted.until < LAST_DAY
        else None
    )
    first, last = _first_since(start), _last_until(end)
    arrived = func.coalesce(Photo.created_at, Photo.created_at, type_=UTCDateTime())
    exact = ([arrived >= start] if start else []) + ([arrived < end] if end else [])
    if max(last - first, 0) > name_index.FEW and sort_key(wanted) is not None:
        return exact
    return [*exact, number_column(wanted, answers).between(first, last)]


def _first_since(start: datetime | None) -> int:
    """The number from which photos may have come at this moment or later."""
    if start is None:
        return 0
    question = select(Photo.id).where(Photo.deleted_at.is_(None), Photo.created_at >= start - CLOCK)
    return (
        db.session.execute(
            question.order_by(Photo.created_at, Photo.id).limit(1)
        ).scalar_one_or_none()
        or MOST_NUMBERS
    )


def _last_until(end: datetime | None) -> int:
    """The number up to which photos may have come before this moment."""
    if end is None:
        return MOST_NUMBERS
    question = select(Photo.id).where(Photo.deleted_at.is_(None), Photo.created_at < end + CLOCK)
    return (
        db.session.execute(
            question.order_by(Photo.created_at.desc(), Photo.id.desc()).limit(1)
        ).scalar_one_or_none()
        or 0
    )
