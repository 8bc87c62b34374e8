"""Many photos from zips that strangers sent, or from a folder of the server.

Zips are read with care, and no path in them is ever written.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from webapp.errors import BadArchiveError, BadRequestError, BrokenPhotoError, PhotoTooLargeError
from webapp.inference.decoding.images import MAX_BYTES

MOST_FILES = 100_000
DIRECTORY_BYTES = 64 * 2**20  # of a zip's table of contents, which is read as a whole
UNPACKED_BYTES = 200 * 2**30
# From this size on, unpacked bytes may be this many times those of the zip: photos are compressed
# already, and bombs are not photos.
_RATIO, RATIO_FROM = 100, 2**30
_TAIL = 65_557  # bytes in which a zip's last record stands: 22 and a comment of 64 KB at most
_OVERHEAD = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Entry:
    """A file in a source: `key` finds it again, `name` is its path as people wrote it.

    `why_not` is why it is left out, "" for what may be a photo.
    """

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


class Zips(ExitStack):
    """The files of one zip or several, in their order. Raises `BadArchiveError`."""

    def __init__(self, paths: Iterable[Path]) -> None:
        super().__init__()
        self._paths = list(paths)
        self._open: dict[int, zipfile.ZipFile] = {}

    def entries(self) -> list[Entry]:
        """Every file. Raises `BadArchiveError`."""
        entries = []
        for place in range(len(self._paths)):
            for number, member in enumerate(self._archive(place).infolist()):
                if not member.is_dir():
                    name = decoded_name(member)
                    entries.append(Entry(f"{place}:{number}", name, _why_not(name, member)))
        if len(entries) > MOST_FILES:
            raise BadArchiveError(
                f"These are {len(entries):,} files; {MOST_FILES:,} are the most at a time. "
                "Nothing was stored: send fewer."
            )
        return entries

    def read(self, key: str) -> bytes:
        """The bytes of a file, at most one more than a photo may have; the same key gives the same.

        Raises a `PhotoRefusedError`.
        """
        place, _, number = key.partition(":")
        archive = self._archive(int(place))
        member = archive.infolist()[int(number)]
        if member.file_size > MAX_BYTES:
            raise PhotoTooLargeError(f"Larger than {MAX_BYTES // 2**20} MB.")
        if member.flag_bits & 1:
            raise BrokenPhotoError("Encrypted: unpack it and send it without a password.")
        damages = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError)
        try:
            with archive.open(member) as stream:
                return stream.read(MAX_BYTES + 1)
        except damages as error:
            raise BrokenPhotoError(f"Damaged in the zip: {error}") from error

    def _archive(self, place: int) -> zipfile.ZipFile:
        if place not in self._open:
            self._open[place] = self.enter_context(open_zip(self._paths[place]))
        return self._open[place]


class Folder(ExitStack):
    """The files below a folder of the server, by name. Links are not followed."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def entries(self) -> list[Entry]:
        """Every file. Raises `BadArchiveError`."""
        files = (path for path in self._folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode))
        paths = list(islice(files, MOST_FILES + 1))
        if len(paths) > MOST_FILES:
            raise BadArchiveError(
                f"There are more than {MOST_FILES:,} files in this folder. "
                "Nothing was stored: take a part of it."
            )
        names = sorted(path.relative_to(self._folder).as_posix() for path in paths)
        return [Entry(name, name, _why_not(name)) for name in names]

    def read(self, key: str) -> bytes:
        """The bytes of a file, as `Zips.read` gives them."""
        try:
            with (self._folder / key).open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise BrokenPhotoError(f"It cannot be read: {error.strerror}.") from error


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip whose table of contents and files are not too large. Raises `BadArchiveError`."""
    try:
        if _directory_bytes(path) > DIRECTORY_BYTES:
            raise BadArchiveError(
                f"The zip has more than {MOST_FILES:,} files. Nothing was stored: send it in parts."
            )
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadArchiveError(
            "This is not a zip, or its end is missing. "
            "Nothing was stored: make it again, or send the photos one by one."
        ) from error
    size = path.stat().st_size
    unpacked = sum(member.file_size for member in archive.infolist())
    packed = sum(member.compress_size for member in archive.infolist())
    is_bomb = unpacked > RATIO_FROM and unpacked > _RATIO * size
    if is_bomb or unpacked > UNPACKED_BYTES or packed > size:
        archive.close()
        raise BadArchiveError(
            f"The zip of {size / 2**20:,.0f} MB says it holds {unpacked / 2**30:,.1f} GB. "
            "It was not opened: nothing was stored."
        )
    return archive


def decoded_name(member: zipfile.ZipInfo) -> str:
    """The name of a member as its sender saw it: without a word on its encoding zipfile takes code
    page 437, but Macs write UTF-8, a Russian Windows code page 866."""
    name = member.filename
    if member.flag_bits & 0x800 or name.isascii():
        return name
    for encoding in ("utf-8", "cp866"):
        try:
            text = name.encode("cp437").decode(encoding)
        except UnicodeError:
            continue
        letters = [char for char in text if not char.isascii()]
        if encoding == "utf-8" or all("А" <= char <= "я" or char in "Ёё№" for char in letters):
            return text
    return name


def folder_below(allowed: Path | None, name: str) -> Path:
    """The folder called `name` below the allowed one. Raises `BadRequestError`."""
    if allowed is None:
        raise BadRequestError(
            "Folders of this server are not open to jobs. "
            "The operator can name one in MARQUE_IMPORT_FOLDER."
        )
    root = allowed.resolve()
    folder = (root / name.strip().strip("/")).resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        raise BadRequestError(
            f"There is no folder {name[:200]!r} below the one that the operator allowed."
        )
    return folder


def _why_not(name: str, member: zipfile.ZipInfo | None = None) -> str:
    """Why a file is left out by its name and type; "" when it may be a photo."""
    parts = PurePosixPath(name).parts
    if any(part in _OVERHEAD or part.startswith("._") for part in parts):
        return "a file of the operating system"
    if member is not None and stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        return "a link, not a file"
    return ""


def _directory_bytes(path: Path) -> int:
    """How long a zip says its table of contents is, before it is read. Raises `ValueError`."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + 22:
        raise ValueError("no end record")
    (length,) = struct.unpack_from("<L", tail, end + 12)
    if length == 0xFFFFFFFF:  # the real number stands in the record of large zips, before this one
        large = tail.rfind(b"PK\x06\x06", 0, end)
        if large < 0 or len(tail) < large + 48:
            raise ValueError("no end record of a large zip")
        (length,) = struct.unpack_from("<Q", tail, large + 40)
    return int(length)
