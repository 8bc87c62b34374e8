"""Photos as a folder for each class, what `flask model train --data` reads: as a zip that is streamed, or on disk."""

import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from webapp.errors import PhotoNotFoundError, ServerBusyError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.decoding.images import MAX_SIDE, content_type, render_view
from webapp.services.exports.formats.tables import ENDINGS, Record, csv_line, moment, path_of
from webapp.services.photos.gallery import stored_content
from webapp.storage.file_stores.contract import FileStore

TABLE = "photos.csv"
MANIFEST = "manifest.json"
COLUMNS = ("path", "file_sha256", "sha256", "bytes", "id", "filename", "ground_truth", "created_at")
"""The columns of photos.csv. `sha256` is that of the upload; `file_sha256` that of the file here, another when metadata was left out."""


@dataclass(frozen=True)
class Bytes:
    """Where the bytes of photos come from, and whether they keep what they tell about place, time and camera."""

    files: FileStore
    limiter: AdmissionLimiter
    keep_metadata: bool

    def of(self, row: Any) -> bytes:
        """The file of a photo, or a copy as JPEG without metadata. Raises `PhotoNotFoundError` when it is missing or damaged, and
        `ServerBusyError` when there was no turn for a minute."""
        content = stored_content(row, self.files)
        if not self.strips(row):
            return content
        for _ in range(PATIENCE):
            try:
                with self.limiter.slot():
                    return render_view(content, max_side=MAX_SIDE)
            except ServerBusyError as busy:
                time.sleep(busy.retry_after)  # people who wait for an answer come first
        raise ServerBusyError("The server is too busy for an export just now. Go on with it later.")

    def strips(self, row: Any) -> bool:
        """True when a photo carries metadata that this export leaves out."""
        return row.has_metadata and not self.keep_metadata

    def path(self, one: Record) -> str:
        """Where the photo lies in the export."""
        return path_of(one, ending=ENDINGS[content_type("JPEG")] if self.strips(one.row) else "")


PATIENCE = 30
"""How often an export asks for a turn; each time it is told how long to wait."""
Lost = Callable[[Record], None]
Manifest = Callable[[dict[str, str]], bytes]


def write_zip(
    photos: Iterable[Record], source: Bytes, *, lost: Lost, manifest: Manifest
) -> Iterator[bytes]:
    """A zip of the photos, photos.csv and manifest.json, in pieces of one photo: `zipfile` writes to what cannot be rewound.

    The photos are stored as they are, for they are compressed already. `lost` is told of each whose file is gone; `manifest` gets the
    SHA-256 of the other files of the export by name.
    """
    sink = _Sink()
    table = io.BytesIO(csv_line(COLUMNS))
    table.seek(0, os.SEEK_END)
    with zipfile.ZipFile(sink, "w") as archive:
        for one in photos:
            try:
                content = source.of(one.row)
            except PhotoNotFoundError:
                lost(one)
                continue
            path = source.path(one)
            archive.writestr(zipfile.ZipInfo(path, one.row.created_at.timetuple()[:6]), content)
            table.write(_line(path, one, content))
            yield sink.take()
        archive.writestr(TABLE, table.getvalue(), zipfile.ZIP_DEFLATED)
        archive.writestr(MANIFEST, manifest({TABLE: hashlib.sha256(table.getvalue()).hexdigest()}))
    yield sink.take()


def write_folder(photos: Iterable[Record], source: Bytes, folder: Path, *, lost: Lost) -> str:
    """The photos and photos.csv in a folder. Files that are there and whole are kept; each appears whole or not at all.

    Returns the SHA-256 of photos.csv.
    """
    whole = hashlib.sha256()
    with _replacing(folder / TABLE) as table:
        for line in _lines(photos, source, folder, lost):
            table.write(line)
            whole.update(line)
    return whole.hexdigest()


def files_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """The photos of an earlier export in a folder, with the id in each name."""
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.is_symlink() and not place.name.startswith("."):
            for file in sorted(place.iterdir()):
                if file.is_file() and file.stem[-13:-12] == "-":
                    yield file, file.stem[-12:]


def write_whole(path: Path, content: bytes) -> None:
    """A file that appears whole or not at all."""
    with _replacing(path) as stream:
        stream.write(content)


def _lines(photos: Iterable[Record], source: Bytes, folder: Path, lost: Lost) -> Iterator[bytes]:
    yield csv_line(COLUMNS)
    for one in photos:
        path = source.path(one)
        kept = _kept(folder / path, "" if source.strips(one.row) else one.row.sha256)
        if kept is None:
            try:
                kept = source.of(one.row)
            except PhotoNotFoundError:
                lost(one)
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / path, kept)
        yield _line(path, one, kept)


def _kept(path: Path, sha256: str) -> bytes | None:
    """What a file holds, None when it is not there or not what it should be. `sha256` is "" when that is not known."""
    if not path.is_file() or path.is_symlink():
        return None
    content = path.read_bytes()
    return content if not sha256 or hashlib.sha256(content).hexdigest() == sha256 else None


def _line(path: str, one: Record, content: bytes) -> bytes:
    row = one.row
    digest = hashlib.sha256(content).hexdigest()
    created = moment(row.created_at)
    return csv_line(
        (
            path,
            digest,
            row.sha256,
            len(content),
            row.public_id,
            row.filename,
            row.ground_truth or "",
            created,
        )
    )


class _replacing:  # noqa: N801
    """A file beside `path` that takes its place when the block ends well, and goes when it does not."""

    def __init__(self, path: Path) -> None:
        self.path, self.fresh = path, path.with_name(f".{path.name}.part")

    def __enter__(self) -> IO[bytes]:
        self.stream = self.fresh.open("wb")
        return self.stream

    def __exit__(self, kind: object, *_: object) -> None:
        self.stream.close()
        if kind is None:
            self.fresh.replace(self.path)
        else:
            self.fresh.unlink(missing_ok=True)


class _Sink:
    """A file for `zipfile` that is written once and read away in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, content: bytes) -> int:
        """Keep it until it is taken."""
        self.pieces.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self.pieces = b"".join(self.pieces), []
        return taken
