"""Reading a file of labels in the format that its name and its content tell."""

import csv
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO

from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.coco import read_coco
from webapp.label_files.cvat import read_cvat
from webapp.label_files.datumaro import read_datumaro
from webapp.label_files.fiftyone import read_fiftyone
from webapp.label_files.folders import read_folders_zip
from webapp.label_files.json_lines import read_json_lines
from webapp.label_files.label_studio import (
    is_table_of_label_studio,
    read_label_studio,
    read_label_studio_table,
)
from webapp.label_files.listed_photo import ListedPhoto, in_file
from webapp.label_files.tables import read_table
from webapp.label_files.yolo import read_yolo_zip

# RuntimeError: JSON that is nested too deep, a zip with a password
_UNREADABLE = (
    *(UnicodeDecodeError, csv.Error, json.JSONDecodeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, EOFError),
)
_MOST = 100 * 1024 * 1024  # bytes of a list in a zip, unpacked


def read_labels(stream: IO[bytes], filename: str) -> Iterator[ListedPhoto]:
    """What a file says about photos. Raises `BadLabelFileError`, also in the middle, and the
    `NoLabelFileError` for a file that is no list of labels or boxes."""
    reader = _READERS.get(PurePosixPath(filename).suffix.lower())
    if reader is None:
        raise NoLabelFileError(
            f"{filename[:80]!r} is no file of labels that Marque reads: .csv, .tsv, .jsonl, .json "
            "(Label Studio, COCO, Datumaro or FiftyOne), .xml (CVAT), or a .zip of YOLO, of any of "
            "these, or of a folder for each class."
        )
    try:
        yield from reader(stream)
    except _UNREADABLE as error:
        raise BadLabelFileError(f"{filename[:80]!r} cannot be read: {error}.") from error


def _read_table(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    first = stream.readline()
    stream.seek(0)
    if is_table_of_label_studio(first.decode("utf-8", "replace")):
        return read_label_studio_table(stream.read().decode("utf-8-sig"))
    return read_table(stream)


def _read_json(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    content = json.loads(stream.read())
    match content:
        case {"images": _, "annotations": _, "categories": _}:
            return read_coco(content)
        case {"categories": _, "items": _}:
            return read_datumaro(content)
        case {"labels": dict()}:
            return read_fiftyone(content)
        case [*tasks] if all(isinstance(task, dict) for task in tasks):
            return read_label_studio(tasks)
    raise NoLabelFileError(
        "The JSON is neither a list of Label Studio tasks nor COCO, Datumaro's or FiftyOne's."
    )


def _read_xml(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    return read_cvat(stream.read().decode("utf-8-sig"))


def _read_zip(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    """YOLO's folders, else all lists of labels in it, else what the folders of photos say."""
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile as error:
        raise BadLabelFileError("This is no whole zip file.") from error
    try:
        yield from read_yolo_zip(archive)
        return
    except NoLabelFileError:
        pass
    lists = [name for name in sorted(archive.namelist()) if _is_list(name)]
    read = 0
    for name in lists:
        with suppress(NoLabelFileError):
            for photo in _read_member(archive, name):
                yield in_file(photo, name)
            read += 1
    if not read:
        yield from read_folders_zip(archive)


def _is_list(name: str) -> bool:
    ending = PurePosixPath(name).suffix.lower()
    return ending in _READERS and ending not in (".txt", ".zip")


def _read_member(archive: zipfile.ZipFile, name: str) -> Iterator[ListedPhoto]:
    if archive.getinfo(name).file_size > _MOST:
        raise BadLabelFileError(
            f"{name[:80]!r} has over 100 MB: unpack the zip, and import the file itself."
        )
    with archive.open(name) as stream:
        yield from read_labels(stream, name)


_READERS: dict[str, Callable[[IO[bytes]], Iterator[ListedPhoto]]] = {
    ".csv": _read_table,
    ".tsv": _read_table,
    ".txt": _read_table,
    ".jsonl": read_json_lines,
    ".json": _read_json,
    ".xml": _read_xml,
    ".zip": _read_zip,
}
