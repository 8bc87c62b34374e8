"""Questions about label events, and how they are written. Nothing here commits."""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import case, exists, func, insert, select, update
from sqlalchemy.orm import aliased, selectinload

from webapp.domain import MERGE, LogFilter, Who
from webapp.storage.database import db, insert_row
from webapp.storage.labels.canonical import canonical_of, merged_into
from webapp.storage.photos.photos import UNSEEN, refresh_outcomes
from webapp.storage.stats.counters import recount
from webapp.storage.tables import KnownLabel, LabelEvent, Photo, Prediction


def new_batch() -> str:
    """A fresh batch id: what was done together is undone together."""
    return secrets.token_urlsafe(9)


_complete: set[tuple[str, str, int]] = set()
"""Label sets that are known to be kept: database, model, version. It saves each upload a question."""


@dataclass(frozen=True)
class Stamp:
    """What the label events of one action share. `place` is where it was done."""

    who: Who
    place: str
    why: str = ""
    batch: str = field(default_factory=new_batch)


def photos_by_id(public_ids: Sequence[str]) -> dict[str, Photo]:
    """The photos with these ids, without what belongs to them; unknown ids are absent."""
    which = (Photo.public_id.in_(public_ids), Photo.deleted_at.is_(None))
    statement = select(Photo).where(*which).execution_options(populate_existing=True)
    return {photo.public_id: photo for photo in db.session.execute(statement).scalars()}


def is_merge(batch: str) -> bool:
    """True when a merge of labels wrote the events of this batch."""
    which = (LabelEvent.batch == batch, LabelEvent.place == MERGE)
    return db.session.execute(select(LabelEvent.id).where(*which).limit(1)).first() is not None


def add_event(event: LabelEvent, photo: Photo) -> None:
    """Append an event to the history of a photo, which does not have its label yet; it has an `id`
    afterwards."""
    event.photo_id, event.photo_ref = photo.id, photo.public_id
    event.from_label, event.from_model = photo.ground_truth, photo.truth_model
    event.id = insert_row(event)


def refresh_disputed(photo_ids: Sequence[int]) -> None:
    """Mark the photos that people disagree about, and unmark the others of these.

    What counts is the last word of each person who was logged in, undone ones left out, about
    labels of the same model. A photo is disputed while only one of them stands behind its label and
    somebody else's last word was another. A second voice settles it.
    """
    later = aliased(LabelEvent)
    person = (LabelEvent.photo_id, LabelEvent.user_id)
    newest_first = func.row_number().over(partition_by=person, order_by=LabelEvent.id.desc())
    words = (
        select(
            LabelEvent.photo_id,
            canonical_of(LabelEvent.to_model, LabelEvent.to_label).label("to_label"),
            LabelEvent.to_model,
            newest_first.label("place"),
        )
        .where(LabelEvent.photo_id.in_(photo_ids), *_words_of_people(later))
        .subquery()
    )
    same = words.c.to_label == Photo.ground_truth
    disputed = (
        select(words.c.photo_id)
        .join(Photo, Photo.id == words.c.photo_id)
        .where(
            words.c.place == 1,
            func.coalesce(words.c.to_model, "") == func.coalesce(Photo.truth_model, ""),
        )
        .group_by(words.c.photo_id)
        .having(func.sum(case((same, 0), else_=1)) > 0)
        .having(func.sum(case((same, 1), else_=0)) == 1)
    )
    those = (Photo.id.in_(photo_ids), Photo.disputed)
    now = set(db.session.execute(disputed).scalars())
    before = set(db.session.execute(select(Photo.id).where(*those)).scalars())
    for value, ids in ((True, now - before), (False, before - now)):
        if ids:
            change = update(Photo).where(Photo.id.in_(ids)).values(disputed=value)
            db.session.execute(change, execution_options=UNSEEN)


def last_words(photo: Photo) -> list[tuple[str, str]]:
    """(person, label) of everybody who was logged in: what they said last and did not take back,
    the latest first."""
    statement = (
        select(LabelEvent.who, LabelEvent.to_label)
        .where(LabelEvent.photo_id == photo.id, *_words_of_people(aliased(LabelEvent)))
        .order_by(LabelEvent.id.desc())
    )
    words: dict[str, str] = {}
    for who, label in db.session.execute(statement):
        words.setdefault(str(who), str(label))
    return list(words.items())


def _words_of_people(later: Any) -> tuple[Any, ...]:
    """Conditions: an event is what a person said about the photo, and nobody has undone it."""
    return (
        LabelEvent.user_id.is_not(None),
        LabelEvent.undoes.is_(None),
        LabelEvent.place != MERGE,
        LabelEvent.to_label.is_not(None),
        ~exists().where(later.undoes == LabelEvent.id),
    )


def add_farewell(event: LabelEvent, photo: Photo) -> None:
    """Append the last event of a photo that is about to be deleted."""
    event.photo_ref = photo.public_id
    event.from_label, event.from_model = photo.ground_truth, photo.truth_model
    db.session.add(event)


def events_of(photo: Photo) -> Sequence[LabelEvent]:
    """The label history of a photo, newest first."""
    return (
        db.session.execute(
            select(LabelEvent).where(LabelEvent.photo_id == photo.id).order_by(LabelEvent.id.desc())
        )
        .scalars()
        .all()
    )


def page_of_events(
    limit: int, wanted: LogFilter, before: int | None = None
) -> Sequence[LabelEvent]:
    """At most `limit` events that pass the filter with their photos, newest first, older than the event `before`."""
    question = (
        select(LabelEvent)
        .options(selectinload(LabelEvent.photo))
        .order_by(LabelEvent.id.desc())
        .limit(limit)
    )
    question = question.where(*_conditions(wanted))
    if before is not None:
        question = question.where(LabelEvent.id < before)
    return db.session.execute(question).scalars().all()


def _conditions(wanted: LogFilter) -> list[Any]:
    columns = (LabelEvent.who, LabelEvent.place, LabelEvent.batch)
    values = (wanted.who, wanted.place, wanted.batch)
    conditions: list[Any] = [
        column == value for column, value in zip(columns, values, strict=True) if value
    ]
    for column, label in (
        (LabelEvent.from_label, wanted.from_label),
        (LabelEvent.to_label, wanted.to_label),
    ):
        if label:
            conditions.append(column.in_([label, *merged_into(label)]))
    if wanted.since is not None:
        conditions.append(LabelEvent.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(LabelEvent.created_at < wanted.until)
    if wanted.disputed:
        conditions.append(LabelEvent.photo_id.in_(select(Photo.id).where(Photo.disputed)))
    return conditions


def names_in_the_log() -> list[str]:
    """Everybody who ever labelled something, by name. Walks from name to name in the index, not over the events."""
    names: list[str] = []
    following = db.session.execute(select(func.min(LabelEvent.who))).scalar()
    while following is not None:
        names.append(str(following))
        following = db.session.execute(
            select(func.min(LabelEvent.who)).where(LabelEvent.who > following)
        ).scalar()
    return names


def photos_labelled_by(who: str, since: datetime) -> list[int]:
    """The numbers of the photos about which a person said something, or took something back, since a time."""
    theirs = (
        LabelEvent.who == who,
        LabelEvent.place != MERGE,
        LabelEvent.created_at >= since,
        LabelEvent.photo_id.is_not(None),
    )
    return [
        number or 0
        for number in db.session.execute(
            select(LabelEvent.photo_id).where(*theirs).distinct()
        ).scalars()
    ]


def find_event(event_id: int) -> LabelEvent | None:
    """One event, or None."""
    return db.session.get(LabelEvent, event_id)


def histories_of(photo_ids: Sequence[int]) -> dict[int, list[LabelEvent]]:
    """The events of each of these photos with the photo, newest first."""
    question = (
        select(LabelEvent)
        .where(LabelEvent.photo_id.in_(photo_ids))
        .options(selectinload(LabelEvent.photo))
        .order_by(LabelEvent.id.desc())
        .execution_options(populate_existing=True)
    )
    stories: dict[int, list[LabelEvent]] = {}
    for event in db.session.execute(question).scalars():
        stories.setdefault(int(event.photo_id or 0), []).append(event)
    return stories


def undone_ids(event_ids: Sequence[int]) -> set[int]:
    """Which of these events were undone."""
    found = db.session.execute(
        select(LabelEvent.undoes).where(LabelEvent.undoes.in_(event_ids))
    ).scalars()
    return {undone for undone in found if undone is not None}


# ---- label sets ----


def versions_that_answered() -> Sequence[tuple[str, int]]:
    """Model and version of everything that ever looked at a photo here."""
    return [
        (model, version)
        for model, version in db.session.execute(
            select(Prediction.model, Prediction.version).distinct()
        )
    ]


def remember_label_set(model: str, version: int, labels: Sequence[str]) -> bool:
    """Keep the label set of a version, so that its answers can be held against ground truths; False when it is kept already."""
    this = (str(db.engine.url), model, version)
    if this in _complete:
        return False
    kept = select(KnownLabel.label).where(KnownLabel.model == model, KnownLabel.version == version)
    connection = db.session.connection()
    if connection.execute(select(func.count()).select_from(kept.subquery())).scalar_one() == len(
        labels
    ):
        _complete.add(
            this
        )  # seen in the database, so it was committed; label sets are never taken away
        return False
    known = set(connection.execute(kept).scalars())
    missing = [
        {"model": model, "version": version, "label": one} for one in labels if one not in known
    ]
    if not missing:
        return False
    connection.execute(insert(KnownLabel), missing)
    if known:  # its answers may be held against these labels now
        theirs = select(Prediction.photo_id).where(
            Prediction.model == model, Prediction.version == version
        )
        labels = [row["label"] for row in missing]
        labelled = select(Photo.id).where(Photo.id.in_(theirs), Photo.ground_truth.in_(labels))
        refresh_outcomes(labelled)
        recount(labelled)
    return True


def known_labels(model: str) -> dict[int, set[str]]:
    """The labels of each version of a model that ever answered, as they were published."""
    found: dict[int, set[str]] = defaultdict(set)
    for version, label in db.session.execute(
        select(KnownLabel.version, KnownLabel.label).where(KnownLabel.model == model)
    ):
        found[version].add(label)
    return dict(found)
