"""Files of an upload that wait in the data folder until its job has taken them in."""

import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from webapp.errors import BadArchiveError, JobNotFoundError, JobRefusedError, StorageFullError
from webapp.services.jobs.queue import Owner
from webapp.services.photos.archives import MOST_FILES, UNPACKED_BYTES, open_zip
from webapp.services.photos.classify import Incoming
from webapp.storage import jobs as storage

CHUNK = 2**20
RESERVE = 200 * 2**20  # bytes of the disk that must stay free


@dataclass(frozen=True)
class _Allowance:
    """What one upload may bring: `bytes` as it is sent, and `files`. Messages begin with `who`."""

    bytes: int
    files: int
    who: str

    def __str__(self) -> str:
        large = self.bytes >= 2**30
        size = f"{self.bytes // 2**30:,} GB" if large else f"{self.bytes // 2**20:,} MB"
        return f"{self.who} may have {size} and {self.files:,} files"


PEOPLE = _Allowance(UNPACKED_BYTES, MOST_FILES, "An upload")
VISITORS = _Allowance(500 * 2**20, 5_000, "Without a login an upload")


def allowance_of(owner: Owner) -> _Allowance:
    """What an upload of this owner may bring: less without a login or key."""
    return PEOPLE if owner.id.startswith(("user:", "key:")) else VISITORS


class Spool:
    """The files that wait for one job, by the job's id."""

    def __init__(self, data: Path, job_id: str, allowance: _Allowance = PEOPLE) -> None:
        """`data` is the data folder. Raises `JobNotFoundError` for an id that is none of ours."""
        if not re.fullmatch(r"[\w-]{8,24}", job_id, re.ASCII):
            raise JobNotFoundError("Nothing can be stored under this name.")
        self.folder = data / "spool" / job_id
        self._data, self._job_id, self._allowance = data, job_id, allowance

    def zips(self) -> list[Path]:
        """What waits, in the order it was sent."""
        return sorted(self.folder.glob("*.zip"))

    def add_zip(self, stream: IO[bytes], group: int = 0) -> None:
        """Add a zip; sent again with the same `group` it takes the place of the first.

        Raises `BadArchiveError` when it is none or too much, `StorageFullError`.
        """
        length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        with self._arriving(group, length) as target:
            with target.open("wb") as file:
                shutil.copyfileobj(stream, file, CHUNK)
            open_zip(target).close()

    def add_photos(self, photos: Sequence[Incoming], group: int) -> None:
        """Add photos as one zip. Raises like `add_zip`."""
        length = sum(len(photo.content) for photo in photos)
        with self._arriving(group, length) as target, zipfile.ZipFile(target, "w") as archive:
            for photo in photos:
                name = photo.filename.replace("\\", "/").lstrip("/") or "photo"
                archive.writestr(zipfile.ZipInfo(name), photo.content)

    def check_number(self) -> None:
        """Raise `BadArchiveError` when there are more files than are allowed."""
        files = 0
        for path in self.zips():
            with open_zip(path) as archive:
                files += sum(not member.is_dir() for member in archive.infolist())
        if files > self._allowance.files:
            raise _too_much(self._allowance)

    def check_open(self) -> None:
        """Raise `JobNotFoundError` when nothing waits, `JobRefusedError` when the job is queued.

        So nobody adds to the upload of others, or makes the job whose name photos bear already.
        """
        if not self.zips():
            raise JobNotFoundError(
                "What was sent before is gone. Nothing was stored: send all of it again."
            )
        if storage.find_job(self._job_id) is not None:
            raise JobRefusedError(
                "This upload is complete already. Nothing was added: send more as another one."
            )

    def clear(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _arriving(self, group: int, length: int) -> Iterator[Path]:
        """A path to write to; the file joins the others only when it is whole."""
        target = self.folder / f"{group:06d}.zip"
        part = target.with_suffix(".part")
        others = sum(path.stat().st_size for path in self.zips() if path != target)
        if others + length > self._allowance.bytes:
            self.clear()
            raise _too_much(self._allowance)
        if shutil.disk_usage(self._data).free < length + RESERVE:
            raise StorageFullError(
                "The server's disk has no room for this. "
                "Nothing was stored: send less, or tell the admin."
            )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            yield part
            part.replace(target)
        except OSError as error:
            raise StorageFullError(
                "The server's disk is full or cannot be written. "
                "Nothing was stored: tell the admin."
            ) from error
        finally:
            part.unlink(missing_ok=True)


def clear_abandoned(data: Path) -> None:
    """Remove what was sent a day ago or earlier for jobs that were never queued."""
    before = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    for folder in (data / "spool").glob("*"):
        if folder.stat().st_mtime < before and storage.find_job(folder.name) is None:
            shutil.rmtree(folder, ignore_errors=True)


def _too_much(allowance: _Allowance) -> BadArchiveError:
    way_out = "log in, or send it in parts" if allowance is VISITORS else "send it in parts"
    return BadArchiveError(f"{allowance}; this one has more. Nothing was stored: {way_out}.")
