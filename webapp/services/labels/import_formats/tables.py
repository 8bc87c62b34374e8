"""Tables with a heading: comma, semicolon or tab."""

import csv
from collections.abc import Iterator
from typing import IO

from webapp.errors import BadLabelFileError
from webapp.reports.csv_safety import plain_cell
from webapp.services.labels.import_formats.label_line import LabelLine

_LABEL_COLUMNS = ("ground_truth", "label", "class", "class_name", "category", "choice", "target")
_NAME_COLUMNS = ("filename", "file_name", "file", "image", "path", "photo", "name")


def read_table(stream: IO[bytes]) -> Iterator[LabelLine]:
    """A line for each row that is not empty."""
    lines = (
        line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(stream)
    )
    first = next(lines, "")
    delimiter = max("\t,;", key=first.count)
    heading = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    label = _first(heading, _LABEL_COLUMNS)
    if label is None:
        raise BadLabelFileError(
            f"The table has no column for the label, such as {', '.join(_LABEL_COLUMNS[:3])}. "
            f"It has {', '.join(heading)}."
        )
    columns = {"id": ("id",), "sha256": ("sha256",), "filename": _NAME_COLUMNS}
    places = {key: place for key in columns if (place := _first(heading, columns[key])) is not None}
    if not places:
        raise BadLabelFileError(
            f"The table has no column for the photo: id, sha256 or {', '.join(_NAME_COLUMNS[:3])}."
        )
    if "truth_model" in heading:
        places["model"] = heading.index("truth_model")
    for number, cells in enumerate(csv.reader(lines, delimiter=delimiter), 2):
        if any(cells):
            row = [plain_cell(cell.strip()) for cell in cells] + [""] * (len(heading) - len(cells))
            values = {key: row[place] for key, place in places.items()}
            yield LabelLine(f"line {number}", row[label], **values)


def _first(heading: list[str], usual: tuple[str, ...]) -> int | None:
    return next((heading.index(name) for name in usual if name in heading), None)
