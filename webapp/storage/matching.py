"""From a filter to SQL: which photos, by which prediction, in what order. The one place that knows; gallery, counts, exports ask it.

Without a model the question is about the shown predictions, whose mirror stands on the photos: one table, one index. With a model it
is about the predictions of that model, joined.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, and_, select

from webapp.storage import names
from webapp.storage.tables import LabelEvent, Photo, Prediction, User
from webapp.values import AUDIT, VISITORS, YES, GalleryFilter

CLOCK = timedelta(hours=1)
"""Photos are numbered as they are stored, and stamped a little before: by less than this."""


def with_prediction(*columns: Any, model: str = "", version: int | None = None) -> Select[Any]:
    """Each photo with the prediction that is meant: the shown one, or that of `model` (which stands, or of `version`); then only photos
    that have one."""
    question = select(*columns).select_from(Photo)
    if not model:
        return question.join(Prediction, and_(Photo.id == Prediction.photo_id, Prediction.shown), isouter=True)
    which = Prediction.current if version is None else Prediction.version == version
    return question.join(Prediction, and_(Photo.id == Prediction.photo_id, Prediction.model == model, which))


def matching(*columns: Any, wanted: GalleryFilter) -> Select[Any]:
    """These columns of every photo that the filter lets through, in no order. They may be of `Photo`; with `wanted.model` also of
    `Prediction`, which is the one that is meant then."""
    question = (
        with_prediction(*columns, model=wanted.model, version=wanted.version) if wanted.model else select(*columns).select_from(Photo)
    )
    return question.where(Photo.deleted_at.is_(None), *conditions(wanted))


def conditions(wanted: GalleryFilter) -> list[Any]:
    """What the filter asks of photos, and of predictions when it names a model; `with_prediction` joins those."""
    said = _columns(wanted.model)
    found: list[Any] = []
    if wanted.predicted:
        found.append(said["label"] == wanted.predicted)
    if wanted.decision:
        found.append(said["decision"] == wanted.decision)
    if wanted.outcome:
        found.append(said["outcome"] == wanted.outcome)
    for name in ("confidence", "margin"):
        low, high = getattr(wanted, f"min_{name}"), getattr(wanted, f"max_{name}")
        found += [said[name] >= low] if low is not None else []
        found += [said[name] <= high] if high is not None else []
    return [*found, *_about_photos(wanted), *_between(wanted)]


def outcome_column(model: str) -> Any:
    """Where the outcome of the meant prediction stands."""
    return _columns(model)["outcome"]


def sort_key(wanted: GalleryFilter) -> Any:
    """The column that the order goes by before the photo's number; None for the orders by arrival."""
    name = {"least-sure": "confidence", "smallest-margin": "margin", "most-wrong": "confidence"}.get(wanted.sort)
    return _columns(wanted.model)[name] if name else None


def _columns(model: str) -> dict[str, Any]:
    """The meant prediction's columns: on the photo, or on the prediction of a model."""
    if model:
        return {name: getattr(Prediction, name) for name in ("label", "decision", "outcome", "confidence", "margin")}
    return {name: getattr(Photo, f"shown_{name}") for name in ("label", "decision", "confidence", "margin")} | {"outcome": Photo.outcome}


def _about_photos(wanted: GalleryFilter) -> list[Any]:
    found: list[Any] = []
    if wanted.ground_truth:
        found.append(Photo.ground_truth == wanted.ground_truth)
    if wanted.filename:
        found.append(names.has(wanted.filename))
    if wanted.uploader:
        person = select(User.id).where(User.name == wanted.uploader).scalar_subquery()
        found.append(Photo.uploader_id.is_(None) if wanted.uploader == VISITORS else Photo.uploader_id == person)
    if wanted.source:
        found.append(Photo.source == wanted.source)
    if wanted.batch:
        found.append(Photo.batch == wanted.batch)
    if wanted.labelled:
        found.append(Photo.id.in_(select(LabelEvent.photo_id).where(LabelEvent.batch == wanted.labelled)))
    if wanted.duplicates:
        found.append(Photo.has_duplicate == (wanted.duplicates == YES))
    if wanted.starred:
        found.append(Photo.starred == (wanted.starred == YES))
    if wanted.audited:
        drawn = Photo.id.in_(select(LabelEvent.photo_id).where(LabelEvent.place == AUDIT, LabelEvent.photo_id.is_not(None)))
        found.append(drawn if wanted.audited == YES else ~drawn)
    return found


def _between(wanted: GalleryFilter) -> list[Any]:
    """The days. Numbers follow time, so the days are said in numbers too: then every index that ends with the number knows them."""
    found: list[Any] = []
    if wanted.since is not None:
        start = datetime.combine(wanted.since, time(), UTC)
        first = select(Photo.id).where(Photo.deleted_at.is_(None), Photo.created_at >= start - CLOCK)
        found += [Photo.created_at >= start, Photo.id >= first.order_by(Photo.created_at, Photo.id).limit(1).scalar_subquery()]
    if wanted.until is not None:
        end = datetime.combine(wanted.until, time(), UTC) + timedelta(days=1)
        last = select(Photo.id).where(Photo.deleted_at.is_(None), Photo.created_at < end + CLOCK)
        newest = last.order_by(Photo.created_at.desc(), Photo.id.desc()).limit(1).scalar_subquery()
        found += [Photo.created_at < end, Photo.id <= newest]
    return found
