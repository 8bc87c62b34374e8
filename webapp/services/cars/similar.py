"""The cars of the whole history that a network sees as nearest to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from usearch.index import MetricKind, search

from webapp.errors import NotAskedError
from webapp.storage.cars.cars import cars_by_number
from webapp.storage.cars.embeddings import cars_behind, count_compared, stored_embeddings
from webapp.storage.tables import Car

MOST = 60  # on a page
_SPARE = 4  # times as many are looked up as are wanted: some may be deleted
_MOST_LOOKED_UP = 10_000


@dataclass(frozen=True)
class SimilarCars:
    """The nearest cars with their cosines (-1 to 1), the nearest first, by the embeddings of a
    model version; it has answered about `compared` cars, and not about `others`."""

    model: str
    version: int
    cars: Sequence[tuple[Car, float]]
    compared: int
    others: int


def similar_cars(car: Car, limit: int, data: Path) -> SimilarCars:
    """The `limit` cars that are nearest to one, itself left out, by the version whose answer it
    shows: exact, over the whole history. `data` is the data folder.

    Raises `NotAskedError` when the car has no embedding, `StorageFullError`.
    """
    answer = car.prediction
    embedding = np.frombuffer(answer.embedding if answer else b"", "<f2")
    if answer is None or not np.isfinite(embedding).all() or not embedding.any():
        raise NotAskedError(
            "No embedding of this car is stored, so there is nothing to compare. Ask a model about "
            "its photo first."
        )
    rows = stored_embeddings(data, answer.model, answer.version, len(embedding))
    nearest = _nearest(rows, embedding, car.id, limit)
    cars = cars_by_number(list(nearest))
    return SimilarCars(
        answer.model,
        answer.version,
        [(other, nearest[other.id]) for other in cars],
        *count_compared(answer.model, answer.version),
    )


def _nearest(
    rows: NDArray[np.void], embedding: NDArray[np.float16], car_id: int, limit: int
) -> dict[int, float]:
    """The cosines of the nearest cars by their numbers, the nearest first, `car_id` left out."""
    count = _SPARE * limit + 1
    while True:
        count = min(count, len(rows))
        # one thread: the others of this machine are for requests and models
        matches = search(rows["embedding"], embedding, count, MetricKind.Cos, exact=True, threads=1)
        numbers = rows["id"][matches.keys].tolist()
        behind = cars_behind(numbers)
        usable = rows["embedding"][matches.keys].any(axis=1)  # zeros have no direction
        nearest = {
            behind[number]: 1 - float(distance)
            for number, distance, use in zip(numbers, matches.distances, usable, strict=True)
            if use and behind.get(number, car_id) != car_id
        }
        if len(nearest) >= limit or count == len(rows) or count >= _MOST_LOOKED_UP:
            return dict(list(nearest.items())[:limit])
        count *= 8
