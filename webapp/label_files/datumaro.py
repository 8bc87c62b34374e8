"""Datumaro's JSON: items with annotations, whose labels are numbers in a list of names.

Format: https://open-edge-platform.github.io/datumaro/ "Datumaro" among the formats. The id of an
item is the path of its photo without the ending.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, TypeAdapter

from webapp.label_files.listed_photo import Edges, ListedBox, ListedPhoto, checked, edges_of

_NO_SHAPES = ("label", "caption")


class _Name(BaseModel):
    name: str


class _Names(BaseModel):
    labels: list[_Name] = []


class _Categories(BaseModel):
    label: _Names = _Names()


class _Annotation(BaseModel):
    type: str
    label_id: int | None = None
    group: int = 0  # 0: none
    bbox: Edges | None = None  # left, top, width, height in pixels
    attributes: dict[str, Any] = {}


class _Image(BaseModel):
    path: str = ""
    size: tuple[int, int] | None = None  # height, width


class _Item(BaseModel):
    id: str
    annotations: list[_Annotation] = []
    image: _Image | None = None


class _Datumaro(BaseModel):
    categories: _Categories = _Categories()
    items: list[_Item]


_DATUMARO = TypeAdapter(_Datumaro)


def read_datumaro(content: dict[str, Any]) -> Iterator[ListedPhoto]:
    """A photo for each item. One without a box says nothing of where objects are; an outline in the
    group of a box is of the same object."""
    listed = checked(_DATUMARO, content, "Datumaro's JSON")
    names = dict(enumerate(name.name for name in listed.categories.label.labels))
    for item in listed.items:
        where, image = f"item {item.id[:80]}", item.image or _Image()
        boxes, labels, unreadable = [], [], ""
        boxed = {mark.group for mark in item.annotations if mark.type == "bbox" and mark.group}
        for mark in item.annotations:
            label = "" if mark.label_id is None else names.get(mark.label_id, str(mark.label_id))
            if mark.type == "bbox" and mark.bbox and not mark.attributes.get("rotation"):
                crowd = bool(mark.attributes.get("is_crowd"))
                boxes.append(ListedBox(where, edges_of(*mark.bbox), label, crowd=crowd))
            elif mark.type == "label":
                labels.append(label)
            elif mark.type not in _NO_SHAPES and mark.group not in boxed:
                shape = "turned box" if mark.type == "bbox" else mark.type
                unreadable = f"An annotation is a {shape}. Only upright boxes are read."
        yield ListedPhoto(
            where,
            " and ".join(dict.fromkeys(labels)),
            filename=item.id + PurePosixPath(image.path).suffix,
            boxes=tuple(boxes) or None,
            in_pixels=True,
            size=(image.size[1], image.size[0]) if image.size else None,
            unreadable=unreadable,
        )
