"""Reading a file of labels in the format that its name tells."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from webapp.errors import BadLabelFileError
from webapp.services.labels.import_formats.coco import read_coco
from webapp.services.labels.import_formats.json_lines import read_json_lines
from webapp.services.labels.import_formats.label_line import LabelLine
from webapp.services.labels.import_formats.label_studio import read_label_studio
from webapp.services.labels.import_formats.tables import read_table


def read_labels(stream: IO[bytes], filename: str) -> Iterator[LabelLine]:
    """The lines of a file. Raises `BadLabelFileError`, also in the middle."""
    reader = _READERS.get(Path(filename).suffix.lower())
    if reader is None:
        raise BadLabelFileError(
            f"{filename[:80]!r} is no file of labels that Marque reads: "
            ".csv, .tsv, .jsonl or .json (Label Studio or COCO)."
        )
    try:
        yield from reader(stream)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise BadLabelFileError(f"{filename[:80]!r} cannot be read: {error}.") from error


def _read_json(stream: IO[bytes]) -> Iterator[LabelLine]:
    content = json.loads(stream.read())
    if isinstance(content, dict) and content.keys() >= {"images", "annotations", "categories"}:
        return read_coco(content)
    if isinstance(content, list) and all(isinstance(task, dict) for task in content):
        return read_label_studio(content)
    raise BadLabelFileError("The JSON is neither a list of Label Studio tasks nor COCO.")


_READERS: dict[str, Callable[[IO[bytes]], Iterator[LabelLine]]] = {
    ".csv": read_table,
    ".tsv": read_table,
    ".txt": read_table,
    ".jsonl": read_json_lines,
    ".json": _read_json,
}
