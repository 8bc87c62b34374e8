"""Export formats, a file for each. A new one is a new file and its name in this list."""

from webapp.errors import BadRequestError
from webapp.services.exports.export_format import ExportFormat
from webapp.services.exports.formats import coco, csv, folders, jsonl, label_studio, yolo

FORMATS = {
    module.FORMAT.name: module.FORMAT for module in (csv, jsonl, folders, coco, yolo, label_studio)
}
CONTENT_TYPES = tuple(dict.fromkeys(format.content_type for format in FORMATS.values()))


def find_format(name: str) -> ExportFormat:
    """The format of this name. Raises `BadRequestError` when there is none."""
    if name not in FORMATS:
        raise BadRequestError(f"format must be one of {', '.join(FORMATS)}.")
    return FORMATS[name]
