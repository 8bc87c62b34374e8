"""Photos that look nearly the same, and photos whose embeddings are near. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import select, union_all

from webapp.storage.database import db, insert_row
from webapp.storage.tables import CanonicalLabel, Photo, PhotoHash, Prediction

BANDS = 5
BAND_BITS = 13
NEAR = 4
"""Hashes that differ in so many of their 64 bits, or fewer, are of nearly the same picture."""
MOST_OF_BAND = 2_000
"""Photos that share a band are compared, the newest ones: a plain sky gives many photos the same band."""
MOST_LIKE = 500
"""So many photos are near another one, at most: the nearest."""


def bands(dhash: int) -> list[int]:
    """A signed hash of 64 bits in five bands: four of 13 bits from the lowest on, and the 12 that remain."""
    bits = dhash & (2**64 - 1)
    return [bits >> BAND_BITS * one & 2**BAND_BITS - 1 for one in range(BANDS)]


def distance(one: int, other: int) -> int:
    """In how many of the 64 bits two signed hashes differ."""
    return ((one ^ other) & (2**64 - 1)).bit_count()


def add_hash(photo: Photo) -> None:
    """Keep the hash of a new photo in bands; a picture without structure has none."""
    if photo.dhash is not None:
        insert_row(
            PhotoHash(
                photo_id=photo.id,
                dhash=photo.dhash,
                **{f"band{at}": band for at, band in enumerate(bands(photo.dhash))},
            )
        )


def near_photos(photo: Photo, limit: int) -> list[Photo]:
    """Photos whose hash differs from this one's in at most `NEAR` bits, the nearest first, then the newest; itself left out."""
    if photo.dhash is None:
        return []
    found = _near(photo.dhash)
    numbers = [
        number for number in sorted(found, key=lambda one: (found[one], -one)) if number != photo.id
    ][: 10 * limit]
    by_number = photos_of(numbers)
    return [by_number[number] for number in numbers if number in by_number][:limit]


def numbers_like(public_id: str) -> list[int]:
    """The numbers of a photo and of those that are near it, the `MOST_LIKE` nearest; only 0, which no photo has, when there is
    no such photo."""
    photo = db.session.execute(
        select(Photo.id, Photo.dhash).where(
            Photo.public_id == public_id, Photo.deleted_at.is_(None)
        )
    ).one_or_none()
    if photo is None:
        return [0]
    found = {**({} if photo.dhash is None else _near(photo.dhash)), photo.id: -1}
    return sorted(found, key=lambda one: (found[one], -one))[: MOST_LIKE + 1]


def _near(dhash: int) -> dict[int, int]:
    """The numbers of photos whose hash differs from this one in at most `NEAR` bits, with how many; deleted ones too.

    Five bands and four bits that differ: one band at least is the same, so every such photo is among those that share one. Of each band
    the newest `MOST_OF_BAND` are compared.
    """
    parts = []
    for at, band in enumerate(bands(dhash)):
        same = select(PhotoHash.photo_id, PhotoHash.dhash).where(
            getattr(PhotoHash, f"band{at}") == band
        )
        newest = same.order_by(PhotoHash.photo_id.desc()).limit(MOST_OF_BAND).subquery()
        parts.append(select(newest.c.photo_id, newest.c.dhash))
    shared = {
        int(number): distance(other, dhash)
        for number, other in db.session.execute(union_all(*parts))
    }
    return {number: bits for number, bits in shared.items() if bits <= NEAR}


def labelled_embeddings(
    label: str, model: str, version: int, *, without: int, limit: int
) -> Sequence[tuple[int, bytes]]:
    """(photo, embedding) of the newest `limit` photos for which this is the right answer, of those that the version has looked at."""
    truths = select(CanonicalLabel.label).where(
        CanonicalLabel.model == model,
        CanonicalLabel.version == version,
        CanonicalLabel.canonical == label,
    )
    labels = {label, *db.session.execute(truths).scalars()}
    newest = (
        select(Photo.id)
        .where(Photo.ground_truth.in_(labels), Photo.deleted_at.is_(None), Photo.id != without)
        .order_by(Photo.id.desc())
        .limit(limit)
        .subquery()
    )
    question = select(newest.c.id, Prediction.embedding).join(
        Prediction, Prediction.photo_id == newest.c.id
    )
    rows = db.session.execute(
        question.where(Prediction.model == model, Prediction.version == version)
    )
    return [(int(row[0]), bytes(row[1])) for row in rows]


def photos_of(numbers: Sequence[int]) -> dict[int, Photo]:
    """These photos by their numbers, without those that were deleted."""
    kept = db.session.execute(
        select(Photo).where(Photo.id.in_(numbers), Photo.deleted_at.is_(None))
    ).scalars()
    return {photo.id: photo for photo in kept}
