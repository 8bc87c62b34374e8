"""Questions about label events, and how they are written. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.attributes import set_committed_value

from webapp.storage.database import db, insert_row
from webapp.storage.photos import UNSEEN, refresh_outcomes
from webapp.storage.tables import KnownLabel, LabelEvent, Photo, Prediction

_complete: set[tuple[str, str, int]] = set()
"""Label sets that are known to be kept: database, model, version. It saves each upload a question."""


def add_event(event: LabelEvent, photo: Photo) -> None:
    """Append an event and mirror its label on the photo."""
    event.photo_id = photo.id
    event.photo_ref = photo.public_id
    event.from_label, event.from_model = photo.ground_truth, photo.truth_model
    set_committed_value(photo, "ground_truth", event.to_label)
    set_committed_value(photo, "truth_model", event.to_model)
    mirror = update(Photo).where(Photo.id == photo.id).values(ground_truth=event.to_label, truth_model=event.to_model)
    db.session.execute(mirror, execution_options=UNSEEN)
    event.id = insert_row(event)
    refresh_outcomes([photo.id])


def add_farewell(event: LabelEvent, photo: Photo) -> None:
    """Append the last event of a photo that is about to be deleted."""
    event.photo_ref = photo.public_id
    event.from_label, event.from_model = photo.ground_truth, photo.truth_model
    db.session.add(event)


def events_of(photo: Photo) -> Sequence[LabelEvent]:
    """The label history of a photo, newest first."""
    return db.session.execute(select(LabelEvent).where(LabelEvent.photo_id == photo.id).order_by(LabelEvent.id.desc())).scalars().all()


def page_of_events(limit: int, before: int | None) -> Sequence[LabelEvent]:
    """At most `limit` events with their photos, newest first, older than the event `before`."""
    question = select(LabelEvent).options(selectinload(LabelEvent.photo)).order_by(LabelEvent.id.desc()).limit(limit)
    if before is not None:
        question = question.where(LabelEvent.id < before)
    return db.session.execute(question).scalars().all()


def undone_ids(event_ids: Sequence[int]) -> set[int]:
    """Which of these events were undone."""
    found = db.session.execute(select(LabelEvent.undoes).where(LabelEvent.undoes.in_(event_ids))).scalars()
    return {undone for undone in found if undone is not None}


# ---- label sets ----


def versions_that_answered() -> Sequence[tuple[str, int]]:
    """Model and version of everything that ever looked at a photo here."""
    return [(model, version) for model, version in db.session.execute(select(Prediction.model, Prediction.version).distinct())]


def remember_label_set(model: str, version: int, labels: Sequence[str]) -> None:
    """Keep the label set of a version, so that its answers can be held against ground truths; nothing happens when it is kept already."""
    this = (str(db.engine.url), model, version)
    if this in _complete:
        return
    kept = select(KnownLabel.label).where(KnownLabel.model == model, KnownLabel.version == version)
    connection = db.session.connection()
    if connection.execute(select(func.count()).select_from(kept.subquery())).scalar_one() == len(labels):
        _complete.add(this)  # seen in the database, so it was committed; label sets are never taken away
        return
    known = set(connection.execute(kept).scalars())
    missing = [{"model": model, "version": version, "label": one} for one in labels if one not in known]
    if not missing:
        return
    connection.execute(insert(KnownLabel), missing)
    if known:  # its answers may be held against these labels now
        theirs = select(Prediction.photo_id).where(Prediction.model == model, Prediction.version == version)
        refresh_outcomes(select(Photo.id).where(Photo.id.in_(theirs), Photo.ground_truth.in_([one["label"] for one in missing])))
