"""Photos in folders that are called like their labels, or a list of their SHA-256."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import IO

from webapp.domain import PHOTO_ENDINGS
from webapp.errors import BadLabelFileError
from webapp.label_files.listed_photo import ListedPhoto, exported_id

_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def read_label_folders(folder: Path) -> Iterator[ListedPhoto]:
    """A line for each file in `folder/<label>/` and below that is called like a photo."""
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.is_symlink() or place.name.startswith("."):
            continue
        for file in sorted(place.rglob("*")):
            photo = file.suffix.lower() in PHOTO_ENDINGS and not file.name.startswith(".")
            if photo and file.is_file() and not file.is_symlink():
                with file.open("rb") as stream:
                    sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                yield folder_line(file.relative_to(folder), sha256)


def folder_line(path: PurePath, sha256: str) -> ListedPhoto:
    """What a file says by its place: its label is its first folder. It is found by its SHA-256,
    its name, and the id at the end of an exported name."""
    return ListedPhoto(str(path), path.parts[0], exported_id(path.stem), sha256, path.name)


def read_sums(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each line as `sha256sum` writes it. Raises `BadLabelFileError`."""
    for number, line in enumerate(stream, 1):
        match = _SUM.fullmatch(line.decode("utf-8", "replace").rstrip("\r\n"))
        if match is None:
            raise BadLabelFileError(
                f"Line {number} of the list of files is no SHA-256 with a path behind it."
            )
        yield match[2], match[1]
