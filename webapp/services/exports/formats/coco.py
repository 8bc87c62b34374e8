"""One object as COCO has it: images, categories, and an annotation for each car in a box or with a
class."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from webapp.domain import VERDICTS, moment
from webapp.services.exports.export_format import (
    CarRecord,
    ExportFormat,
    Record,
    json_item,
    path_of,
)
from webapp.services.exports.run import ExportRun

_IN_MEMORY = 4 * 1024 * 1024  # bytes of annotations; more wait in a temporary file


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    """The annotations wait while the images are written, so that both are of the same reading."""
    number = 0
    about = {"description": "Marque", "url": run.order.base_url, "date_created": moment(run.made)}
    yield f'{{"info": {json.dumps(about)}, "licenses": [], "images": ['.encode()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as annotations:
        for image, record in enumerate(records, 1):
            yield json_item(_image(image, record, run), first=image == 1)
            for car in _annotated(record):
                number += 1
                mark = {"id": number, "image_id": image} | _mark(car, record, run)
                annotations.write(json_item(mark, first=number == 1))
        yield b'\n], "annotations": ['
        annotations.seek(0)
        while part := annotations.read(64 * 1024):
            yield part
    listed = [
        {"id": category, "name": name, "supercategory": ""}
        for name, category in run.categories.numbers.items()
    ]
    yield f'\n], "categories": {json.dumps(listed, ensure_ascii=False)}}}\n'.encode()


def _image(number: int, record: Record, run: ExportRun) -> dict[str, Any]:
    """An image, called as in the folders of the same export."""
    row = record.row
    image = {
        "id": number,
        "file_name": path_of(record, run.format_of(row)),
        "width": row.width,
        "height": row.height,
        "date_captured": moment(row.created_at),
        "coco_url": f"{run.order.base_url}/photos/{row.public_id}/file",
        "marque_id": row.public_id,
        "sha256": row.sha256,
    }
    if record.truth in VERDICTS and not record.boxed:
        image["verdict"] = record.truth
    if record.no_cars:
        image["no_car"] = [_pixels(car, row) for car in record.no_cars]
    return image


def _annotated(record: Record) -> list[CarRecord]:
    return record.boxed or [car for car in record.cars[:1] if car.label]


def _pixels(car: CarRecord, photo: Any) -> list[float]:
    """Left, top, width and height of a box in pixels of the upright photo."""
    sides = (photo.width, photo.height) * 2
    return [round(share * side, 2) for share, side in zip(car.box, sides, strict=True)]


def _mark(car: CarRecord, record: Record, run: ExportRun) -> dict[str, Any]:
    """An annotation. The polygon of a box is for tools that make masks: pycocotools cannot of an
    empty list."""
    left, top, width, height = box = _pixels(car, record.row)
    right, bottom = round(left + width, 2), round(top + height, 2)
    mark: dict[str, Any] = {
        "category_id": run.categories.number_of(car.label),
        "bbox": box,
        "area": round(width * height, 2),
        "iscrowd": 0,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "marque_car": car.row.public_id,
        "found_by": car.row.found_by,
    }
    if car.row.score is not None:
        mark["score"] = car.row.score
    return mark | ({"verdict": car.verdict} if car.verdict else {})


FORMAT = ExportFormat(
    name="coco",
    title="COCO",
    about="JSON with images, categories, and a box with a class for each car. To train a detector, "
    "or to label on elsewhere.",
    ending=".json",
    content_type="application/json",
    write=_write,
)
