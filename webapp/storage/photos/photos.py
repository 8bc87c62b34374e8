"""Photos: how they are read and written. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import contains_eager, lazyload, selectinload

from webapp.domain import hash_bands
from webapp.storage import sqlite
from webapp.storage.cars import state
from webapp.storage.cars.cars import insert_cars
from webapp.storage.database import column_values, db, insert_row, update_rows
from webapp.storage.photos.query_filters import with_prediction
from webapp.storage.tables import (
    Car,
    Photo,
    PhotoHash,
    Prediction,
    Thumbnail,
    Upload,
)

# What a photo has besides its prediction: of several photos loaded with them, else when asked for.
_of_many = (
    contains_eager(Photo.prediction).selectinload(Prediction.top),
    selectinload(Photo.uploader),
)
_of_one = contains_eager(Photo.prediction).lazyload(Prediction.top), lazyload(Photo.uploader)


def _answered(model: str = "", version: int | None = None) -> Select[Any]:
    """Photos whose `prediction` is the shown one or that of a model."""
    answered = with_prediction(Photo, model=model, version=version)
    existing = answered.where(Photo.deleted_at.is_(None))
    return existing.execution_options(populate_existing=True)


# ---- one photo ----


def find_photo(which: Any, model: str = "") -> Photo | None:
    """The photo that satisfies a condition, with its shown prediction or that of `model`; None when
    there is none."""
    return db.session.scalar(_answered(model).where(which).options(*_of_one))


def latest_photo() -> Photo | None:
    """The newest photo, or None in an empty history."""
    return db.session.scalar(_answered().options(*_of_one).order_by(Photo.id.desc()).limit(1))


def find_bytes(sha256: str) -> Any:
    """`deleted_at` of the photo that has these bytes, as a row; None when there is none."""
    return db.session.execute(select(Photo.deleted_at).where(Photo.sha256 == sha256)).one_or_none()


def thumbnail_of(public_id: str) -> tuple[bytes, datetime] | None:
    """The small picture and when its photo came, or None when there is no such photo."""
    statement = (
        select(Thumbnail.content, Photo.created_at)
        .join(Photo, Photo.id == Thumbnail.photo_id)
        .where(Photo.public_id == public_id, Photo.deleted_at.is_(None))
    )
    return db.session.execute(statement).one_or_none()


# ---- many photos ----


def latest_checked_photo_of_each_label() -> dict[str, Photo]:
    """For each ground truth the newest photo that has it."""
    newest = (
        select(func.max(Photo.id))
        .where(Photo.deleted_at.is_(None), Photo.ground_truth.is_not(None))
        .group_by(Photo.ground_truth)
    )
    return _by_truth(newest)


def latest_photo_of(labels: Sequence[str]) -> dict[str, Photo]:
    """The same for these ground truths, by a look into the index for each."""
    newest_of = select(func.max(Photo.id)).where(Photo.deleted_at.is_(None))
    newest = (db.session.scalar(newest_of.where(Photo.ground_truth == label)) for label in labels)
    return _by_truth([number for number in newest if number])


def _by_truth(numbers: Any) -> dict[str, Photo]:
    photos = db.session.scalars(select(Photo).where(Photo.id.in_(numbers)))
    return {str(photo.ground_truth): photo for photo in photos}


def photos_by_number(
    numbers: Sequence[int], model: str = "", version: int | None = None
) -> list[Photo]:
    """The photos with these numbers, in this order."""
    statement = _answered(model, version).where(Photo.id.in_(numbers)).options(*_of_many)
    by_number = {photo.id: photo for photo in db.session.scalars(statement)} if numbers else {}
    return [by_number[number] for number in numbers if number in by_number]


def photos_by_public_id(public_ids: Sequence[str], model: str = "") -> dict[str, Photo]:
    """The photos with these ids, by id; unknown ids are absent."""
    statement = _answered(model).where(Photo.public_id.in_(public_ids)).options(*_of_many)
    photos = db.session.scalars(statement)
    return {photo.public_id: photo for photo in photos}


# ---- writing ----


_same_hash = and_(Photo.phash == bindparam("its_phash"), Photo.deleted_at.is_(None))
_insert_photo = (
    insert(Photo)
    .values(has_duplicate=exists().where(_same_hash))
    .returning(Photo.id, Photo.has_duplicate)
)


def add_photo(photo: Photo, thumbnail: bytes, cars: Sequence[Car]) -> None:
    """Add a photo, its cars, its thumbnail and its place in the indexes; photo and cars have an
    `id` afterwards. The predictions of the cars are inserted by the caller.

    Photos with the same perceptual hash have a duplicate from now on.
    """
    for car in cars:
        state.start(car, photo)
    values = {"its_phash": photo.phash, **column_values(photo)}
    photo.id, photo.has_duplicate = db.session.connection().execute(_insert_photo, values).one()
    if photo.has_duplicate:
        others = and_(Photo.phash == photo.phash, Photo.deleted_at.is_(None))
        change = update(Photo).where(others, Photo.has_duplicate.is_(False))
        update_rows(change.values(has_duplicate=True))
    insert_cars(photo, cars)
    insert_row(Thumbnail(photo_id=photo.id, content=thumbnail))
    sqlite.add_name(photo)
    add_hash(photo)


def add_hash(photo: Photo) -> None:
    """Add the bands of a photo's hash, if its picture has structure."""
    if photo.phash is not None:
        columns = {f"band{n}": band for n, band in enumerate(hash_bands(photo.phash))}
        insert_row(PhotoHash(photo_id=photo.id, phash=photo.phash, **columns))


def delete_photo(photo: Photo) -> None:
    """Remove a deleted photo for good, with its thumbnail and cars. Its label events stay,
    without it."""
    sqlite.remove_name(photo.id)
    db.session.execute(delete(Photo).where(Photo.id == photo.id))


# ---- uploads ----


def find_upload(public_id: str) -> Upload | None:
    """The upload, or None."""
    return db.session.scalar(select(Upload).where(Upload.public_id == public_id))
