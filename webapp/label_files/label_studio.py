"""Label Studio's exports: the full one, and the short one ("JSON-MIN"). Rectangles are boxes, in
percent of the photo; a choice is the label of its rectangle, or of the photo."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, TypeAdapter

from webapp.domain import NO_CAR
from webapp.label_files.listed_photo import ListedBox, ListedPhoto, checked, edges_of, text_of

_RECTANGLES = ("rectangle", "rectanglelabels")
# results that are about the whole photo, or add something to a rectangle
_NO_SHAPES = ("", "choices", "labels", "textarea", "rating", "number", "taxonomy", "relation")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of a file


class _Result(BaseModel):
    id: str = ""
    type: str = ""
    value: dict[str, Any] = {}
    found_by: str = ""


class _Rectangle(BaseModel):
    x: float
    y: float
    width: float
    height: float


_RESULTS: TypeAdapter[list[_Result]] = TypeAdapter(list[_Result])
_RECTANGLE = TypeAdapter(_Rectangle)


def read_label_studio(tasks: list[dict[str, Any]]) -> Iterator[ListedPhoto]:
    """A photo for each task. Of several annotations the last that was not cancelled counts."""
    for number, task in enumerate(tasks, 1):
        where = f"task {number}"
        inner = task.get("data")
        data: dict[str, Any] = inner if isinstance(inner, dict) else task
        address = urlsplit(text_of(data, "image") or text_of(task, "file_upload"))
        path = next(iter(parse_qs(address.query).get("d", [])), unquote(address.path))
        name = path.rpartition("/")[2]
        results = _results(task, where)
        boxes, unreadable = _boxes(results or [], where), _unreadable(task, results or [])
        label = _photo_label(results or []) or text_of(task, "choice") or text_of(task, "label")
        cars = any(box.label != NO_CAR for box in boxes)
        seen = results is not None and (cars or label in ("", NO_CAR))
        yield ListedPhoto(
            where,
            label,
            text_of(data, "marque_id"),
            text_of(data, "sha256"),
            text_of(data, "filename") or name,
            short if (short := _UPLOAD.sub("", name)) != name else "",
            boxes=tuple(boxes) if seen else None,
            unreadable=unreadable,
        )


def _results(task: dict[str, Any], where: str) -> list[_Result] | None:
    """What the last annotation holds, None when nobody made one."""
    annotations = task.get("annotations")
    for annotation in reversed(annotations if isinstance(annotations, list) else []):
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            return checked(_RESULTS, annotation.get("result") or [], f"{where}: result")
    return None


def _boxes(results: list[_Result], where: str) -> list[ListedBox]:
    labels = {result.id: label for result in results if (label := _label(result))}
    boxes = []
    for result in results:
        if result.type in _RECTANGLES:
            place = checked(_RECTANGLE, result.value, where)
            sides = (place.x, place.y, place.width, place.height)
            edges = edges_of(*(percent / 100 for percent in sides))
            label = labels.get(result.id, "")
            boxes.append(ListedBox(where, edges, label, found_by=result.found_by))
    return boxes


def _unreadable(task: dict[str, Any], results: list[_Result]) -> str:
    """A sentence about shapes that are no upright rectangles, "" without any."""
    for result in results:
        turned = result.value.get("rotation", 0) not in (0, 360)
        if (result.type in _RECTANGLES and turned) or result.type not in _RECTANGLES + _NO_SHAPES:
            shape = "turned rectangle" if turned else result.type
            return (
                f"A result is a {shape}. Only upright rectangles are read as boxes: draw one "
                "instead, or remove the task from the file."
            )
    if isinstance(task.get("label"), list):
        return "The short export (JSON-MIN) is not read for shapes. Export as JSON instead."
    return ""


def _photo_label(results: list[_Result]) -> str:
    """The first choice that is not about a rectangle, "" without one."""
    regions = {result.id for result in results if result.type in _RECTANGLES}
    return next((_label(result) for result in results if result.id not in regions), "")


def _label(result: _Result) -> str:
    """The first label or choice of a result, "" without one."""
    for key in ("rectanglelabels", "labels", "choices"):
        match result.value.get(key):
            case [label, *_]:
                return str(label)
    return ""
