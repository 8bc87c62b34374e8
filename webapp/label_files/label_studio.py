"""Label Studio's exports: the full one, the short one ("JSON-MIN"), and its tables, which are the
short one in rows. Rectangles are boxes, in percent of the photo; a choice is the label of its
rectangle, or of the photo."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, TypeAdapter

from webapp.domain import NO_CAR
from webapp.label_files.listed_photo import ListedBox, ListedPhoto, checked, edges_of, text_of
from webapp.label_files.photo_names import is_photo, names_of
from webapp.label_files.usual_names import LABELS, find_column

_RECTANGLES = ("rectangle", "rectanglelabels")
# results that are about the whole photo, or add something to a rectangle
_NO_SHAPES = ("", "choices", "labels", "textarea", "rating", "number", "taxonomy", "relation")
# keys of a short task that are about the task, or come from our own tasks
_ABOUT = {"annotation_id", "annotator", "created_at", "updated_at", "lead_time", "id", "agreement"}
_ABOUT |= {"image", "marque_id", "sha256", "filename", "file_upload"}
_SIDES = {"x", "y", "width", "height"}


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


def read_label_studio(
    tasks: Iterable[dict[str, Any]], called: str = "task"
) -> Iterator[ListedPhoto]:
    """A photo for each task. Of several annotations the last that was not cancelled counts."""
    for number, task in enumerate(tasks, 1):
        where = f"{called} {number}"
        inner = task.get("data")
        data: dict[str, Any] = inner if isinstance(inner, dict) else task
        results, cut = _results(task, where), ""
        if results is None and data is task:
            results, cut = _short_results(task)
        boxes = _boxes(results or [], where)
        label = _photo_label(results or [])
        cars = any(box.label != NO_CAR for box in boxes)
        seen = results is not None and (cars or label in ("", NO_CAR))
        yield ListedPhoto(
            where,
            label,
            text_of(data, "marque_id"),
            text_of(data, "sha256"),
            _photo_of(data) or text_of(task, "file_upload") or text_of(data, "image"),
            boxes=tuple(boxes) if seen else None,
            unreadable=cut or _unreadable(results or []),
        )


def is_table_of_label_studio(heading: str) -> bool:
    """Whether the first line of a table is that of Label Studio's CSV or TSV."""
    return all(name in heading for name in ("annotation_id", "annotator", "lead_time"))


def read_label_studio_table(text: str) -> Iterator[ListedPhoto]:
    """A photo for each row: a short task, with JSON in the cells of what is no text."""
    rows = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in text[:200] else ",")
    tasks = ({key: _from_cell(cell) for key, cell in row.items()} for row in rows)
    return read_label_studio(tasks, "row")


def _from_cell(cell: Any) -> Any:
    if isinstance(cell, str) and cell.startswith(("[{", "{")):
        with suppress(json.JSONDecodeError):
            return json.loads(cell)
    return cell


def _photo_of(data: dict[str, Any]) -> str:
    """What the photo of a task is called; its key is chosen by people, and often `image`."""
    names = [text_of(data, key) for key in ("filename", "image", *data)]
    return next((name for name in names if name and any(map(is_photo, names_of(name)))), "")


def _results(task: dict[str, Any], where: str) -> list[_Result] | None:
    """What the last annotation holds, None when nobody made one."""
    annotations = task.get("annotations")
    for annotation in reversed(annotations if isinstance(annotations, list) else []):
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            return checked(_RESULTS, annotation.get("result") or [], f"{where}: result")
    return None


def _short_results(task: dict[str, Any]) -> tuple[list[_Result] | None, str]:
    """What a short task says, None for nothing; and a sentence about what it does not say. Its keys
    are the names of tags, which people choose. A choice about a single rectangle lies beside it."""
    shapes = [shape for value in task.values() if isinstance(value, list) for shape in value]
    shapes = [shape for shape in shapes if isinstance(shape, dict)]
    results = [
        _Result(
            id=str(number), type="rectangle" if shape.keys() >= _SIDES else "shape", value=shape
        )
        for number, shape in enumerate(shapes)
    ]
    labels = _short_label(task)
    bare = [result for result in results if not _label(result)]
    if labels and len(bare) > 1:
        return results, (
            "The short export (JSON-MIN, CSV, TSV) does not say which of several rectangles a "
            "choice is about. Export as JSON instead."
        )
    if labels:
        about = bare[0].id if bare else ""
        results.append(_Result(id=about, type="choices", value={"choices": labels}))
    return results or None, ""


def _short_label(task: dict[str, Any]) -> list[str]:
    """The choices of a short task: those of the usual key, else of the only one."""
    texts = {
        key: value["choices"] if isinstance(value, dict) else [value.strip()]
        for key, value in task.items()
        if (isinstance(value, dict) and isinstance(value.get("choices"), list))
        or (isinstance(value, str) and value.strip() and key not in _ABOUT)
        if not any(map(is_photo, names_of(str(value))))
    }
    key = find_column(LABELS, texts) or (next(iter(texts)) if len(texts) == 1 else None)
    return texts[key] if key else []


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


def _unreadable(results: list[_Result]) -> str:
    """A sentence about shapes that are no upright rectangles, "" without any."""
    for result in results:
        turned = result.value.get("rotation", 0) not in (0, 360)
        if (result.type in _RECTANGLES and turned) or result.type not in _RECTANGLES + _NO_SHAPES:
            shape = "turned rectangle" if turned else result.type
            return (
                f"A result is a {shape}. Only upright rectangles are read as boxes: draw one "
                "instead, or remove the task from the file."
            )
    return ""


def _photo_label(results: list[_Result]) -> str:
    """The first choice that is not about a rectangle, "" without one."""
    regions = {result.id for result in results if result.type in _RECTANGLES}
    return next((_label(result) for result in results if result.id not in regions), "")


def _label(result: _Result) -> str:
    """The label or choice of a result, "" without one; several stand together as no label does."""
    for key in ("rectanglelabels", "labels", "choices"):
        match result.value.get(key):
            case [_, *_] as labels:
                return " and ".join(map(str, labels))
    return ""
