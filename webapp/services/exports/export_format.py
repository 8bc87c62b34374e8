"""What an export format is, and the parts that several of them use."""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from webapp.domain import RankedLabel
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


@dataclass(frozen=True)
class Record:
    """One photo of an export: the columns of `webapp.storage.exports`, the labels of its
    prediction, best first (empty without one), and its label history, oldest first."""

    row: Any
    ranking: tuple[RankedLabel, ...]
    events: list[Any]


@dataclass(frozen=True)
class ExportFormat:
    """A format of exports: `about` tells people who choose what is in it, `write` makes the bytes
    of the file.

    `read_line` is for formats with a line for each photo, where an export that broke off can go on:
    the id and the ground truth of a line, None for a heading. `every_rank`: it names all labels of
    a prediction, not only five; `holds_photos`: only the files of photos that have a class.
    """

    name: str
    title: str
    about: str
    ending: str
    content_type: str
    write: Callable[[Iterable[Record], "ExportRun"], Iterator[bytes]]
    read_line: Callable[[bytes], tuple[str, str] | None] | None = None
    every_rank: bool = False
    holds_photos: bool = False

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
    stem = _safe_name(PurePosixPath(record.row.filename).stem)[:80].strip(". ") or "photo"
    ending = _ENDINGS.get(CONTENT_TYPES[format or record.row.format], ".jpg")
    truth = record.row.ground_truth
    return f"{folder_of(truth) + '/' if truth else ''}{stem}-{record.row.public_id}{ending}"


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
