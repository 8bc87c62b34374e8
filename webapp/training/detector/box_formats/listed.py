"""What every format of box lists gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from webapp.errors import TrainingError

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom: in pixels, or as shares of the photo's width and height."""


@dataclass(frozen=True)
class ListedBox:
    """One box. `where` names its line for people; `label` is "" when the list has none; a `crowd`
    is a group of objects in one box."""

    where: str
    edges: Edges
    label: str = ""
    score: float = 1.0
    crowd: bool = False


@dataclass(frozen=True)
class ListedPhoto:
    """A photo and all its boxes; without any it shows no object.

    `name` is its path or file name, with or without its ending; `other_name` what it may be called
    where there is no such file, or "". `size` is its width and height in
    pixels as the list tells them; `source` what the list says it comes from, or "".
    """

    where: str
    name: str
    boxes: tuple[ListedBox, ...]
    in_pixels: bool = False
    size: tuple[float, float] | None = None
    source: str = ""
    other_name: str = ""


Listing = Iterator[ListedPhoto]
_Value = TypeVar("_Value")


def edges_of(left: float, top: float, width: float, height: float) -> Edges:
    """The edges of a box that is given by its corner and its size."""
    return left, top, left + width, top + height


def checked(adapter: TypeAdapter[_Value], content: Any, where: str) -> _Value:
    """JSON or what was read from it, as the adapter's type. Raises `TrainingError` that names the
    first field that is missing or wrong."""
    try:
        if isinstance(content, str):
            return adapter.validate_json(content)
        return adapter.validate_python(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise TrainingError(f"{where}: {place} {fault['msg']}.".replace(":  ", ": ")) from error
