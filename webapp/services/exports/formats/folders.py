"""Photos as a folder for each class, what `flask model train --data` reads: as a zip that is
streamed, or on disk."""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from webapp.domain import moment
from webapp.errors import PhotoNotFoundError
from webapp.reports.csv_safety import csv_lines
from webapp.services.exports.export_format import (
    ExportFormat,
    Record,
    replacing,
    write_whole,
)
from webapp.services.exports.run import ExportRun, as_json

TABLE = "photos.csv"
MANIFEST = "manifest.json"
# `sha256` is that of the upload; `file_sha256` that of the file here, another when metadata was
# left out.
_HEADING = b"path,file_sha256,sha256,bytes,id,filename,ground_truth,created_at\n"


def _write_zip(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    """A zip of the photos, photos.csv and manifest.json, in pieces of one photo: `zipfile` writes
    to what cannot be rewound. The photos are stored as they are, being compressed already."""
    sink = _Sink()
    table = io.BytesIO(_HEADING)
    table.seek(0, os.SEEK_END)
    with zipfile.ZipFile(sink, "w") as archive:
        for record in records:
            try:
                content = run.read(record.row)
            except PhotoNotFoundError:
                run.counts.lose(record)
                continue
            path = run.path(record)
            archive.writestr(zipfile.ZipInfo(path, record.row.created_at.timetuple()[:6]), content)
            table.write(_line(path, record.row, content))
            yield sink.take()
        archive.writestr(TABLE, table.getvalue(), zipfile.ZIP_DEFLATED)
        digest = hashlib.sha256(table.getvalue()).hexdigest()
        archive.writestr(MANIFEST, as_json(run.manifest | {"files": {TABLE: digest}}))
    yield sink.take()


def write_folder(records: Iterable[Record], run: ExportRun, folder: Path) -> str:
    """The photos and photos.csv in a folder; returns the SHA-256 of photos.csv. Files that are
    there and whole are kept; each appears whole or not at all."""
    digest = hashlib.sha256()
    with replacing(folder / TABLE) as table:
        for line in _folder_lines(records, run, folder):
            table.write(line)
            digest.update(line)
    return digest.hexdigest()


def _folder_lines(records: Iterable[Record], run: ExportRun, folder: Path) -> Iterator[bytes]:
    yield _HEADING
    for record in records:
        path, row = run.path(record), record.row
        content = _kept(folder / path, "" if run.strips(row) else row.sha256)
        if content is None:
            try:
                content = run.read(row)
            except PhotoNotFoundError:
                run.counts.lose(record)
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / path, content)
        yield _line(path, row, content)


def files_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """The photos of an earlier export in a folder, with the id in each name."""
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.is_symlink() and not place.name.startswith("."):
            for file in sorted(place.iterdir()):
                if file.is_file() and file.stem[-13:-12] == "-":
                    yield file, file.stem[-12:]


def _kept(path: Path, sha256: str) -> bytes | None:
    """The content of a file; None when it is not there, or has not this SHA-256 ("": any)."""
    if not path.is_file() or path.is_symlink():
        return None
    content = path.read_bytes()
    return content if not sha256 or hashlib.sha256(content).hexdigest() == sha256 else None


def _line(path: str, row: Any, content: bytes) -> bytes:
    digest, created = hashlib.sha256(content).hexdigest(), moment(row.created_at)
    facts = (row.public_id, row.filename, row.ground_truth, created)
    return csv_lines([(path, digest, row.sha256, len(content), *facts)]).encode()


class _Sink(io.RawIOBase):
    """A file for `zipfile` that is written once and read away in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, content: Any) -> int:
        """Keep it until it is taken."""
        self.pieces.append(bytes(content))
        return len(content)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self.pieces = b"".join(self.pieces), []
        return taken


FORMAT = ExportFormat(
    name="folders",
    title="Photos in folders",
    about="A zip of the photos with a class, a folder for each. To train on, or to sort by hand.",
    ending=".zip",
    content_type="application/zip",
    write=_write_zip,
    holds_photos=True,
)
