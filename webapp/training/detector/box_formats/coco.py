"""COCO's JSON: images, categories, and annotations with boxes that join them.

Format: https://cocodataset.org/#format-data
"""

from collections import defaultdict
from typing import Any

from pydantic import BaseModel, TypeAdapter

from webapp.errors import TrainingError
from webapp.training.detector.box_formats.listed import (
    Edges,
    ListedBox,
    ListedPhoto,
    Listing,
    checked,
    edges_of,
)


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: float | None = None
    height: float | None = None


class _Category(BaseModel):
    id: int | str
    name: str


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int | str
    bbox: Edges  # left, top, width, height in pixels
    iscrowd: bool = False
    score: float = 1.0


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


_COCO = TypeAdapter(_Coco)


def is_coco(content: Any) -> bool:
    """True for what a COCO file holds."""
    return isinstance(content, dict) and content.keys() >= {"images", "annotations", "categories"}


def read_coco(content: Any, file: str) -> Listing:
    """A photo for each image, also for those that no annotation is about."""
    coco = checked(_COCO, content, file)
    names = {category.id: category.name for category in coco.categories}
    boxes: dict[int | str, list[ListedBox]] = defaultdict(list)
    images = {image.id for image in coco.images}
    for number, mark in enumerate(coco.annotations):
        where = f"{file}, annotations.{number}"
        if mark.image_id not in images:
            raise TrainingError(f"{where}: There is no image {mark.image_id}.")
        if mark.category_id not in names:
            raise TrainingError(f"{where}: There is no category {mark.category_id}.")
        edges, label = edges_of(*mark.bbox), names[mark.category_id]
        boxes[mark.image_id].append(ListedBox(where, edges, label, mark.score, mark.iscrowd))
    for number, image in enumerate(coco.images):
        size = (image.width, image.height) if image.width and image.height else None
        where, own = f"{file}, images.{number}", tuple(boxes[image.id])
        yield ListedPhoto(where, image.file_name, own, in_pixels=True, size=size)
