"""What an export format is, and the parts that several of them use."""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from webapp.domain import MERGE, NO_CAR, VERDICTS, WHOLE, Box, RankedLabel
from webapp.inference.decoding.detect_format import CONTENT_TYPES

if TYPE_CHECKING:
    from webapp.services.exports.run import ExportRun

_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/heif": ".heif",
}
_UNSAFE = '<>:"/\\|?*'


Ranking = tuple[RankedLabel, ...]


@dataclass(frozen=True)
class CarRecord:
    """One car of an export: the columns of `storage.exports.cars_of_photos`, the labels of its
    prediction, best first (empty without one), and its label history, oldest first.

    `answers` are the columns and labels of what each model says, the shown one first; only for
    formats with every rank.
    """

    row: Any
    ranking: Ranking
    events: list[Any]
    answers: list[tuple[Any, Ranking]] = field(default_factory=list)

    @property
    def box(self) -> Box:
        """x, y, width and height, as shares of the photo."""
        return self.row.x, self.row.y, self.row.width, self.row.height

    @property
    def is_in_box(self) -> bool:
        """True for a car that was found or drawn: False when the whole photo counts as one, and
        when a person said that there is no car."""
        return self.row.found_by != WHOLE and self.row.ground_truth != NO_CAR

    @property
    def label(self) -> str:
        """The class that a person gave it, "" for a verdict or nothing."""
        truth = self.row.ground_truth
        return "" if truth is None or truth in VERDICTS else truth

    @property
    def verdict(self) -> str:
        """What a person said besides a class: "none" or "unusable", or ""."""
        return self.row.ground_truth if self.row.ground_truth in VERDICTS else ""

    @property
    def given_label(self) -> str | None:
        """What a person said last about it, where labels were merged since."""
        told = (
            event.to_label
            for event in reversed(self.events)
            if event.place != MERGE and event.undoes is None and not event.undone
        )
        given = next(told, None)
        return None if given == self.row.ground_truth else given


@dataclass(frozen=True)
class Record:
    """One photo of an export: the columns of `storage.exports.batch_of_photos`, and its cars, the
    main one first; at least one."""

    row: Any
    cars: list[CarRecord]

    @property
    def main(self) -> CarRecord:
        """The car that the photo is sorted and counted by."""
        return self.cars[0]

    @property
    def truth(self) -> str:
        """The ground truth of the main car, "" without one."""
        return self.main.row.ground_truth or ""

    @property
    def boxed(self) -> list[CarRecord]:
        """The cars that were found or drawn."""
        return [car for car in self.cars if car.is_in_box]

    @property
    def no_cars(self) -> list[CarRecord]:
        """The boxes in which, as a person said, there is no car."""
        return [car for car in self.cars if car.verdict == NO_CAR and car.row.found_by != WHOLE]


@dataclass(frozen=True)
class WrittenLine:
    """A line of an export: the id of its photo, the ground truth in it, and how many lines the
    photo has; the first is about the main car."""

    photo_id: str
    truth: str
    lines: int = 1


@dataclass(frozen=True)
class ExportFormat:
    """A format of exports: `about` tells people who choose what is in it, `write` makes the bytes
    of the file.

    `read_line` is for formats with lines, where an export that broke off can go on: what a line
    says of its photo, None for a heading. `every_rank`: it names all labels of
    all predictions, not only five of one. `holds_photos`: it has the files of the photos, only of
    those that have what it `needs` (see `storage.exports`). `crops`: it may have the cars, cut out,
    instead of the photos.
    """

    name: str
    title: str
    about: str
    ending: str
    content_type: str
    write: Callable[[Iterable[Record], "ExportRun"], Iterator[bytes]]
    read_line: Callable[[bytes], WrittenLine | None] | None = None
    every_rank: bool = False
    holds_photos: bool = False
    needs: str = ""
    crops: bool = False

    @property
    def goes_on(self) -> bool:
        """True when an export that broke off can go on after its last whole line."""
        return self.read_line is not None


def json_item(value: dict[str, Any], *, first: bool) -> bytes:
    """An item of a JSON list, on a line of its own."""
    return (b"\n" if first else b",\n") + json.dumps(value, ensure_ascii=False).encode()


def path_of(record: Record, format: str = "") -> str:
    """Where a photo lies in an export: the folder of its class, and its own name with its id.
    `format` is Pillow's name of the file's format, when it is not that of the upload."""
    folder = f"{folder_of(record.truth)}/" if record.truth else ""
    return f"{folder}{name_of(record, record.row.public_id, format or record.row.format)}"


def name_of(record: Record, public_id: str, format: str) -> str:
    """The name of a photo's file with an id at its end; `format` is Pillow's name of its format."""
    stem = _safe_name(PurePosixPath(record.row.filename).stem)[:80].strip(". ") or "photo"
    return f"{stem}-{public_id}{_ENDINGS.get(CONTENT_TYPES[format], '.jpg')}"


def folder_of(label: str) -> str:
    """A label as the name of a folder: a dash for characters that some file system refuses."""
    return _safe_name(label).strip(". ") or "label"


def _safe_name(text: str) -> str:
    return "".join("-" if char in _UNSAFE or not char.isprintable() else char for char in text)


# ---- files that appear whole or not at all ----


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place when the block ends well, and is removed when it
    does not. A `shared` one, which other processes may write too, gets a name of its own until
    then, and is synced to the disk."""
    own = f".{secrets.token_hex(4)}" if shared else ""
    fresh = path.with_name(f".{path.name}{own}.part")
    try:
        with fresh.open("wb") as stream:
            yield stream
            if shared:
                stream.flush()
                os.fsync(stream.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """A file with this content, which appears whole or not at all."""
    with replacing(path) as stream:
        stream.write(content)
