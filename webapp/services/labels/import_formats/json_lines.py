"""Lines of JSON: an object for each photo, as exports have them."""

import json
from collections.abc import Iterator
from typing import IO

from webapp.errors import BadLabelFileError
from webapp.services.labels.import_formats.label_line import LabelLine, text_of

_MAX_LINE = 1_000_000  # bytes


def read_json_lines(stream: IO[bytes]) -> Iterator[LabelLine]:
    """A line for each object."""
    number = 0
    while line := stream.readline(_MAX_LINE):
        number += 1
        if not line.strip():
            continue
        photo = json.loads(line)
        if not isinstance(photo, dict):
            raise BadLabelFileError(f"Line {number} is no JSON object.")
        label = text_of(photo, "ground_truth") or text_of(photo, "label")
        names = (text_of(photo, name) for name in ("id", "sha256", "filename"))
        yield LabelLine(f"line {number}", label, *names)
