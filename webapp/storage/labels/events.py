"""Questions about label events, and how they are written. Nothing here commits."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, exists, func, insert, literal, select, update
from sqlalchemy.orm import aliased, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.domain import LogFilter
from webapp.storage.database import db, insert_row
from webapp.storage.photos.photos import UNSEEN, refresh_outcomes
from webapp.storage.tables import KnownLabel, LabelEvent, Photo, Prediction, ReadLabel

_complete: set[tuple[str, str, int]] = set()
"""Label sets that are known to be kept: database, model, version. It saves each upload a question."""


def add_event(event: LabelEvent, photo: Photo) -> None:
    """Append an event and mirror its label on the photo, and whether people disagree about it now."""
    event.photo_id = photo.id
    event.photo_ref = photo.public_id
    event.from_label, event.from_model = photo.given_label or photo.ground_truth, photo.truth_model
    today = db.session.execute(
        select(read_label(literal(event.to_model), literal(event.to_label)))
    ).scalar_one()
    given = event.to_label if event.to_label != today else None
    values = {"ground_truth": today, "given_label": given, "truth_model": event.to_model}
    for name, value in values.items():
        set_committed_value(photo, name, value)
    db.session.execute(
        update(Photo).where(Photo.id == photo.id).values(values), execution_options=UNSEEN
    )
    event.id = insert_row(event)
    refresh_outcomes([photo.id])
    if (
        event.from_label is not None or event.undoes is not None
    ):  # a first label has nobody to disagree with
        refresh_disputed([photo.id])


def read_label(model: Any, label: Any) -> Any:
    """What a label of a model reads as today, in SQL: itself unless it was merged."""
    return func.coalesce(
        select(ReadLabel.reads_as)
        .where(ReadLabel.model == model, ReadLabel.label == label)
        .scalar_subquery(),
        label,
    )


def refresh_disputed(photo_ids: Sequence[int]) -> None:
    """Mark the photos that people disagree about, and unmark the others of these. To be called after label events were written in bulk.

    What counts is the last word of each person who was logged in, undone ones left out, about labels of the same model. A photo is
    disputed while only one of them stands behind its label and somebody else's last word was another. A second voice settles it.
    """
    later = aliased(LabelEvent)
    nth = (
        func.row_number()
        .over(partition_by=(LabelEvent.photo_id, LabelEvent.user_id), order_by=LabelEvent.id.desc())
        .label("nth")
    )
    today = read_label(LabelEvent.to_model, LabelEvent.to_label).label("to_label")
    said = (
        select(LabelEvent.photo_id, today, LabelEvent.to_model, nth)
        .where(
            LabelEvent.photo_id.in_(photo_ids), LabelEvent.user_id.is_not(None), *_sayings(later)
        )
        .subquery()
    )
    disputed = (
        select(said.c.photo_id)
        .join(Photo, Photo.id == said.c.photo_id)
        .where(
            said.c.nth == 1,
            func.coalesce(said.c.to_model, "") == func.coalesce(Photo.truth_model, ""),
        )
        .group_by(said.c.photo_id)
        .having(func.sum(case((said.c.to_label != Photo.ground_truth, 1), else_=0)) > 0)
        .having(func.sum(case((said.c.to_label == Photo.ground_truth, 1), else_=0)) == 1)
    )
    now = set(db.session.execute(disputed).scalars())
    before = set(
        db.session.execute(
            select(Photo.id).where(Photo.id.in_(photo_ids), Photo.disputed)
        ).scalars()
    )
    for value, ids in ((True, now - before), (False, before - now)):
        if ids:
            change = update(Photo).where(Photo.id.in_(ids)).values(disputed=value)
            db.session.execute(change, execution_options=UNSEEN)


def last_words(photo: Photo) -> list[tuple[str, str]]:
    """(person, label) for each person who was logged in: what they said last and did not take back, the latest first."""
    later = aliased(LabelEvent)
    question = (
        select(LabelEvent.who, LabelEvent.to_label)
        .where(LabelEvent.photo_id == photo.id, LabelEvent.user_id.is_not(None), *_sayings(later))
        .order_by(LabelEvent.id.desc())
    )
    words: dict[str, str] = {}
    for who, label in db.session.execute(question):
        words.setdefault(str(who), str(label))
    return list(words.items())


def _sayings(later: Any) -> tuple[Any, ...]:
    """Conditions: an event is a person's word, and nobody has undone it."""
    return (
        LabelEvent.undoes.is_(None),
        LabelEvent.to_label.is_not(None),
        ~exists().where(later.undoes == LabelEvent.id),
    )


def add_farewell(event: LabelEvent, photo: Photo) -> None:
    """Append the last event of a photo that is about to be deleted."""
    event.photo_ref = photo.public_id
    event.from_label, event.from_model = photo.given_label or photo.ground_truth, photo.truth_model
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
        if label:  # with what was merged into it
            merged = db.session.execute(
                select(ReadLabel.label).where(ReadLabel.reads_as == label)
            ).scalars()
            conditions.append(column.in_([label, *merged]))
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


def stories_of(photo_ids: Sequence[int]) -> dict[int, list[LabelEvent]]:
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
        refresh_outcomes(
            select(Photo.id).where(
                Photo.id.in_(theirs), Photo.ground_truth.in_([one["label"] for one in missing])
            )
        )
    return True


def known_labels(model: str) -> dict[int, set[str]]:
    """The labels of each version of a model that ever answered, as they were published."""
    found: dict[int, set[str]] = defaultdict(set)
    for version, label in db.session.execute(
        select(KnownLabel.version, KnownLabel.label).where(KnownLabel.model == model)
    ):
        found[version].add(label)
    return dict(found)
