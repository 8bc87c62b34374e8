"""Labelled cars that a network sees as near to one."""

from collections.abc import Sequence

import numpy as np

from webapp.storage.cars.cars import cars_by_number
from webapp.storage.photos import lookalikes as storage
from webapp.storage.tables import Car, Prediction

# Cars of a label that are compared, the newest ones: so a page takes as long with a million
# labelled cars as with a few hundred.
CANDIDATES = 300
_SHOWN = 4


def looks_like(prediction: Prediction) -> list[tuple[str, list[tuple[Car, float]]]]:
    """The first two labels of an answer, each with the nearest cars that people gave this label
    and the cosine of their embeddings, among the newest `CANDIDATES` that the same version saw."""
    groups = []
    for label in [line.label for line in prediction.top[:2]]:
        rows = storage.labelled_embeddings(label, prediction, CANDIDATES)
        nearest = _nearest(prediction.embedding, rows)
        cosines = dict(nearest)
        alike = [(car, cosines[car.id]) for car in cars_by_number(list(cosines))]
        groups.append((label, alike))
    return groups


def _nearest(embedding: bytes, rows: Sequence[tuple[int, bytes]]) -> list[tuple[int, float]]:
    """(car, cosine) of the nearest, the nearest first. Vectors that have no direction are left
    out: zeros, and features too large for float16, which are kept as infinity."""
    same = [(number, other) for number, other in rows if len(other) == len(embedding)]
    every = b"".join([embedding, *(other for _number, other in same)])
    vectors = np.frombuffer(every, "<f2").reshape(len(same) + 1, -1).astype(np.float32)
    usable = np.logical_and(np.isfinite(vectors).all(axis=1), vectors.any(axis=1))
    if not usable[0]:
        return []
    numbers = np.array([0, *(number for number, _other in same)])[usable][1:]
    mine, others = vectors[0], vectors[usable][1:]
    cosines = others @ mine / (np.linalg.norm(others, axis=1) * np.linalg.norm(mine))
    order = np.argsort(-cosines, kind="stable")[:_SHOWN]
    return [(int(numbers[n]), float(cosines[n])) for n in order]
