"""Changes to many photos at once, by SQL that brings no row into Python. Nothing here commits;
callers go chunk by chunk."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, case, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import aliased

from webapp.domain import MERGE, NONE_OF_THESE
from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import count_rows, db, update_rows
from webapp.storage.labels.canonical import canonical_of
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.query_filters import MeantAnswer, matching, of_version
from webapp.storage.tables import Car, LabelEvent, Photo, Prediction, UTCDateTime, now

# ---- which ----


def numbers_of(public_ids: Sequence[str]) -> list[int]:
    """The numbers of the photos with these ids, in order of arrival; unknown ids are absent."""
    which = (Photo.public_id.in_(public_ids), Photo.deleted_at.is_(None))
    return list(db.session.scalars(select(Photo.id).where(*which).order_by(Photo.id)))


def next_numbers(wanted: GalleryFilter, after: int, up_to: int, limit: int) -> list[int]:
    """The numbers of photos that the filter lets through, in order of arrival, more than `after`
    and at most `up_to`."""
    number = MeantAnswer(wanted).number
    statement = matching(number, wanted=wanted).where(number > after, number <= up_to)
    return list(db.session.scalars(statement.order_by(number).limit(limit)))


# ---- labels ----


def label_cars(numbers: Sequence[int], label: str, model: str | None, stamp: Stamp) -> int:
    """Add label events and change the cars that do not have the label yet; returns how many. The
    caller refreshes what is mirrored.

    Without `model` a verdict is about the labels of the model whose answer each car shows.
    """
    return _label(numbers, literal(label), literal(model) if model else Car.shown_model, stamp)


def confirm_cars(numbers: Sequence[int], wanted: GalleryFilter, stamp: Stamp) -> int:
    """The same with what the meant model answered, where it named a label."""
    if not wanted.model:
        label = case((Car.shown_decision == Car.shown_label, Car.shown_label))
        return _label(numbers, canonical_of(Car.shown_model, label), Car.shown_model, stamp)
    label = case((Prediction.decision == Prediction.label, Prediction.label))
    decision = canonical_of(Prediction.model, label)
    meant = of_version(wanted.model, wanted.version)
    answer = select(decision).where(Prediction.car_id == Car.id, *meant)
    return _label(numbers, answer.correlate(Car).scalar_subquery(), literal(wanted.model), stamp)


def _label(numbers: Sequence[int], label: Any, model: Any, stamp: Stamp) -> int:
    other = Car.ground_truth.is_distinct_from(label)
    about_others = and_(label == NONE_OF_THESE, Car.truth_model.is_distinct_from(model))
    changing = and_(Car.id.in_(numbers), label.is_not(None), or_(other, about_others))
    columns = _event_columns(label, model, literal(None), stamp)
    events = select(*columns.values()).join(Photo, Photo.id == Car.photo_id)
    events = events.where(changing).order_by(Car.id)
    db.session.execute(insert(LabelEvent).from_select(list(columns), events))
    relabel = update(Car).where(changing).values(ground_truth=label, truth_model=model)
    return update_rows(relabel)


def _event_columns(label: Any, model: Any, undoes: Any, stamp: Stamp) -> dict[str, Any]:
    return {
        "car_id": Car.id,
        "photo_ref": Photo.public_id,
        "from_label": Car.ground_truth,
        "to_label": label,
        "from_model": Car.truth_model,
        "to_model": model,
        "undoes": undoes,
        "user_id": literal(stamp.who.user_id),
        "who": literal(stamp.who.name),
        "why": literal(stamp.why),
        "place": literal(stamp.place),
        "batch": literal(stamp.batch),
        "created_at": literal(now(), UTCDateTime()),
    }


# ---- taking labels back ----


def standing_numbers(batch: str, after: int, limit: int) -> list[int]:
    """The numbers of events of a batch that nobody has undone, more than `after`. Those of cars
    that are gone are left out."""
    statement = (
        select(LabelEvent.id)
        .where(
            LabelEvent.batch == batch,
            LabelEvent.id > after,
            LabelEvent.car_id.is_not(None),
            ~LabelEvent.undone,
        )
        .order_by(LabelEvent.id)
        .limit(limit)
    )
    return list(db.session.scalars(statement))


def take_back(events: Sequence[int], stamp: Stamp) -> list[int]:
    """Give the cars of these events the labels from before; returns the cars' numbers.

    A car that was relabelled since is left alone, unless by a merge of labels. A label that was
    merged since is replaced by its canonical label.
    """
    later = aliased(LabelEvent)
    relabelled = exists().where(
        later.car_id == LabelEvent.car_id,
        later.id > LabelEvent.id,
        later.undoes.is_(None),
        later.place != MERGE,
        ~later.undone,
    )
    given = canonical_of(LabelEvent.to_model, LabelEvent.to_label)
    stands = and_(Car.ground_truth.is_not_distinct_from(given), ~relabelled)
    statement = (
        select(LabelEvent.id, LabelEvent.car_id)
        .join(Car, Car.id == LabelEvent.car_id)
        .where(LabelEvent.id.in_(events), stands)
    )
    cars = {int(row.id): int(row.car_id) for row in db.session.execute(statement)}
    if not cars:
        return []
    label = canonical_of(LabelEvent.from_model, LabelEvent.from_label)
    columns = _event_columns(label, LabelEvent.from_model, LabelEvent.id, stamp)
    back = select(*columns.values()).join(Car, Car.id == LabelEvent.car_id)
    back = back.join(Photo, Photo.id == Car.photo_id)
    back = back.where(LabelEvent.id.in_(cars)).order_by(LabelEvent.id.desc())
    db.session.execute(insert(LabelEvent).from_select(list(columns), back))
    change = update(Car).where(LabelEvent.id.in_(cars), Car.id == LabelEvent.car_id)
    update_rows(change.values(ground_truth=label, truth_model=LabelEvent.from_model))
    return sorted(cars.values())


# ---- stars and deletion ----


def star_photos(numbers: Sequence[int], batch: str, *, starred: bool) -> int:
    """Star photos, or take their stars off; returns how many changed."""
    changing = update(Photo).where(Photo.id.in_(numbers), Photo.starred.is_(not starred))
    return update_rows(changing.values(starred=starred, starred_batch=batch))


def unstar_batch(batch: str, numbers: Sequence[int] | None = None) -> int:
    """Take an action with stars back, for some of its photos or for all; returns how many photos it
    was."""
    starred = update(Photo).where(Photo.starred_batch == batch)
    if numbers is not None:
        starred = starred.where(Photo.id.in_(numbers))
    return update_rows(starred.values(starred=~Photo.starred, starred_batch=None))


def deleted_batches() -> Sequence[Any]:
    """What was deleted and can be brought back, latest first: rows of batch, who, deleted_at and
    photos, which is their number."""
    latest = func.max(Photo.deleted_at)
    statement = (
        select(
            func.coalesce(Photo.deleted_batch, "").label("batch"),
            func.coalesce(func.min(Photo.deleted_by), "").label("who"),
            latest.label("deleted_at"),
            func.count().label("photos"),
        )
        .where(Photo.deleted_at.is_not(None))
        .group_by(Photo.deleted_batch)
        .order_by(latest.desc())
    )
    return db.session.execute(statement).all()


def anything_deleted() -> bool:
    """True when a photo was deleted and can be brought back."""
    statement = select(Photo.id).where(Photo.deleted_at.is_not(None)).limit(1)
    return db.session.scalar(statement) is not None


# ---- batches, a chunk at a time ----


def not_in_batch(numbers: Sequence[int], batch: str) -> list[int]:
    """Those of these photos that a batch has neither labelled nor starred yet."""
    labelled = select(Car.photo_id).join(LabelEvent, LabelEvent.car_id == Car.id)
    labelled = labelled.where(LabelEvent.batch == batch, Car.photo_id.in_(numbers))
    starred = select(Photo.id).where(Photo.starred_batch == batch, Photo.id.in_(numbers))
    known = {*db.session.scalars(labelled), *db.session.scalars(starred)}
    return [number for number in numbers if number not in known]


def count_batch(batch: str, *, labels: bool = True) -> int:
    """How many photos have the mark of a batch: as deleted or starred by it, and with `labels` how
    many label events it has."""
    marks = (Photo.deleted_batch == batch, Photo.starred_batch == batch)
    marked = sum(count_rows(Photo, mark) for mark in marks)
    return marked + (count_rows(LabelEvent, LabelEvent.batch == batch) if labels else 0)


def marked_numbers(mark: Any, batch: str, after: int, limit: int) -> list[int]:
    """The numbers of photos that have a batch in the column `mark`, more than `after`."""
    which = (mark == batch, Photo.id > after)
    return list(db.session.scalars(select(Photo.id).where(*which).order_by(Photo.id).limit(limit)))
