"""FiftyOne's `labels.json`: what each photo shows, by the name of its file without the ending.

A target is a name, or its number in the list of classes; a photo has one, or a list of boxes whose
`bounding_box` is the corner, width and height as shares of the photo. Format:
https://docs.voxel51.com/user_guide/export_datasets.html#fiftyoneimageclassificationdataset
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter

from webapp.label_files.listed_photo import Edges, ListedBox, ListedPhoto, checked, edges_of

_Target = int | str


class _Label(BaseModel):
    label: _Target | None = None


class _Detection(BaseModel):
    label: _Target
    bounding_box: Edges  # left, top, width, height
    confidence: float | None = None


class _Labels(BaseModel):
    classes: list[str] | None = None
    labels: dict[str, _Target | _Label | list[_Detection] | list[_Target] | None]


_LABELS = TypeAdapter(_Labels)


def read_fiftyone(content: dict[str, Any]) -> Iterator[ListedPhoto]:
    """A photo for each entry."""
    listed = checked(_LABELS, content, "FiftyOne's labels")
    classes: dict[_Target, str] = {**dict(enumerate(listed.classes or ()))}

    def name(target: _Target | None) -> str:
        """The name of a class; a number without a name is no label, and is told as it stands."""
        return "" if target is None else classes.get(target, str(target))

    for photo, told in listed.labels.items():
        where, label, boxes = photo[:80], "", None
        match told:
            case _Label():
                label = name(told.label)
            case int() | str():
                label = name(told)
            case [int() | str(), *_]:
                label = " and ".join(name(target) for target in told if isinstance(target, _Target))
            case [*_]:
                marks = [mark for mark in told if isinstance(mark, _Detection)]
                boxes = tuple(_box(mark, name(mark.label), where) for mark in marks)
        yield ListedPhoto(where, label, filename=photo, boxes=boxes)


def _box(box: _Detection, label: str, where: str) -> ListedBox:
    score = 1.0 if box.confidence is None else box.confidence
    return ListedBox(where, edges_of(*box.bounding_box), label, score)
