"""Many photos from one place: zips that strangers sent, read with care, or a folder of the server. No path of theirs is ever written."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol

from webapp.errors import BadArchiveError, BadRequestError, BrokenPhotoError, PhotoTooLargeError
from webapp.inference.decoding.images import MAX_BYTES

MOST_FILES = 100_000
DIRECTORY_BYTES = 64 * 2**20
"""Of a zip's table of contents, which is read as a whole: room for so many files with long names."""
UNPACKED_BYTES = 200 * 2**30
RATIO, RATIO_FROM = 100, 2**30
"""From this size on, unpacked bytes may be so many times those of the zip: photos are packed already, and bombs are not photos."""
TAIL = 65_557
"""The end of a zip in which its last record stands: 22 bytes and a comment of 64 KB at most."""
OVERHEAD = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Entry:
    """A file in a source: `key` finds it again, `name` is its path as people wrote it, `why_not` is why it is no photo ("": it may be)."""

    key: str
    name: str
    why_not: str = ""

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.name).name

    @property
    def folder(self) -> str:
        """The folder that the file lies in, "" at the top."""
        return PurePosixPath(self.name).parent.name


class Source(Protocol):
    """Where photos come from. Reading the same key again gives the same bytes."""

    def entries(self) -> list[Entry]:
        """Every file, in the source's order. Raises `BadArchiveError`."""

    def read(self, key: str) -> bytes:
        """The bytes of a file, one more than a photo may have at most. Raises a `PhotoRefusedError`."""

    def __enter__(self) -> Source: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Zips:
    """The files of one zip or several, in their order. Raises `BadArchiveError` when one cannot be taken."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self._open: dict[int, zipfile.ZipFile] = {}

    def entries(self) -> list[Entry]:
        """See `Source`."""
        found = [
            Entry(f"{place}:{number}", clear_name(member), _why_not(clear_name(member), member))
            for place in range(len(self._paths))
            for number, member in enumerate(self._archive(place).infolist())
            if not member.is_dir()
        ]
        if len(found) > MOST_FILES:
            raise BadArchiveError(
                f"These are {len(found):,} files; {MOST_FILES:,} are the most at a time. Nothing was stored: send fewer."
            )
        return found

    def read(self, key: str) -> bytes:
        """See `Source`."""
        place, _, number = key.partition(":")
        archive = self._archive(int(place))
        member = archive.infolist()[int(number)]
        if member.file_size > MAX_BYTES:
            raise PhotoTooLargeError(f"Larger than {MAX_BYTES // 2**20} MB.")
        if member.flag_bits & 1:
            raise BrokenPhotoError("Encrypted: unpack it and send it without a password.")
        try:
            with archive.open(member) as stream:
                return stream.read(MAX_BYTES + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
            ValueError,
            OSError,
        ) as error:
            raise BrokenPhotoError(f"Damaged in the zip: {error}") from error

    def _archive(self, place: int) -> zipfile.ZipFile:
        if place not in self._open:
            self._open[place] = open_zip(self._paths[place])
        return self._open[place]

    def __enter__(self) -> Zips:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._open.values():
            one.close()
        self._open.clear()


class Folder:
    """The files below a folder of the server, by name. Links are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entries(self) -> list[Entry]:
        """See `Source`."""
        found = []
        for path in self._files():
            name = path.relative_to(self._folder).as_posix()
            found.append(Entry(name, name, _why_not(name)))
            if len(found) > MOST_FILES:
                raise BadArchiveError(
                    f"There are more than {MOST_FILES:,} files in this folder. Nothing was stored: take a part of it."
                )
        return sorted(found, key=lambda one: one.name)

    def read(self, key: str) -> bytes:
        """See `Source`."""
        try:
            with (self._folder / key).open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise BrokenPhotoError(f"It cannot be read: {error.strerror}.") from error

    def _files(self) -> Iterator[Path]:
        for place, folders, names in os.walk(self._folder):
            folders.sort()
            for name in sorted(names):
                path = Path(place) / name
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip whose table of contents is of a size that we read, and whose files are. Raises `BadArchiveError`."""
    try:
        if _directory_bytes(path) > DIRECTORY_BYTES:
            raise BadArchiveError(
                f"The zip has more than {MOST_FILES:,} files. Nothing was stored: send it in parts."
            )
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadArchiveError(
            "This is no zip, or its end is missing. Nothing was stored: make it again, or send the photos one by one."
        ) from error
    members = archive.infolist()
    unpacked, packed = (
        sum(one.file_size for one in members),
        sum(one.compress_size for one in members),
    )
    size = path.stat().st_size
    if (
        unpacked > UNPACKED_BYTES
        or packed > size
        or (unpacked > RATIO_FROM and unpacked > RATIO * size)
    ):
        archive.close()
        raise BadArchiveError(
            f"The zip of {size / 2**20:,.0f} MB says it holds {unpacked / 2**30:,.1f} GB. It was not opened: nothing was stored."
        )
    return archive


def clear_name(member: zipfile.ZipInfo) -> str:
    """The name of a member as its sender saw it.

    Old packers do not say how they wrote it, and zipfile takes code page 437 then. Macs write UTF-8, a Russian Windows code page 866.
    """
    name = member.filename
    if member.flag_bits & 0x800 or name.isascii():
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "cp866"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        letters = [one for one in text if not one.isascii()]
        if encoding == "utf-8" or all("А" <= one <= "я" or one in "Ёё№" for one in letters):
            return text
    return name


def folder_below(allowed: Path | None, name: str) -> Path:
    """The folder called `name` below the one that the operator allowed. Raises `BadRequestError` when it is not there, or leads out."""
    if allowed is None:
        raise BadRequestError(
            "Folders of this server are not open to jobs. The operator can name one in MARQUE_IMPORT_FOLDER."
        )
    root = allowed.resolve()
    found = (root / name.strip().strip("/")).resolve()
    if not found.is_relative_to(root) or not found.is_dir():
        raise BadRequestError(
            f"There is no folder {name[:200]!r} below the one that the operator allowed."
        )
    return found


def _why_not(name: str, member: zipfile.ZipInfo | None = None) -> str:
    """Why a file is left out without a look at it; "" when it is looked at."""
    parts = PurePosixPath(name).parts
    if any(part in OVERHEAD or part.startswith("._") for part in parts):
        return "kept by the system for itself, no photo"
    if member is not None and stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return "a link, no file"
    return ""


def _directory_bytes(path: Path) -> int:
    """How long a zip's table of contents says it is, before anybody reads it. Raises `ValueError` for what is no zip."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - TAIL))
        tail = stream.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise ValueError("no end record")
        (length,) = struct.unpack_from("<L", tail, at + 12)
        if (
            length == 0xFFFFFFFF
        ):  # the real number stands in the record of large zips, which lies before
            large = tail.rfind(b"PK\x06\x06", 0, at)
            if large < 0 or len(tail) < large + 48:
                raise ValueError("no end record of a large zip")
            (length,) = struct.unpack_from("<Q", tail, large + 40)
        return int(length)
