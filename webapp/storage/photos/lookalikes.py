"""Photos that look nearly the same, and cars whose embeddings are near. Nothing here commits."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select, union_all

from webapp.domain import BAND_BITS, BANDS, hash_bands
from webapp.storage.database import db
from webapp.storage.labels.canonical import truths_of
from webapp.storage.tables import Car, Photo, PhotoHash, Prediction

_NEAR = 6  # of 64 bits in which the hashes of nearly the same picture differ at most
# Photos that share a band, or all of one but a bit, are compared, the newest ones: a plain sky
# gives many photos the same band.
_MOST_OF_BAND, _MOST_OF_OTHER = 2_000, 200
_MOST_LIKE = 500  # photos that are near another one: the nearest


_PROBES = (None, *range(BAND_BITS))  # the bit of a band that is changed before it is looked up


def _name(band: int, bit: int | None) -> str:
    return f"band{band}_{bit}"


def _newest(band: int, bit: int | None) -> Select[Any]:
    """The newest photos that have a value in a band."""
    column = getattr(PhotoHash, f"band{band}")
    same = select(PhotoHash.photo_id, PhotoHash.phash).where(column == bindparam(_name(band, bit)))
    limit = _MOST_OF_BAND if bit is None else _MOST_OF_OTHER
    newest = same.order_by(PhotoHash.photo_id.desc()).limit(limit).subquery()
    return select(newest.c.photo_id, newest.c.phash)


# Made once: building it takes longer than running it.
_of_bands = union_all(*(_newest(band, bit) for band in range(BANDS) for bit in _PROBES))


def near_photos(photo: Photo, limit: int) -> list[Photo]:
    """Photos whose hash differs from this one's in at most `_NEAR` bits, the nearest first, then
    the newest; itself left out."""
    if photo.phash is None:
        return []
    numbers = [number for number in _nearest(_near(photo.phash)) if number != photo.id]
    by_number = photos_of(numbers[: 10 * limit])  # some of them may be deleted
    return [by_number[number] for number in numbers if number in by_number][:limit]


def numbers_like(public_id: str) -> list[int]:
    """The numbers of a photo and of those that are near it, the nearest first; only 0, which no
    photo has, when there is no such photo."""
    statement = select(Photo.id, Photo.phash)
    statement = statement.where(Photo.public_id == public_id, Photo.deleted_at.is_(None))
    photo = db.session.execute(statement).one_or_none()
    if photo is None:
        return [0]
    bits = {} if photo.phash is None else _near(photo.phash)
    return _nearest({**bits, photo.id: -1})[: _MOST_LIKE + 1]


def _nearest(bits: dict[int, int]) -> list[int]:
    """Numbers of photos by the bits in which they differ, then the newest first."""
    return sorted(bits, key=lambda number: (bits[number], -number))


def _near(phash: int) -> dict[int, int]:
    """The numbers of photos whose hash differs from this one in at most `_NEAR` bits, with how
    many; deleted ones too. Of five bands that differ in six bits, one differs in one or none."""
    probes = {
        _name(band, bit): value if bit is None else value ^ 1 << bit
        for band, value in enumerate(hash_bands(phash))
        for bit in _PROBES
    }
    return {
        int(number): bits
        for number, other in db.session.execute(_of_bands, probes)
        if (bits := ((other ^ phash) & (2**64 - 1)).bit_count()) <= _NEAR
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
