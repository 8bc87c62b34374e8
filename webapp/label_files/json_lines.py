"""Lines of JSON: an object for each photo.

Exports have an `id`, a `ground_truth` and `cars`, whose `box` is its corner, width and height. Data
sets have a `file` and `boxes`, whose `box` is left, top, right, bottom. These are shares of the
photo's width and height. Hugging Face's `metadata.jsonl` has a `file_name` and perhaps `objects`,
whose `bbox` are corners, widths and heights in pixels.
"""

import json
from collections.abc import Iterator
from typing import IO, Any

from pydantic import BaseModel, Field, TypeAdapter

from webapp.domain import NO_CAR, WHOLE
from webapp.errors import BadLabelFileError
from webapp.label_files.listed_photo import (
    Edges,
    ListedBox,
    ListedPhoto,
    checked,
    edges_of,
    text_of,
)
from webapp.label_files.usual_names import LABELS, PHOTOS, find_column

_OBJECT_LABELS = f"category categories labels classes {LABELS}"
_MAX_LINE = 1_000_000  # bytes


class _Box(BaseModel):
    box: Edges
    label: str = Field("", alias="class")
    score: float = 1.0
    crowd: bool = False
    found_by: str = ""


class _Car(BaseModel):
    box: Edges  # left, top, width, height
    ground_truth: str | None = None
    score: float | None = None
    found_by: str = ""


class _Object(BaseModel):
    bbox: Edges  # left, top, width, height in pixels


_OBJECTS: TypeAdapter[list[_Object]] = TypeAdapter(list[_Object])
_BOXES: TypeAdapter[list[_Box]] = TypeAdapter(list[_Box])
_CARS: TypeAdapter[list[_Car]] = TypeAdapter(list[_Car])


def read_json_lines(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    """A photo for each line."""
    number = 0
    while line := stream.readline(_MAX_LINE):
        number += 1
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            photo = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadLabelFileError(f"{where}: This cannot be read: {error}.") from error
        if not isinstance(photo, dict):
            raise BadLabelFileError(f"{where}: This is no JSON object.")
        objects = "objects" in photo
        boxes = _objects(photo["objects"], where) if objects else _boxes(photo, where)
        name = find_column(PHOTOS, photo)
        yield ListedPhoto(
            where,
            "" if boxes else _label(photo, LABELS),
            text_of(photo, "id"),
            text_of(photo, "sha256"),
            text_of(photo, name) if name else "",
            in_pixels=objects,
            boxes=boxes,
            source=text_of(photo, "source"),
        )


def _label(values: dict[str, Any], usual: str) -> str:
    """The label under a usual name, "" without one. What is no text, such as the number of a class,
    is said as it stands."""
    key = find_column(usual, values)
    label = values[key] if key else None
    return "" if label is None else label.strip() if isinstance(label, str) else json.dumps(label)


def _objects(content: Any, where: str) -> tuple[ListedBox, ...]:
    """Boxes as Hugging Face has them: a list of objects, or an object of lists."""
    if isinstance(content, dict):
        lists = {key: value for key, value in content.items() if isinstance(value, list)}
        if len({len(value) for value in lists.values()}) > 1:
            raise BadLabelFileError(f"{where}: objects has lists of different lengths.")
        content = [
            dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)
        ]
    listed = checked(_OBJECTS, content, f"{where}: objects")
    labels = [_label(values, _OBJECT_LABELS) for values in content]
    boxes = zip(listed, labels, strict=True)
    return tuple(ListedBox(where, edges_of(*mark.bbox), label) for mark, label in boxes)


def _boxes(photo: dict[str, Any], where: str) -> tuple[ListedBox, ...] | None:
    if "boxes" in photo:
        listed = checked(_BOXES, photo["boxes"], f"{where}: boxes")
        return tuple(
            ListedBox(where, box.box, box.label, box.score, box.crowd, box.found_by)
            for box in listed
        )
    cars = checked(_CARS, photo.get("cars", []), f"{where}: cars")
    boxes = [
        ListedBox(
            where,
            edges_of(*car.box),
            car.ground_truth or "",
            1.0 if car.score is None else car.score,
            found_by=car.found_by,
        )
        for car in cars
        if car.found_by != WHOLE
    ]
    if any(box.label != NO_CAR for box in boxes) or text_of(photo, "ground_truth") == NO_CAR:
        return tuple(boxes)
    return None
