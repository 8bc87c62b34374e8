"""COCO's JSON: images, categories, and annotations that join them.

Format: https://cocodataset.org/#format-data. Exports add `marque_id` and `sha256` to an image, a
`verdict` to an image or an annotation, and `no_car` to an image: boxes in which there is no car.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter

from webapp.domain import NO_CAR, WHOLE
from webapp.errors import BadLabelFileError
from webapp.label_files.listed_photo import Edges, ListedBox, ListedPhoto, checked, edges_of


class _Image(BaseModel):
    id: int | str
    file_name: str = ""
    width: float | None = None
    height: float | None = None
    marque_id: str = ""
    sha256: str = ""
    verdict: str = ""
    no_car: list[Edges] = []  # left, top, width, height in pixels


class _Category(BaseModel):
    id: int | str
    name: str


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int | str
    bbox: Edges | None = None  # left, top, width, height in pixels
    iscrowd: bool = False
    score: float = 1.0
    verdict: str = ""
    found_by: str = ""


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


_COCO = TypeAdapter(_Coco)


def read_coco(content: dict[str, Any]) -> Iterator[ListedPhoto]:
    """A photo for each image. One without an annotation shows no object, when the file is about
    boxes; but in an export perhaps nobody looked for one."""
    coco = checked(_COCO, content, "The COCO file")
    boxed = not coco.annotations or any(mark.bbox for mark in coco.annotations)
    marks = _marks(coco, boxed)
    for image in coco.images:
        own = marks[image.id]
        whole = [box.label for box, mark in own if mark.bbox is None or mark.found_by == WHOLE]
        unseen = whole or (image.marque_id and not own and image.verdict != NO_CAR)
        where = f"image {image.id}"
        no_cars = [ListedBox(where, edges_of(*box), NO_CAR) for box in image.no_car]
        boxes = (*(box for box, _mark in own), *no_cars) if boxed and not unseen else None
        yield ListedPhoto(
            where,
            " and ".join(dict.fromkeys(whole)) or image.verdict,
            image.marque_id,
            image.sha256,
            image.file_name,
            boxes=boxes,
            in_pixels=True,
            size=(image.width, image.height) if image.width and image.height else None,
        )


def _marks(coco: _Coco, boxed: bool) -> dict[int | str, list[tuple[ListedBox, _Annotation]]]:
    """The annotations of each image, as boxes too."""
    names = {category.id: category.name for category in coco.categories}
    images = {image.id for image in coco.images}
    marks: dict[int | str, list[tuple[ListedBox, _Annotation]]] = defaultdict(list)
    for number, mark in enumerate(coco.annotations):
        where = f"annotations.{number}"
        if mark.image_id not in images:
            raise BadLabelFileError(f"{where}: There is no image {mark.image_id}.")
        if mark.category_id not in names:
            raise BadLabelFileError(f"{where}: There is no category {mark.category_id}.")
        if boxed and mark.bbox is None:
            raise BadLabelFileError(f"{where} lacks bbox, which others have.")
        label = mark.verdict or names[mark.category_id]
        edges = edges_of(*(mark.bbox or (0, 0, 0, 0)))
        box = ListedBox(where, edges, label, mark.score, mark.iscrowd, mark.found_by)
        marks[mark.image_id].append((box, mark))
    return marks
