"""From a filter to SQL: which photos, by which prediction, in what order.

Without a model the filters are about the shown predictions of the main cars, which are mirrored on
the photos: one table, one index. With a model they are about the predictions of that model, joined.
The review and the statistics ask the same of each car.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, func, select

from webapp.domain import AMONG_FIVE, AUDIT, FIRST_GUESS, KNOWN, NONE_OF_THESE, VISITORS, YES
from webapp.gallery_filter import GalleryFilter
from webapp.storage import sqlite
from webapp.storage.database import db
from webapp.storage.labels.canonical import labels_of_parent, truths_of
from webapp.storage.models import numbers_that_differ
from webapp.storage.photos import lookalikes
from webapp.storage.stats.counters import was_trained_on
from webapp.storage.tables import (
    Car,
    CheckedAnswer,
    LabelEvent,
    Photo,
    Prediction,
    TrainingFile,
    User,
    UTCDateTime,
)

_Answers = type[Prediction] | type[CheckedAnswer]
_MOST_NUMBER = 2**62
_CLOCK = timedelta(hours=1)  # photos are stamped less than this before they are numbered
# No photo came before, none will come after; an hour more or less can still be written.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(9999, 12, 30)
# The column of each filter that has an index together with one by confidence or margin: few of a
# label or an outcome may be within a range that many have.
_INDEXED_WITH = {
    "outcome": ("outcome", ("confidence", "margin")),
    "predicted": ("label", ("confidence", "margin")),
    "decision": ("decision", ("confidence", "margin")),
    "ground_truth": ("truth", ("confidence",)),
}
# The column of each order that is not by arrival.
SORT_COLUMNS = {"least-sure": "confidence", "smallest-margin": "margin", "most-wrong": "confidence"}
# Filters whose photos an index of photos finds.
_BY_PHOTO = (
    *("ground_truth", "batch", "labelled", "like", "compared"),
    *("picked", "uploader", "starred", "duplicates"),
)


def with_prediction(*columns: Any, model: str = "", version: int | None = None) -> Select[Any]:
    """Each photo with its shown prediction; or with that of `model` (its current one, or that of
    `version`), and then only photos that have one."""
    statement = select(*columns).select_from(Photo)
    of_photo = Photo.id == Prediction.photo_id
    if not model:
        return statement.join(Prediction, and_(of_photo, Prediction.shown), isouter=True)
    return statement.join(Prediction, and_(of_photo, *of_version(model, version)))


def of_version(model: str, version: int | None) -> tuple[Any, Any]:
    """The conditions for predictions of a model: the current ones, or those of `version`."""
    which = Prediction.current if version is None else Prediction.version == version
    return Prediction.model == model, which


def matching(*columns: Any, wanted: GalleryFilter) -> Select[Any]:
    """These columns of every photo that the filter lets through, in no order. They may be of
    `Photo`; with a model also of `Prediction`."""
    statement = select(*columns).select_from(Photo)
    if wanted.model:
        statement = with_prediction(*columns, model=wanted.model, version=wanted.version)
    return statement.where(Photo.deleted_at.is_(None), *conditions(wanted))


def matching_cars(*columns: Any, wanted: GalleryFilter) -> Select[Any]:
    """The same of every car that the filter lets through, by what is known of that car. The columns
    may also be of `Car`."""
    statement = select(*columns).select_from(Car).join(Photo, Photo.id == Car.photo_id)
    if wanted.model:
        meant = and_(Prediction.car_id == Car.id, *of_version(wanted.model, wanted.version))
        statement = statement.join(Prediction, meant)
    return statement.where(Photo.deleted_at.is_(None), *conditions(wanted, of_cars=True))


def conditions(
    wanted: GalleryFilter, answers: _Answers = Prediction, *, of_cars: bool = False
) -> list[Any]:
    """What the filter asks of photos, and of predictions when it names a model; `with_prediction`
    joins those. `answers` is another table that says the same of predictions. `of_cars`: it is
    asked of each car, which is joined, and not only of main cars."""
    meant = MeantAnswer(wanted, answers, of_cars)
    parts = [*_in_range(meant, "confidence"), *_in_range(meant, "margin")]
    for name, narrowing in _NARROWING.items():
        if value := getattr(wanted, name):
            parts += narrowing(meant, value)
    return parts + _between_days(meant)


@dataclass(frozen=True)
class MeantAnswer:
    """The predictions that a filter is about: the shown ones, which are mirrored on photos and
    cars, or those of a model, in `answers`."""

    wanted: GalleryFilter
    answers: _Answers = Prediction
    of_cars: bool = False

    def __getitem__(self, name: str) -> Any:
        """The column with their label, decision, outcome, confidence or margin; "truth": that with
        the ground truth."""
        if name == "truth":
            return self._state.ground_truth
        if self.wanted.model:
            return getattr(self.answers, name)
        return self._state.outcome if name == "outcome" else getattr(self._state, f"shown_{name}")

    @property
    def _state(self) -> type[Photo] | type[Car]:
        return Car if self.of_cars else Photo

    @property
    def version(self) -> tuple[Any, Any]:
        """The columns that name their version."""
        if self.wanted.model:
            return self.answers.model, self.answers.version
        return self._state.shown_model, self._state.shown_version

    @property
    def sort_key(self) -> Any:
        """The column that the order goes by before the photo's number; None for orders by
        arrival."""
        name = SORT_COLUMNS.get(self.wanted.sort)
        return self[name] if name else None

    @property
    def number(self) -> Any:
        """Where a photo's number stands for ordering: in the table whose index finds the photos."""
        wanted = self.wanted
        if self.of_cars:
            return CheckedAnswer.photo_id if self.answers is CheckedAnswer else Car.photo_id
        if not wanted.model:
            return Photo.id
        by_photo = any(getattr(wanted, name) for name in _BY_PHOTO)
        by_prediction = (
            wanted.predicted or wanted.decision or wanted.outcome or wanted.sort in SORT_COLUMNS
        )
        return self.answers.photo_id if by_prediction or not by_photo else Photo.id


def _narrow(condition: Any, name: str, otherwise: Any = None) -> Any:
    """A condition on photos that has an index of its own; the list of its photos instead when they
    are few: those are sorted at once, many are soon met while an index in the wanted order is
    walked. The planner cannot tell the one from the other.

    `name` keeps what was counted for the rest of the request. `otherwise` is the same condition in
    a form that no index knows, so that the planner does not find many photos and sort them.
    """
    counted = db.session.info.setdefault("narrow", {})
    some = select(Photo.id).where(Photo.deleted_at.is_(None), condition)
    if name not in counted:
        few = select(func.count()).select_from(some.limit(sqlite.FEW + 1).subquery())
        counted[name] = db.session.execute(few).scalar_one() <= sqlite.FEW
    if counted[name]:
        return Photo.id.in_(some)
    return condition if otherwise is None else otherwise


# ---- ranges ----


def _in_range(meant: MeantAnswer, name: str) -> list[Any]:
    """The confidence or margin, by the column that holds it."""
    wanted = meant.wanted
    low, high = getattr(wanted, f"min_{name}"), getattr(wanted, f"max_{name}")
    if low is None and high is None:
        return []
    column, key = meant[name], meant.sort_key
    ends = (0.0 if low is None else low, 1.0 if high is None else high)
    if wanted.model or meant.of_cars or (key is not None and key is column):
        return [column.between(*ends)]
    condition, counted = column.between(*ends), f"{name} {low} {high}"
    for indexed, (other, ranges) in _INDEXED_WITH.items():
        if (value := getattr(wanted, indexed)) and name in ranges:  # one index has both
            condition, counted = and_(meant[other] == value, condition), f"{counted} {value}"
            break
    hidden = func.coalesce(column, column).between(*ends)
    return [_narrow(condition, counted, otherwise=hidden)]


def _between_days(meant: MeantAnswer) -> list[Any]:
    """The days, also in numbers, which follow time: every index that ends with the number knows
    them then.

    In an order that is not by arrival, many days are only checked while the order's index is
    walked: a function hides them from the planner, which would sort them all.
    """
    wanted, exact = meant.wanted, []
    if wanted.since is None and wanted.until is None:
        return []
    arrived = func.coalesce(Photo.created_at, Photo.created_at, type_=UTCDateTime())
    first, last = 0, _MOST_NUMBER  # numbers that photos of these days may have
    if wanted.since:
        start = datetime.combine(max(wanted.since, _FIRST_DAY), time(), UTC)
        exact.append(arrived >= start)
        since = Photo.created_at >= start - _CLOCK
        first = first_number(since, Photo.created_at, Photo.id) or _MOST_NUMBER
    if wanted.until and wanted.until < _LAST_DAY:
        end = datetime.combine(wanted.until, time(), UTC) + timedelta(days=1)
        exact.append(arrived < end)
        before = Photo.created_at < end + _CLOCK
        last = first_number(before, Photo.created_at.desc(), Photo.id.desc()) or 0
    if max(last - first, 0) > sqlite.FEW and wanted.sort in SORT_COLUMNS:
        return exact
    return [*exact, meant.number.between(first, last)]


def first_number(condition: Any, *order: Any) -> int | None:
    """The number of the first photo, in this order, that satisfies the condition."""
    statement = select(Photo.id).where(Photo.deleted_at.is_(None), condition).order_by(*order)
    return db.session.execute(statement.limit(1)).scalar_one_or_none()


# ---- one filter each ----


def _of_parent(meant: MeantAnswer, parent: str) -> list[Any]:
    """The answer is the parent or one of its labels."""
    answer, answers = meant["decision"], [parent, *labels_of_parent(parent)]
    if meant.wanted.model or meant.of_cars:
        return [answer.in_(answers)]
    hidden = func.coalesce(answer, answer).in_(answers)
    return [_narrow(answer.in_(answers), f"parent {parent}", otherwise=hidden)]


def _with_truth(meant: MeantAnswer, truth: str) -> list[Any]:
    """The ground truth; with a version every one for which that is the right answer from it."""
    model, version = meant.wanted.model, meant.wanted.version
    truths = truths_of(model, version, truth) if model and version is not None else [truth]
    if truths == [truth]:
        return [meant["truth"] == truth]
    return [meant["truth"].in_(truths)]


def _sent_by(_meant: MeantAnswer, name: str) -> list[Any]:
    person = select(User.id).where(User.name == name).scalar_subquery()
    theirs = Photo.uploader_id.is_(None) if name == VISITORS else Photo.uploader_id == person
    return [_narrow(theirs, f"uploader {name}")]


def _audited(meant: MeantAnswer, answer: str) -> list[Any]:
    audited = _with_event(meant, LabelEvent.place == AUDIT, LabelEvent.car_id.is_not(None))
    return [audited if answer == YES else ~audited]


def _with_event(meant: MeantAnswer, *conditions: Any) -> Any:
    """With a label event of any car of the photo, or of this car."""
    if meant.of_cars:
        return Car.id.in_(select(LabelEvent.car_id).where(*conditions))
    photos = select(Car.photo_id).join(LabelEvent, LabelEvent.car_id == Car.id)
    return Photo.id.in_(photos.where(*conditions))


def _checked(meant: MeantAnswer, answer: str) -> list[Any]:
    """Conditions that say nothing to an index but which photos have a label, while these are few:
    most of them pass."""
    narrowed: dict[str, Any] = {
        KNOWN: CheckedAnswer.truth != NONE_OF_THESE,
        FIRST_GUESS: CheckedAnswer.label == CheckedAnswer.truth,
        AMONG_FIVE: CheckedAnswer.five,
    }
    narrower = [narrowed[answer]] if answer in narrowed else []
    if meant.answers is CheckedAnswer:
        return narrower
    model, version = meant.version
    same = (CheckedAnswer.model == model, CheckedAnswer.version == version)
    about = (CheckedAnswer.photo_id == Car.photo_id, CheckedAnswer.car_id == Car.id)
    answered = exists().where(*about, *same, *narrower)
    if meant.of_cars:
        return [Car.ground_truth > "", answered.correlate(Car, Prediction)]
    has_truth, hidden = Photo.ground_truth > "", func.coalesce(Photo.ground_truth, "") != ""
    labelled = _narrow(has_truth, "labelled", otherwise=hidden)
    main = answered.where(Car.photo_id == Photo.id, Car.position == 0)
    return [labelled, main.correlate(Photo, Prediction)]


def _trained_on(meant: MeantAnswer, answer: str) -> list[Any]:
    wanted, answers = meant.wanted, meant.answers
    trained: Any = was_trained_on(*meant.version)
    if answers is CheckedAnswer:
        trained = answers.trained
    if answer != YES:
        return [~trained]
    files = select(TrainingFile.sha256)
    if wanted.model and wanted.version is not None:
        files = files.where(
            TrainingFile.model == wanted.model, TrainingFile.version == wanted.version
        )
    name = f"trained {wanted.model} {wanted.version}"
    return [_narrow(Photo.sha256.in_(files), name, otherwise=trained), trained]


def _so_many(number: str) -> Any:
    """With this number of cars; "3+": or more."""
    least = int(number.removesuffix("+"))
    return Photo.car_count >= least if number.endswith("+") else Photo.car_count == least


def _flag(name: str, column: Any) -> Callable[[MeantAnswer, str], list[Any]]:
    return lambda _meant, answer: [_narrow(column == (answer == YES), f"{name} {answer}")]


# The conditions of each filter that is on. Ranges and days are narrowed above; the model, its
# version and the order say which columns are meant.
_NARROWING: dict[str, Callable[[MeantAnswer, Any], list[Any]]] = {
    "predicted": lambda meant, label: [meant["label"] == label],
    "decision": lambda meant, decision: [meant["decision"] == decision],
    "parent": _of_parent,
    "outcome": lambda meant, outcome: [meant["outcome"] == outcome],
    "checked": _checked,
    "trained_on": _trained_on,
    "ground_truth": _with_truth,
    "filename": lambda _meant, part: [sqlite.has_in_name(part)],
    "uploader": _sent_by,
    "source": lambda _meant, source: [_narrow(Photo.source == source, f"source {source}")],
    "batch": lambda _meant, batch: [Photo.batch == batch],
    "labelled": lambda meant, batch: [_with_event(meant, LabelEvent.batch == batch)],
    "picked": lambda _meant, ids: [
        Photo.id.in_(select(Photo.id).where(Photo.public_id.in_(ids.split(","))))
    ],
    "like": lambda _meant, photo: [Photo.id.in_(lookalikes.numbers_like(photo))],
    "compared": lambda _meant, job: [Photo.id.in_(numbers_that_differ(job))],
    "cars": lambda _meant, number: [_narrow(_so_many(number), f"cars {number}")],
    "duplicates": _flag("duplicates", Photo.has_duplicate),
    "starred": _flag("starred", Photo.starred),
    "audited": _audited,
}
