"""The embeddings of one model version as an array in a file, so that all can be compared at once.

The file is made from the database and brought up to date by it; nothing is lost with it. Behind a
header each prediction has a row: its id, when it was made, its embedding. Where the newest
prediction was deleted, SQLite gives its id to the next one, and only the moment tells them apart:
while the last row is as the database has it, so are all before it. The rows of predictions that are
gone stay until they are the larger part.
"""

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, func, or_, select

from webapp.domain import NO_CAR
from webapp.errors import StorageFullError
from webapp.storage.database import count_rows, db, end_reading
from webapp.storage.tables import Car, Photo, Prediction

_FOLDER = "embeddings"  # of the data folder
_HEADER = struct.Struct("<8sqq")  # what the file is, features of an embedding, rows
_MAGIC = b"marque-1"
_CHUNK = 1_000  # rows that are read from the database at once, and looked back upon
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stored_embeddings(data: Path, model: str, version: int, size: int) -> NDArray[np.void]:
    """Every stored embedding of a model version, read from the disk as it is used.

    Returns a structured array: `id` of the prediction, `made` in microseconds since 1970, and
    `embedding`, float16 of shape (size,), all zeros where it has another size or is not finite.
    Some rows may be about predictions that are gone.

    Raises `StorageFullError` when the file cannot be written.
    """
    path = data / _FOLDER / f"{model}-{version}"
    try:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        with _locked(path.with_name(f"{path.name}.lock")):
            end_reading()  # another process may have written what was committed since
            _bring_up_to_date(path, model, version, size)
            return _read(path, size)
    except OSError as error:
        raise StorageFullError(
            f"The folder {_FOLDER} of the server's data cannot be written ({error.strerror}). "
            "Tell the admin; nothing is lost."
        ) from error


def cars_behind(prediction_ids: Sequence[int]) -> dict[int, int]:
    """The numbers of the cars that these predictions are about, by prediction; without those of
    deleted photos, and those of which people said that they are no car."""
    statement = (
        select(Prediction.id, Prediction.car_id)
        .join(Car, Car.id == Prediction.car_id)
        .join(Photo, Photo.id == Car.photo_id)
        .where(Prediction.id.in_(prediction_ids), Photo.deleted_at.is_(None))
        .where(Car.ground_truth.is_distinct_from(NO_CAR))
    )
    return {row.id: row.car_id for row in db.session.execute(statement)}


def count_compared(model: str, version: int) -> tuple[int, int]:
    """How many cars a version has answered about, and about how many it has not; without those
    that `cars_behind` leaves out."""
    answered = and_(
        Prediction.car_id == Car.id, Prediction.model == model, Prediction.version == version
    )
    deleted = select(Photo.id).where(Photo.deleted_at.is_not(None))
    counts = select(func.count(), func.count(Prediction.id)).select_from(Car)
    counts = counts.join(Prediction, answered, isouter=True)
    hidden = or_(Car.photo_id.in_(deleted), Car.ground_truth == NO_CAR)
    hidden_cars, hidden_answered = db.session.execute(counts.where(hidden)).one()
    known = count_rows(Prediction, Prediction.model == model, Prediction.version == version)
    compared = known - hidden_answered
    return compared, count_rows(Car) - hidden_cars - compared


# ---- the file ----


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process, and one of its threads, at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _row_type(size: int) -> np.dtype[np.void]:
    return np.dtype([("id", "<i8"), ("made", "<i8"), ("embedding", "<f2", (size,))])


def _read(path: Path, size: int) -> NDArray[np.void]:
    """The rows of a file; none where there is no file, or it is torn, or of another size."""
    row_type = _row_type(size)
    nothing = np.empty(0, row_type)
    if not path.is_file():
        return nothing
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return nothing
    magic, features, rows = _HEADER.unpack(header)
    room = (path.stat().st_size - _HEADER.size) // row_type.itemsize
    if (magic, features) != (_MAGIC, size) or not 0 < rows <= room:
        return nothing
    return np.memmap(path, row_type, mode="r", offset=_HEADER.size, shape=(rows,))


def _bring_up_to_date(path: Path, model: str, version: int, size: int) -> None:
    rows = _read(path, size)
    kept = _unchanged(rows)
    last = int(rows["id"][kept - 1]) if kept else 0
    numbers = _numbers_after(last, model, version)
    if kept == len(rows) > 0 and not numbers:
        return
    known = count_rows(Prediction, Prediction.model == model, Prediction.version == version)
    # Most rows are of predictions that are gone, or one came late: with a lower id than the last.
    if kept > 2 * known or kept + len(numbers) < known:
        kept, numbers = 0, _numbers_after(0, model, version)
    if kept:  # written over, never made shorter: others may be reading
        with path.open("r+b") as file:
            _write(file, kept, numbers, size)
        return
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        _write(file, 0, numbers, size)
    fresh.replace(path)


def _numbers_after(last: int, model: str, version: int) -> Sequence[int]:
    """The ids of a version's predictions that are higher than `last`, in order."""
    statement = select(Prediction.id).where(
        Prediction.model == model, Prediction.version == version, Prediction.id > last
    )
    return db.session.scalars(statement.order_by(Prediction.id)).all()


def _unchanged(rows: NDArray[np.void]) -> int:
    """How many rows are as the database has them: all up to the last one that is. None, where it is
    not among the last `_CHUNK`."""
    for length in (1, _CHUNK):
        tail = rows[-length:]
        statement = select(Prediction.id, Prediction.created_at)
        statement = statement.where(Prediction.id.in_(tail["id"].tolist()))
        made = {row.id: _microseconds(row.created_at) for row in db.session.execute(statement)}
        for place in reversed(range(len(tail))):
            if made.get(int(tail["id"][place])) == tail["made"][place]:
                return len(rows) - len(tail) + place + 1
    return 0


def _write(file: IO[bytes], kept: int, numbers: Sequence[int], size: int) -> None:
    """Write the rows of these predictions behind those that are kept, and the header when they are
    on the disk: what is torn off before that is not counted."""
    row_type = _row_type(size)
    file.seek(_HEADER.size + kept * row_type.itemsize)
    for start in range(0, len(numbers), _CHUNK):
        rows = _make_rows(numbers[start : start + _CHUNK], row_type)
        file.write(rows.tobytes())
        kept += len(rows)
    file.flush()
    os.fsync(file.fileno())
    file.seek(0)
    file.write(_HEADER.pack(_MAGIC, row_type["embedding"].shape[0], kept))


def _make_rows(numbers: Sequence[int], row_type: np.dtype[Any]) -> NDArray[np.void]:
    columns = (Prediction.id, Prediction.created_at, Prediction.embedding)
    statement = select(*columns).where(Prediction.id.in_(numbers)).order_by(Prediction.id)
    predictions = db.session.execute(statement).all()
    rows, length = np.zeros(len(predictions), row_type), row_type["embedding"].itemsize
    vectors = b"".join(
        row.embedding if len(row.embedding) == length else bytes(length) for row in predictions
    )
    embeddings = np.frombuffer(vectors, "<f2").reshape(len(predictions), -1)
    rows["id"] = [row.id for row in predictions]
    rows["made"] = [_microseconds(row.created_at) for row in predictions]
    rows["embedding"] = np.where(np.isfinite(embeddings).all(axis=1)[:, None], embeddings, 0)
    return rows


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
