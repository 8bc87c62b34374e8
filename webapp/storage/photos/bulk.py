"""Changes to many photos at once, by SQL that brings no row into Python. Nothing here commits;
callers go chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, insert, literal, or_, select, update
from sqlalchemy.orm import aliased

from webapp.domain import MERGE, NONE_OF_THESE, UNCLASSIFIED
from webapp.gallery_filter import GalleryFilter
from webapp.storage.database import db, update_rows
from webapp.storage.labels.canonical import canonical_of
from webapp.storage.labels.events import Stamp
from webapp.storage.photos.photos import UNSEEN, restore
from webapp.storage.photos.query_filters import matching, number_column
from webapp.storage.tables import LabelEvent, Photo, Prediction, UTCDateTime, now

# ---- which ----


def numbers_of(public_ids: Sequence[str]) -> list[int]:
    """The numbers of the photos with these ids, in order of arrival; unknown ids are absent."""
    statement = (
        select(Photo.id)
        .where(Photo.public_id.in_(public_ids), Photo.deleted_at.is_(None))
        .order_by(Photo.id)
    )
    return list(db.session.execute(statement).scalars())


def next_numbers(wanted: GalleryFilter, after: int, up_to: int, limit: int) -> list[int]:
    """The numbers of photos that the filter lets through, in order of arrival, more than `after`
    and at most `up_to`."""
    number = number_column(wanted)
    statement = (
        matching(number, wanted=wanted)
        .where(number > after, number <= up_to)
        .order_by(number)
        .limit(limit)
    )
    return list(db.session.execute(statement).scalars())


def last_number() -> int:
    """The number of the newest photo, 0 in an empty history."""
    return int(db.session.execute(select(func.max(Photo.id))).scalar_one() or 0)


# ---- labels ----


def label_photos(numbers: Sequence[int], label: str, model: str | None, stamp: Stamp) -> int:
    """Add label events and change the photos that do not have the label yet; returns how many.

    Without `model` a verdict is about the labels of the model whose answer each photo shows.
    """
    return _label(numbers, literal(label), literal(model) if model else Photo.shown_model, stamp)


def confirm_photos(numbers: Sequence[int], wanted: GalleryFilter, stamp: Stamp) -> int:
    """The same with what the meant model answered, where it named a label."""
    if not wanted.model:
        label = func.nullif(Photo.shown_decision, UNCLASSIFIED)
        return _label(numbers, canonical_of(Photo.shown_model, label), Photo.shown_model, stamp)
    which = Prediction.current if wanted.version is None else Prediction.version == wanted.version
    decision = canonical_of(Prediction.model, func.nullif(Prediction.decision, UNCLASSIFIED))
    answer = select(decision).where(
        Prediction.photo_id == Photo.id, Prediction.model == wanted.model, which
    )
    return _label(numbers, answer.correlate(Photo).scalar_subquery(), literal(wanted.model), stamp)


def _label(numbers: Sequence[int], label: Any, model: Any, stamp: Stamp) -> int:
    other = Photo.ground_truth.is_distinct_from(label)
    about_others = and_(label == NONE_OF_THESE, Photo.truth_model.is_distinct_from(model))
    changing = and_(Photo.id.in_(numbers), label.is_not(None), or_(other, about_others))
    columns = {
        "photo_id": Photo.id,
        "photo_ref": Photo.public_id,
        "from_label": Photo.ground_truth,
        "to_label": label,
        "from_model": Photo.truth_model,
        "to_model": model,
        "undoes": literal(None),
        **_stamped(stamp),
    }
    events = insert(LabelEvent).from_select(
        list(columns), select(*columns.values()).where(changing).order_by(Photo.id)
    )
    db.session.execute(events)
    relabel = update(Photo).where(changing).values(ground_truth=label, truth_model=model)
    return update_rows(relabel)


def _stamped(stamp: Stamp) -> dict[str, Any]:
    return {
        "user_id": literal(stamp.who.user_id),
        "who": literal(stamp.who.name),
        "why": literal(stamp.why),
        "place": literal(stamp.place),
        "batch": literal(stamp.batch),
        "created_at": literal(now(), UTCDateTime()),
    }


# ---- taking labels back ----


def standing_numbers(batch: str, after: int, limit: int) -> list[int]:
    """The numbers of events of a batch that nobody has undone, more than `after`. Those of photos
    that are gone are left out."""
    later = aliased(LabelEvent)
    statement = (
        select(LabelEvent.id)
        .where(
            LabelEvent.batch == batch,
            LabelEvent.id > after,
            LabelEvent.photo_id.is_not(None),
            ~exists().where(later.undoes == LabelEvent.id),
        )
        .order_by(LabelEvent.id)
        .limit(limit)
    )
    return list(db.session.execute(statement).scalars())


def take_back(events: Sequence[int], stamp: Stamp) -> list[int]:
    """Give the photos of these events the labels from before; returns the photos' numbers.

    A photo that was relabelled since is left alone, unless by a merge of labels. A label that was
    merged since is replaced by its canonical label.
    """
    later, undo = aliased(LabelEvent), aliased(LabelEvent)
    relabelled = exists().where(
        later.photo_id == LabelEvent.photo_id,
        later.id > LabelEvent.id,
        later.undoes.is_(None),
        later.place != MERGE,
        ~exists().where(undo.undoes == later.id),
    )
    statement = (
        select(LabelEvent.id, LabelEvent.photo_id)
        .join(Photo, Photo.id == LabelEvent.photo_id)
        .where(LabelEvent.id.in_(events), ~relabelled)
        .where(
            Photo.ground_truth.is_not_distinct_from(
                canonical_of(LabelEvent.to_model, LabelEvent.to_label)
            )
        )
    )
    photos = {int(row.id): int(row.photo_id) for row in db.session.execute(statement)}
    if not photos:
        return []
    label = canonical_of(LabelEvent.from_model, LabelEvent.from_label)
    columns = {
        "photo_id": LabelEvent.photo_id,
        "photo_ref": LabelEvent.photo_ref,
        "from_label": Photo.ground_truth,
        "to_label": label,
        "from_model": Photo.truth_model,
        "to_model": LabelEvent.from_model,
        "undoes": LabelEvent.id,
        **_stamped(stamp),
    }
    back = select(*columns.values()).join(Photo, Photo.id == LabelEvent.photo_id)
    back = back.where(LabelEvent.id.in_(photos)).order_by(LabelEvent.id.desc())
    db.session.execute(insert(LabelEvent).from_select(list(columns), back))
    values = {"ground_truth": label, "truth_model": LabelEvent.from_model}
    mirror = (
        update(Photo)
        .where(LabelEvent.id.in_(photos), Photo.id == LabelEvent.photo_id)
        .values(values)
    )
    db.session.execute(mirror, execution_options=UNSEEN)
    return sorted(photos.values())


# ---- stars and deletion ----


def star_photos(numbers: Sequence[int], batch: str, *, starred: bool) -> int:
    """Star photos, or take their stars off; returns how many changed."""
    changing = (
        update(Photo)
        .where(Photo.id.in_(numbers), Photo.starred.is_(not starred))
        .values(starred=starred, starred_batch=batch)
    )
    return update_rows(changing)


def unstar_batch(batch: str, numbers: Sequence[int] | None = None) -> int:
    """Take an action with stars back, for some of its photos or for all; returns how many photos it
    was."""
    back = (
        update(Photo)
        .where(Photo.starred_batch == batch)
        .values(starred=~Photo.starred, starred_batch=None)
    )
    back = back if numbers is None else back.where(Photo.id.in_(numbers))
    return update_rows(back)


def count_starred(numbers: Sequence[int]) -> int:
    """How many of these photos have a star."""
    statement = select(func.count()).where(Photo.id.in_(numbers), Photo.starred.is_(True))
    return int(db.session.execute(statement).scalar_one())


def deleted_batches() -> Sequence[tuple[str, str, datetime, int]]:
    """What was deleted and can be brought back, latest first: batch, who, when, how many photos."""
    statement = (
        select(
            Photo.deleted_batch,
            func.min(Photo.deleted_by),
            func.max(Photo.deleted_at),
            func.count(),
        )
        .where(Photo.deleted_at.is_not(None))
        .group_by(Photo.deleted_batch)
        .order_by(func.max(Photo.deleted_at).desc())
    )
    return [
        (row[0] or "", row[1] or "", row[2] or now(), int(row[3]))
        for row in db.session.execute(statement)
    ]


def anything_deleted() -> bool:
    """True when a photo was deleted and can be brought back."""
    statement = select(Photo.id).where(Photo.deleted_at.is_not(None)).limit(1)
    return db.session.execute(statement).first() is not None


# ---- batches, a chunk at a time ----


def not_in_batch(numbers: Sequence[int], batch: str) -> list[int]:
    """Those of these photos that a batch has neither labelled nor starred yet."""
    labelled = select(LabelEvent.photo_id).where(
        LabelEvent.batch == batch, LabelEvent.photo_id.in_(numbers)
    )
    starred = select(Photo.id).where(Photo.starred_batch == batch, Photo.id.in_(numbers))
    known = {*db.session.execute(labelled).scalars(), *db.session.execute(starred).scalars()}
    return [number for number in numbers if number not in known]


def count_batch(batch: str, *, labels: bool = True) -> int:
    """How many photos have the mark of a batch: as deleted or starred by it, and with `labels` how
    many label events it has."""
    marks = (
        Photo.deleted_batch == batch,
        Photo.starred_batch == batch,
        *([LabelEvent.batch == batch] if labels else []),
    )
    return sum(
        int(db.session.execute(select(func.count()).where(mark)).scalar_one()) for mark in marks
    )


def deleted_numbers(batch: str, after: int, limit: int) -> list[int]:
    """The numbers of photos that were deleted together and can be brought back, more than
    `after`."""
    return _marked(Photo.deleted_batch == batch, after, limit)


def starred_numbers(batch: str, after: int, limit: int) -> list[int]:
    """The numbers of photos whose stars were changed together, more than `after`."""
    return _marked(Photo.starred_batch == batch, after, limit)


def restore_batch(batch: str, numbers: Sequence[int]) -> int:
    """Bring those of these photos back that a batch deleted; returns how many."""
    return restore(and_(Photo.deleted_batch == batch, Photo.id.in_(numbers)))


def _marked(mark: Any, after: int, limit: int) -> list[int]:
    statement = select(Photo.id).where(mark, Photo.id > after).order_by(Photo.id).limit(limit)
    return list(db.session.execute(statement).scalars())
