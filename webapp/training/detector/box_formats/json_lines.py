"""A line of JSON for each photo: `{"file", "boxes": [{"box", "class"?, "score"?}], "source"?}`.

`box` is left, top, right, bottom as shares of the photo's width and height.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from webapp.errors import TrainingError
from webapp.training.detector.box_formats.listed import (
    Edges,
    ListedBox,
    ListedPhoto,
    Listing,
    checked,
)


class _Box(BaseModel):
    box: Edges
    label: str = Field("", alias="class")
    score: float = 1.0


class _Line(BaseModel):
    file: str
    boxes: list[_Box]
    source: str = ""


_LINE = TypeAdapter(_Line)


def has_json_boxes(path: Path) -> bool:
    """True when the first line is an object with a file and boxes. Raises `TrainingError`."""
    number, text = next(_lines(path), (1, "null"))
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"{path.name}, line {number}: This is no JSON: {error}.") from error
    return isinstance(line, dict) and line.keys() >= {"file", "boxes"}


def read_json_lines(path: Path) -> Listing:
    """The photos of a file, in its order."""
    for number, text in _lines(path):
        where = f"{path.name}, line {number}"
        line = checked(_LINE, text, where)
        boxes = (ListedBox(where, box.box, box.label, box.score) for box in line.boxes)
        yield ListedPhoto(where, line.file, tuple(boxes), source=line.source)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path.name} cannot be read: {error}") from error
