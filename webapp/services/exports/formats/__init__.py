"""Export formats, a file for each. A new one is a new file and its name in this list."""

from webapp.services.exports.formats import coco, csv, folders, jsonl, label_studio

FORMATS = {
    module.FORMAT.name: module.FORMAT for module in (csv, jsonl, folders, coco, label_studio)
}
CONTENT_TYPES = tuple(dict.fromkeys(format.content_type for format in FORMATS.values()))
