"""Label Studio's full JSON export: tasks whose annotations have rectangles in percent."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, TypeAdapter

from webapp.errors import TrainingError
from webapp.training.detector.box_formats.listed import (
    ListedBox,
    ListedPhoto,
    Listing,
    checked,
    edges_of,
)

_RECTANGLES = ("rectangle", "rectanglelabels")
# results that are about the whole photo, or add something to a rectangle
_NO_SHAPES = ("choices", "labels", "textarea", "rating", "number", "taxonomy", "relation")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of a file


class _Result(BaseModel):
    type: str
    id: str = ""
    value: dict[str, Any] = {}


class _Annotation(BaseModel):
    was_cancelled: bool = False
    result: list[_Result]


class _Task(BaseModel):
    data: dict[str, Any] = {}
    file_upload: str | None = None
    annotations: list[_Annotation]


class _Rectangle(BaseModel):
    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0


_TASKS: TypeAdapter[list[_Task]] = TypeAdapter(list[_Task])
_RECTANGLE = TypeAdapter(_Rectangle)


def is_label_studio(content: Any) -> bool:
    """True for a list of tasks with annotations."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) and "annotations" in task for task in content)
    )


def read_label_studio(content: Any, file: str) -> Listing:
    """A photo for each task with an annotation; the last that was not cancelled counts."""
    tasks = checked(_TASKS, content, file)
    for number, task in enumerate(tasks):
        done = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        if not done:
            continue
        where = f"{file}, {number}"
        labels = {result.id: label for result in done[-1].result if (label := _label(result))}
        boxes = []
        for result in done[-1].result:
            if result.type in _RECTANGLES:
                boxes.append(_box(result, labels.get(result.id, ""), where))
            elif result.type not in _NO_SHAPES:
                raise TrainingError(
                    f"{where}: A result is {result.type!r}. Only rectangles are read as boxes: "
                    "draw one instead, or remove the task from the file."
                )
        name = _name(task)
        yield ListedPhoto(where, name, tuple(boxes), other_name=_without_prefix(name))


def _box(result: _Result, label: str, where: str) -> ListedBox:
    rectangle = checked(_RECTANGLE, result.value, where)
    if rectangle.rotation % 360:
        raise TrainingError(
            f"{where}: A rectangle is turned by {rectangle.rotation:g} degrees. "
            "Draw it upright, or remove the task from the file."
        )
    left, top, right, bottom = edges_of(rectangle.x, rectangle.y, rectangle.width, rectangle.height)
    return ListedBox(where, (left / 100, top / 100, right / 100, bottom / 100), label)


def _label(result: _Result) -> str:
    """The first label or choice of a result, "" without one."""
    for key in ("rectanglelabels", "labels", "choices"):
        match result.value.get(key):
            case [str(label), *_]:
                return label
    return ""


def _name(task: _Task) -> str:
    """The name of the photo: as it was exported from here, else the path in its address."""
    named = task.data.get("filename")
    if isinstance(named, str) and named:
        return named
    address = urlsplit(str(task.data.get("image") or task.file_upload or ""))
    return next(iter(parse_qs(address.query).get("d", [])), unquote(address.path))


def _without_prefix(path: str) -> str:
    """What an uploaded file was called before."""
    return _UPLOAD.sub("", path.rpartition("/")[2])
