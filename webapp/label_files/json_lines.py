"""Lines of JSON: an object for each photo.

Exports have an `id`, a `ground_truth` and `cars`, whose `box` is its corner, width and height. Data
sets have a `file` and `boxes`, whose `box` is left, top, right, bottom. All are shares of the
photo's width and height.
"""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
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
    exported_id,
    text_of,
    uploaded_name,
)

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
        boxes = _boxes(photo, where)
        label = text_of(photo, "ground_truth") or text_of(photo, "label")
        file = PurePosixPath(text_of(photo, "file"))
        public_id = exported_id(file.stem)
        yield ListedPhoto(
            where,
            "" if boxes else label,
            text_of(photo, "id") or public_id,
            text_of(photo, "sha256"),
            text_of(photo, "filename") or text_of(photo, "file"),
            uploaded_name(file.name, public_id),
            boxes=boxes,
            source=text_of(photo, "source"),
        )


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
