"""Photos in folders that are called like their labels, or a list of their SHA-256."""

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

from webapp.domain import PHOTO_ENDINGS
from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.listed_photo import ListedPhoto

_SPLITS = ("train", "training", "val", "valid", "validation", "test")
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


def read_folders_zip(archive: zipfile.ZipFile) -> Iterator[ListedPhoto]:
    """A line for each photo in a folder of a class, as of a folder on disk; one folder around all
    of them is no class. Raises `NoLabelFileError` when there is none."""
    paths = {name: PurePosixPath(name) for name in sorted(archive.namelist())}
    paths = {
        name: path
        for name, path in paths.items()
        if path.suffix.lower() in PHOTO_ENDINGS
        and len(path.parts) > 1
        and not any(part.startswith((".", "__MACOSX")) for part in path.parts)
    }
    if not paths:
        raise NoLabelFileError(
            "The zip has no folder labels/ as YOLO has it, no list of labels, and no folders of "
            "photos that are called like labels."
        )
    around = {path.parts[0] for path in paths.values()}
    below = int(len(around) == 1 and all(len(path.parts) > 2 for path in paths.values()))
    for name, path in paths.items():
        with archive.open(name) as stream:
            digest = hashlib.sha256()
            while part := stream.read(1024 * 1024):
                digest.update(part)
        yield folder_line(PurePosixPath(*path.parts[below:]), digest.hexdigest())


def folder_line(path: PurePath, sha256: str) -> ListedPhoto:
    """What a file says by its place: its label is its first folder, or the second below one that is
    called like a split. It is found by its SHA-256, its name, and the id at the end of an exported
    name."""
    split = len(path.parts) > 2 and path.parts[0].lower() in _SPLITS
    return ListedPhoto(str(path), path.parts[split], sha256=sha256, filename=path.name)


def read_sums(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each line as `sha256sum` writes it. Raises `BadLabelFileError`."""
    for number, line in enumerate(stream, 1):
        match = _SUM.fullmatch(line.decode("utf-8", "replace").rstrip("\r\n"))
        if match is None:
            raise BadLabelFileError(
                f"Line {number} of the list of files is no SHA-256 with a path behind it."
            )
        yield match[2], match[1]
