"""One object as COCO has it: images, categories, and an annotation for each photo with a class."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from webapp.domain import VERDICTS, moment
from webapp.services.exports.export_format import (
    ExportFormat,
    Record,
    json_item,
    path_of,
)
from webapp.services.exports.run import ExportRun

_IN_MEMORY = 4 * 1024 * 1024  # bytes of annotations; more wait in a temporary file


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    """The annotations wait while the images are written, so that both are of the same reading."""
    categories: dict[str, int] = {}
    about = {"description": "Marque", "url": run.order.base_url, "date_created": moment(run.made)}
    yield f'{{"info": {json.dumps(about)}, "licenses": [], "images": ['.encode()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as annotations:
        for number, record in enumerate(records, 1):
            yield json_item(_image(number, record, run.order.base_url), first=number == 1)
            truth = record.row.ground_truth
            if truth and truth not in VERDICTS:
                category = categories.setdefault(truth, len(categories) + 1)
                mark = {"id": number, "image_id": number, "category_id": category}
                annotations.write(json_item(mark, first=annotations.tell() == 0))
        yield b'\n], "annotations": ['
        annotations.seek(0)
        while part := annotations.read(64 * 1024):
            yield part
    listed = [
        {"id": number, "name": name, "supercategory": ""} for name, number in categories.items()
    ]
    yield f'\n], "categories": {json.dumps(listed, ensure_ascii=False)}}}\n'.encode()


def _image(number: int, record: Record, base_url: str) -> dict[str, Any]:
    row = record.row
    image = {
        "id": number,
        "file_name": path_of(record),
        "width": row.width,
        "height": row.height,
        "date_captured": moment(row.created_at),
        "coco_url": f"{base_url}/photos/{row.public_id}/file",
        "marque_id": row.public_id,
        "sha256": row.sha256,
    }
    return image | ({"verdict": row.ground_truth} if row.ground_truth in VERDICTS else {})


FORMAT = ExportFormat(
    name="coco",
    title="COCO",
    about="JSON with images, categories and one annotation for each photo with a class.",
    ending=".json",
    content_type="application/json",
    write=_write,
)
