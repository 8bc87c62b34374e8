"""Photos that look nearly the same, and cars whose embeddings are near. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import select, union_all

from webapp.domain import hash_bands
from webapp.storage.database import db
from webapp.storage.labels.canonical import truths_of
from webapp.storage.tables import Car, Photo, PhotoHash, Prediction

_NEAR = 4  # of 64 bits in which the hashes of nearly the same picture differ at most
# Photos that share a band are compared, the newest ones: a plain sky gives many photos the same
# band.
_MOST_OF_BAND = 2_000
_MOST_LIKE = 500  # photos that are near another one: the nearest


def near_photos(photo: Photo, limit: int) -> list[Photo]:
    """Photos whose hash differs from this one's in at most `_NEAR` bits, the nearest first, then
    the newest; itself left out."""
    if photo.dhash is None:
        return []
    numbers = [number for number in _nearest(_near(photo.dhash)) if number != photo.id]
    by_number = photos_of(numbers[: 10 * limit])  # some of them may be deleted
    return [by_number[number] for number in numbers if number in by_number][:limit]


def numbers_like(public_id: str) -> list[int]:
    """The numbers of a photo and of those that are near it, the nearest first; only 0, which no
    photo has, when there is no such photo."""
    statement = select(Photo.id, Photo.dhash)
    statement = statement.where(Photo.public_id == public_id, Photo.deleted_at.is_(None))
    photo = db.session.execute(statement).one_or_none()
    if photo is None:
        return [0]
    bits = {} if photo.dhash is None else _near(photo.dhash)
    return _nearest({**bits, photo.id: -1})[: _MOST_LIKE + 1]


def _nearest(bits: dict[int, int]) -> list[int]:
    """Numbers of photos by the bits in which they differ, then the newest first."""
    return sorted(bits, key=lambda number: (bits[number], -number))


def _near(dhash: int) -> dict[int, int]:
    """The numbers of photos whose hash differs from this one in at most `_NEAR` bits, with how
    many; deleted ones too. Five bands and four bits: at least one band is the same."""
    parts = []
    for n, band in enumerate(hash_bands(dhash)):
        same = select(PhotoHash.photo_id, PhotoHash.dhash)
        same = same.where(getattr(PhotoHash, f"band{n}") == band)
        newest = same.order_by(PhotoHash.photo_id.desc()).limit(_MOST_OF_BAND).subquery()
        parts.append(select(newest.c.photo_id, newest.c.dhash))
    return {
        int(number): bits
        for number, other in db.session.execute(union_all(*parts))
        if (bits := ((other ^ dhash) & (2**64 - 1)).bit_count()) <= _NEAR
    }


def labelled_embeddings(
    label: str, prediction: Prediction, limit: int
) -> Sequence[tuple[int, bytes]]:
    """(car, embedding) of the newest `limit` other cars for which this is the right answer, of
    those that the version of the prediction has looked at."""
    model, version = prediction.model, prediction.version
    truths = truths_of(model, version, label)
    newest = (
        select(Car.id)
        .join(Photo, Photo.id == Car.photo_id)
        .where(Car.ground_truth.in_(truths), Photo.deleted_at.is_(None))
        .order_by(Car.id.desc())
        .limit(limit)
        .subquery()
    )
    statement = (
        select(newest.c.id, Prediction.embedding)
        .join(Prediction, Prediction.car_id == newest.c.id)
        .where(Prediction.model == model, Prediction.version == version)
        .where(Prediction.car_id != prediction.car_id)
    )
    return db.session.execute(statement).all()


def photos_of(numbers: Sequence[int]) -> dict[int, Photo]:
    """These photos by their numbers, without those that were deleted."""
    kept = select(Photo).where(Photo.id.in_(numbers), Photo.deleted_at.is_(None))
    return {photo.id: photo for photo in db.session.scalars(kept)}
