"""Photos, or the cars cut out of them, as a folder for each class, what `flask model train --data`
reads: as a zip that is streamed, or on disk."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

from webapp.domain import moment
from webapp.errors import PhotoNotFoundError
from webapp.reports.csv_safety import csv_lines
from webapp.services.exports.export_format import (
    CarRecord,
    ExportFormat,
    Record,
    folder_of,
    name_of,
    path_of,
    replacing,
    write_whole,
)
from webapp.services.exports.order import ExportOrder
from webapp.services.exports.run import ExportRun, as_json
from webapp.services.exports.zip_stream import ZipStream
from webapp.storage.exports import CLASS

TABLE = "photos.csv"
BOXES = "boxes.jsonl"
MANIFEST = "manifest.json"
TOGETHER = "photos"  # the folder of photos that are in no folder of a class
_IN_MEMORY = 4 * 1024 * 1024  # bytes of a list; more wait in a temporary file
# `sha256` is that of the upload; `file_sha256` that of the file here, another when metadata was
# left out or a car was cut out. Then `car` is its id, and `box` its x, y, width and height.
_HEADING = (
    *("path", "file_sha256", "sha256", "bytes"),
    *("id", "filename", "ground_truth", "created_at"),
)
_OF_CROPS = ("car", "box")


@dataclass(frozen=True)
class _File:
    """A file of an export, and the car that it is sorted by. One that lies there already is kept
    when it has this `sha256`, "" for any; None: it is always made anew."""

    path: str
    car: CarRecord
    sha256: str | None
    make: Callable[[], bytes]


def _write_zip(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    """A zip in pieces of one photo."""
    with ZipStream() as archive, _lists(run) as lists:
        for record in records:
            try:
                contents = [(file, file.make()) for file in _files_of(record, run)]
            except PhotoNotFoundError:
                run.counts.lose(run.order.truths(record), record.row.public_id)
                continue
            for file, content in contents:
                archive.add_photo(file.path, content, record.row.created_at)
                lists.add(record, file, content)
            yield archive.take()
        digests = {}
        for name, stream in lists.streams.items():
            content = stream.read()
            archive.add_text(name, content)
            digests[name] = hashlib.sha256(content).hexdigest()
        archive.add_text(MANIFEST, as_json(run.manifest | {"files": digests}))
    yield archive.take()


def write_folder(records: Iterable[Record], run: ExportRun, folder: Path) -> dict[str, str]:
    """The photos and the lists of them in a folder; returns the SHA-256 of each list. Files that
    are there and whole are kept; each appears whole or not at all."""
    with _lists(run) as lists:
        for record in records:
            try:
                for file in _files_of(record, run):
                    content = _kept(folder / file.path, file.sha256)
                    if content is None:
                        content = file.make()
                        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
                        write_whole(folder / file.path, content)
                    lists.add(record, file, content)
            except PhotoNotFoundError:
                run.counts.lose(run.order.truths(record), record.row.public_id)
        return {name: _copy(stream, folder / name) for name, stream in lists.streams.items()}


def _copy(stream: IO[bytes], path: Path) -> str:
    """Write a list to its place; returns its SHA-256."""
    digest = hashlib.sha256()
    with replacing(path) as target:
        while part := stream.read(64 * 1024):
            target.write(part)
            digest.update(part)
    return digest.hexdigest()


def files_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """The photos of an earlier export in a folder, with the id in each name."""
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.is_symlink() and not place.name.startswith("."):
            for file in sorted(place.iterdir()):
                if file.is_file() and file.stem[-13:-12] == "-":
                    yield file, file.stem[-12:]


def _files_of(record: Record, run: ExportRun) -> list[_File]:
    """The file of a photo, or those of its cars."""
    row = record.row
    if not run.order.crops:
        known, format = "" if run.strips(row) else row.sha256, run.format_of(row)
        path = path_of(record, format)
        if run.order.boxes:
            path = f"{TOGETHER}/{name_of(record, row.public_id, format)}"
        return [_File(path, record.main, known, lambda: run.read(row))]
    cars = run.order.cut_cars(record)
    cut = cache(lambda: run.cut(row, [car.box for car in cars]))  # all with one decoding
    files = []
    for number, car in enumerate(cars):
        name = name_of(record, car.row.public_id, "JPEG")
        path = f"{folder_of(car.row.ground_truth)}/{name}"
        files.append(_File(path, car, None, partial(_of_number, cut, number)))
    return files


def _of_number(cut: Callable[[], list[bytes]], number: int) -> bytes:
    return cut()[number]


def _kept(path: Path, sha256: str | None) -> bytes | None:
    """The content of a file; None when it is not there, or is not to be kept."""
    if sha256 is None or not path.is_file() or path.is_symlink():
        return None
    content = path.read_bytes()
    return content if not sha256 or hashlib.sha256(content).hexdigest() == sha256 else None


class _Lists:
    """The lists of the files of an export: photos.csv, and boxes.jsonl with the cars in boxes of
    whole photos, where there are any; for detectors also with the photos without a car."""

    def __init__(self, table: IO[bytes], boxes: IO[bytes], order: ExportOrder) -> None:
        self._table, self._boxes = table, boxes
        self._crops, self._every_photo = order.crops, order.boxes
        self._write_line(_HEADING + (_OF_CROPS if self._crops else ()))

    @property
    def streams(self) -> dict[str, IO[bytes]]:
        """What each list holds, from its beginning."""
        lists = {TABLE: self._table} | ({BOXES: self._boxes} if self._boxes.tell() else {})
        for stream in lists.values():
            stream.seek(0)
        return lists

    def add(self, record: Record, file: _File, content: bytes) -> None:
        """A file that was written."""
        row, digest = record.row, hashlib.sha256(content).hexdigest()
        facts = (row.public_id, row.filename, file.car.row.ground_truth, moment(row.created_at))
        line: tuple[object, ...] = (file.path, digest, row.sha256, len(content), *facts)
        if self._crops:
            box = " ".join(f"{share:.6g}" for share in file.car.box)
            line += (file.car.row.public_id, box)
        elif (cars := record.boxed + record.no_cars) or self._every_photo:
            told = {"file": file.path, "boxes": [_box(car) for car in cars]}
            self._boxes.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        self._write_line(line)

    def _write_line(self, cells: tuple[object, ...]) -> None:
        self._table.write(csv_lines([cells]).encode())


@contextmanager
def _lists(run: ExportRun) -> Iterator[_Lists]:
    """The lists of an export, of which what is too long for memory waits in temporary files."""
    with SpooledTemporaryFile(_IN_MEMORY) as table, SpooledTemporaryFile(_IN_MEMORY) as boxes:
        yield _Lists(table, boxes, run.order)


def _box(car: CarRecord) -> dict[str, object]:
    """A box as `flask model train` reads it: left, top, right, bottom."""
    x, y, width, height = car.box
    told = {"box": (x, y, x + width, y + height), "found_by": car.row.found_by}
    score = {} if car.row.score is None else {"score": car.row.score}
    return {"class": car.row.ground_truth or ""} | told | score


FORMAT = ExportFormat(
    name="folders",
    title="Photos in folders",
    about="A zip of the photos with a class, a folder for each. To train on, or to sort by hand.",
    ending=".zip",
    content_type="application/zip",
    write=_write_zip,
    holds_photos=True,
    needs=CLASS,
    crops=True,
)
