"""What every format of label files gives."""

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from webapp.errors import BadLabelFileError
from webapp.label_files.photo_names import ids_of, names_of

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom: in pixels, or as shares of the photo's width and height."""

_OVERHANG = 0.05  # how far a box may reach out of its photo, in widths or heights of it
_SHAPES = 0.02  # how far the listed aspect ratio of a photo may be from its own


@dataclass(frozen=True)
class ListedBox:
    """One box. `where` names its line for people; `label` is "" when the file has none; a `crowd`
    is a group of objects in one box. `found_by` is for boxes of our own exports, each of a car
    whatever its label."""

    where: str
    edges: Edges
    label: str = ""
    score: float = 1.0
    crowd: bool = False
    found_by: str = ""


@dataclass(frozen=True)
class ListedPhoto:
    """What a file says about a photo, in one line or several; "" for what it does not say.

    The photo is named by its `id` here, by the `sha256` of its file, or by its file name, which may
    be a path or an address, and in YOLO's lists lacks the ending. `car` is the id of a car of it,
    which the label is about.

    Attributes:
        where: The line, for people.
        label: That of the photo as a whole. `model` is the model whose label it is.
        boxes: Those of all objects in the photo, none when it shows no object; None when the file
            does not say where they are.
        in_pixels: The boxes are in pixels, of a photo of the listed `size` (width, height).
        unreadable: What of the boxes cannot be read, in a sentence.
        source: What the file says that the photo comes from.
    """

    where: str
    label: str = ""
    id: str = ""
    sha256: str = ""
    filename: str = ""
    car: str = ""
    model: str = ""
    boxes: tuple[ListedBox, ...] | None = None
    in_pixels: bool = False
    size: tuple[float, float] | None = None
    unreadable: str = ""
    source: str = ""

    @property
    def names(self) -> list[str]:
        """What the file of the photo may be called, the likeliest first."""
        return names_of(self.filename)

    @property
    def ids(self) -> list[str]:
        """Ids that the photo, or a car of it, may have here, the likeliest first."""
        return [name for name in (self.car, self.id, *ids_of(self.filename)) if name]


_Value = TypeVar("_Value")


def in_file(photo: ListedPhoto, name: str) -> ListedPhoto:
    """The photo of a list in an archive, whose lines name the list too."""
    boxes = photo.boxes and tuple(replace(box, where=f"{name}, {box.where}") for box in photo.boxes)
    return replace(photo, where=f"{name}, {photo.where}", boxes=boxes)


def edges_of(left: float, top: float, width: float, height: float) -> Edges:
    """The edges of a box that is given by its corner and its size."""
    return left, top, left + width, top + height


def placed_boxes(listed: ListedPhoto, width: int, height: int) -> list[Edges]:
    """The edges of all boxes as shares of the photo, in [0, 1]. `width` and `height` are those of
    the upright photo in pixels.

    Raises `BadLabelFileError` that names the line: a box has no area or reaches out of the photo by
    more than a twentieth, the size in the list is that of another photo, or boxes were unreadable.
    """
    if listed.unreadable:
        raise BadLabelFileError(f"{listed.where}: {listed.unreadable}")
    across, down = listed.size or (width, height)
    if listed.in_pixels and abs(across * height / (down * width) - 1) > _SHAPES:
        raise BadLabelFileError(
            f"{listed.where}: The photo is listed with {across:g} x {down:g} pixels, but upright "
            f"it has {width} x {height}. Correct the list, or turn the photo."
        )
    if not listed.in_pixels:
        across = down = 1
    return [_placed(box, across, down) for box in listed.boxes or ()]


def _placed(box: ListedBox, across: float, down: float) -> Edges:
    shown = ", ".join(f"{edge:g}" for edge in box.edges)
    left, right = box.edges[0] / across, box.edges[2] / across
    top, bottom = box.edges[1] / down, box.edges[3] / down
    if not (left < right and top < bottom and all(map(math.isfinite, box.edges))):
        raise BadLabelFileError(
            f"{box.where}: The box {shown} (left, top, right, bottom) has no area."
        )
    if min(left, top) < -_OVERHANG or max(right, bottom) > 1 + _OVERHANG:
        raise BadLabelFileError(
            f"{box.where}: The box {shown} (left, top, right, bottom) reaches out of the photo."
        )
    return max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)


def text_of(values: dict[str, Any], name: str) -> str:
    """The text of a key in JSON, "" where there is none."""
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""


def checked(adapter: TypeAdapter[_Value], content: Any, where: str) -> _Value:
    """What was read from JSON as the adapter's type.

    Raises `BadLabelFileError` that names the first field that is missing or wrong.
    """
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        if fault["type"] == "missing":
            raise BadLabelFileError(f"{where} lacks {field}.") from error
        reason = fault["msg"].replace("Input should", "must")
        raise BadLabelFileError(f"{where}: {field} {reason}.") from error
