"""Photos that look like one: nearly the same picture, and labelled photos that a network sees as
near."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webapp.storage.photos import lookalikes as storage
from webapp.storage.tables import Photo, Prediction

# Photos of a label that are compared, the newest ones: so a page takes as long with a million
# labelled photos as with a few hundred.
CANDIDATES = 300
_SHOWN = 4
_MOST_SAME = 6


@dataclass(frozen=True)
class Alike:
    """The nearest labelled photos of one label with their cosine similarity, the nearest first."""

    label: str
    photos: list[tuple[Photo, float]]


def nearly_same(photo: Photo) -> list[Photo]:
    """Photos that show nearly the same picture, the nearest first, at most `_MOST_SAME`."""
    return storage.near_photos(photo, _MOST_SAME)


def looks_like(prediction: Prediction) -> list[Alike]:
    """For the first and the second label of an answer the nearest photos that people gave this
    label.

    Of each label the newest `CANDIDATES` photos that the same version has looked at are compared,
    by the cosine of their embeddings.
    """
    groups = []
    for label in [line.label for line in prediction.top[:2]]:
        rows = storage.labelled_embeddings(
            label,
            prediction.model,
            prediction.version,
            without=prediction.photo_id,
            limit=CANDIDATES,
        )
        nearest = _nearest(prediction.embedding, rows)
        photos = storage.photos_of([number for number, _cosine in nearest])
        alike = [(photos[number], cosine) for number, cosine in nearest if number in photos]
        groups.append(Alike(label, alike))
    return groups


def _nearest(embedding: bytes, rows: Sequence[tuple[int, bytes]]) -> list[tuple[int, float]]:
    """(photo, cosine) of the nearest, the nearest first. Vectors that have no direction are left
    out: zeros, and features too large for float16, which are kept as infinity."""
    same = [(number, other) for number, other in rows if len(other) == len(embedding)]
    mine = np.frombuffer(embedding, "<f2").astype(np.float32)
    if not same or not _has_direction(mine[None, :])[0]:
        return []
    numbers = np.array([number for number, _other in same])
    others = (
        np.frombuffer(b"".join(other for _number, other in same), "<f2")
        .reshape(len(same), -1)
        .astype(np.float32)
    )
    usable = _has_direction(others)
    numbers, others = numbers[usable], others[usable]
    cosines = others @ mine / (np.linalg.norm(others, axis=1) * np.linalg.norm(mine))
    order = np.argsort(-cosines, kind="stable")[:_SHOWN]
    return [(int(numbers[n]), float(cosines[n])) for n in order]


def _has_direction(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """For each row whether it is finite and not zero."""
    return np.logical_and(np.isfinite(vectors).all(axis=1), vectors.any(axis=1))
