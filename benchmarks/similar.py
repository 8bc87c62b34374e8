"""The cars nearest to one among very many, beside numpy on the same array.

Run `python -m benchmarks.similar`, or with `--cars 20000` for a first look. It fills a database
with synthetic rows in a folder of its own and removes it at the end; `--keep FOLDER` keeps it, and
uses it again. Embeddings are those of the benchmark, 1,280 features: rectified noise around one of
two hundred centres.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from flask import Flask
from numpy.typing import NDArray

from benchmarks.large_history import MODEL, VERSIONS, fill, make_app
from webapp.services.cars.similar import MOST, similar_cars
from webapp.services.photos.gallery import get_car
from webapp.storage.cars.embeddings import stored_embeddings
from webapp.storage.database import db

_FEATURES = 1_280
_CENTRES = 200
_CHUNK = 10_000


def _embed(path: Path) -> None:
    """Give every car an answer of the newest version, with an embedding of `_FEATURES`."""
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((_CENTRES, _FEATURES), dtype="f4")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("DELETE FROM predictions WHERE NOT shown")
    connection.execute("UPDATE predictions SET version = ?", (VERSIONS,))
    connection.execute("UPDATE cars SET shown_version = ?", (VERSIONS,))
    numbers = [number for (number,) in connection.execute("SELECT id FROM predictions ORDER BY id")]
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        noise = rng.standard_normal((len(chunk), _FEATURES), dtype="f4")
        vectors = np.maximum(noise + centres[rng.integers(0, _CENTRES, len(chunk))], 0)
        rows = zip(map(np.ndarray.tobytes, vectors.astype("<f2")), chunk, strict=True)
        connection.executemany("UPDATE predictions SET embedding = ? WHERE id = ?", rows)
    connection.commit()
    connection.close()


def _by_numpy(embeddings: NDArray[np.float16], query: NDArray[np.float16]) -> NDArray[np.intp]:
    """The rows of the `MOST` nearest and the car itself, the nearest first."""
    mine = query.astype("f4")
    cosines = np.concatenate(
        [
            (part := embeddings[start : start + _CHUNK].astype("f4"))
            @ mine
            / np.linalg.norm(part, axis=1)
            for start in range(0, len(embeddings), _CHUNK)
        ]
    )
    return np.argsort(-cosines, kind="stable")[: MOST + 1]


def _times(action: Callable[[int], object], count: int) -> str:
    """Median and p99 in milliseconds of an action on `count` cars, after one that does not
    count."""
    action(0)
    times = []
    for number in range(1, count + 1):
        started = time.perf_counter()
        action(number)
        times.append((time.perf_counter() - started) * 1000)
    p99 = sorted(times)[int(len(times) * 0.99)]
    return f"median {statistics.median(times):.1f} ms, p99 {p99:.1f} ms"


def _measure(app: Flask, data: Path, cars: int, times: int) -> None:
    """Print the times of the first call, of further ones, of numpy, and whether both agree."""
    ids = [f"c{1 + number * 7919 % cars}" for number in range(times + 1)]
    with app.app_context():
        started = time.perf_counter()
        similar_cars(get_car(ids[0]), MOST, data)
        print(f"the first call, which makes the file: {time.perf_counter() - started:.1f} s")
        (path,) = (path for path in (data / "embeddings").iterdir() if path.suffix == "")
        print(f"the file: {path.stat().st_size / 2**20:.0f} MiB")
        timing = _times(lambda number: similar_cars(get_car(ids[number]), MOST, data), times)
        print(f"similar cars, with what the page needs of each: {timing}")
        client = app.test_client()
        timing = _times(lambda number: client.get(f"/cars/{ids[number]}/similar"), times)
        print(f"the page: {timing}")
        embeddings = stored_embeddings(data, MODEL, VERSIONS, _FEATURES)["embedding"]
        places = [(int(name[1:]) - 1) for name in ids]
        few = max(times // 10, 5)
        timing = _times(lambda number: _by_numpy(embeddings, embeddings[places[number]]), few)
        print(f"numpy, the order alone: {timing}")
        same = 0
        for number in range(few):
            wanted = _by_numpy(embeddings, embeddings[places[number]])
            nearest = similar_cars(get_car(ids[number]), MOST, data).cars
            same += len({f"c{row + 1}" for row in wanted} & {car.public_id for car, _ in nearest})
        print(f"the same cars as numpy: {same} of {few * MOST}")


def main() -> None:
    """Fill, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=200, help="calls that are measured")
    parser.add_argument("--keep", type=Path, help="a folder for the database, which stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marque-similar-") as scratch:
        data = options.keep or Path(scratch)
        is_there = (data / "marque.sqlite").exists()
        app = make_app(data)
        if not is_there:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()
            fill(data / "marque.sqlite", options.cars)
            _embed(data / "marque.sqlite")
            app = make_app(data)
        _measure(app, data, options.cars, options.times)


if __name__ == "__main__":
    main()
