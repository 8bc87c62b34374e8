"""Reading a file of labels in the format that its name tells."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.coco import read_coco
from webapp.label_files.json_lines import read_json_lines
from webapp.label_files.label_studio import read_label_studio
from webapp.label_files.listed_photo import ListedPhoto
from webapp.label_files.tables import read_table
from webapp.label_files.yolo import read_yolo_zip


def read_labels(stream: IO[bytes], filename: str) -> Iterator[ListedPhoto]:
    """What a file says about photos. Raises `BadLabelFileError`, also in the middle, and the
    `NoLabelFileError` for a file that is no list of labels or boxes."""
    reader = _READERS.get(Path(filename).suffix.lower())
    if reader is None:
        raise NoLabelFileError(
            f"{filename[:80]!r} is no file of labels that Marque reads: "
            ".csv, .tsv, .jsonl, .json (Label Studio or COCO) or .zip (YOLO)."
        )
    try:
        yield from reader(stream)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise BadLabelFileError(f"{filename[:80]!r} cannot be read: {error}.") from error


def _read_json(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    content = json.loads(stream.read())
    if isinstance(content, dict) and content.keys() >= {"images", "annotations", "categories"}:
        return read_coco(content)
    if isinstance(content, list) and all(isinstance(task, dict) for task in content):
        return read_label_studio(content)
    raise NoLabelFileError("The JSON is neither a list of Label Studio tasks nor COCO.")


_READERS: dict[str, Callable[[IO[bytes]], Iterator[ListedPhoto]]] = {
    ".csv": read_table,
    ".tsv": read_table,
    ".txt": read_table,
    ".jsonl": read_json_lines,
    ".json": _read_json,
    ".zip": read_yolo_zip,
}
