"""Tables with a heading (comma, semicolon or tab) and a line for each photo, or for each box.

Boxes are in pixels, or shares of the photo when none of a photo reaches over 1.5. A line whose four
cells for the box are empty lists a photo without an object.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import IO, Any

from webapp.domain import NO_CAR, WHOLE
from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.listed_photo import ListedBox, ListedPhoto, edges_of
from webapp.label_files.usual_names import LABELS, PHOTOS, find_column
from webapp.reports.csv_safety import plain_cell

_CORNERS = (
    "x1 y1 x2 y2",
    "xmin ymin xmax ymax",
    "left top right bottom",
    "bbox_x1 bbox_y1 bbox_x2 bbox_y2",
)
_SIDES = (
    "box_x box_y box_width box_height",
    "x y width height",
    "x y w h",
    "left top width height",
)
_PHOTO_SIZES = ("image_width image_height", "img_width img_height", "width height")
_MOST_SHARE = 1.5
_Row = dict[str, str]


@dataclass(frozen=True)
class _Columns:
    """Which columns say what. `photo` are those that name the photo, by the fields of
    `ListedPhoto`; `box` four columns or none, corners or a corner and a size."""

    photo: dict[str, str]
    label: str | None
    box: tuple[str, ...]
    corners: bool
    size: tuple[str, ...]
    score: str | None
    crowd: str | None
    found_by: str | None


def read_table(stream: IO[bytes]) -> Iterator[ListedPhoto]:
    """A photo for each row that is not empty, or for all rows of its boxes that are together."""
    lines = (
        line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(stream)
    )
    first = next(lines, "")
    delimiter = max("\t,;", key=first.count)
    heading = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    columns = _find_columns(heading)
    rows = _rows(csv.reader(lines, delimiter=delimiter), heading, ragged=not columns.box)
    for names, group in groupby(rows, lambda row: [row[1][key] for key in columns.photo.values()]):
        photo = dict(zip(columns.photo, names, strict=True))
        if columns.box:
            yield _boxed_photo(list(group), photo, columns)
        elif columns.label:
            for number, row in group:
                yield ListedPhoto(f"line {number}", row[columns.label], **photo)


def _find_columns(heading: Sequence[str]) -> _Columns:
    corners = _first_group(_CORNERS, heading)
    box = corners or _first_group(_SIDES, heading)
    label = find_column(LABELS, heading)
    if label is None and not box:
        raise NoLabelFileError(
            f"The table has no column for the label, such as {', '.join(LABELS.split()[:3])}. "
            f"It has {', '.join(heading)}."
        )
    usual = {"id": "id", "sha256": "sha256", "filename": PHOTOS}
    photo = {key: column for key in usual if (column := find_column(usual[key], heading))}
    if not photo:
        raise NoLabelFileError(
            f"The table has no column for the photo: id, sha256 or {', '.join(PHOTOS.split()[:3])}."
        )
    others = {"model": "truth_model"} | ({} if box else {"car": "car"})
    photo |= {key: column for key in others if (column := find_column(others[key], heading))}
    return _Columns(
        photo,
        label,
        box,
        bool(corners),
        _first_group(_PHOTO_SIZES, [column for column in heading if column not in box]),
        find_column("score confidence", heading),
        find_column("iscrowd is_group_of", heading),
        find_column("found_by", heading),
    )


def _first_group(groups: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of the first group of names that are all there; none without such a group."""
    for group in groups:
        names = [find_column(name, columns) for name in group.split()]
        present = tuple(name for name in names if name is not None)
        if len(present) == len(names):
            return present
    return ()


def _rows(
    lines: Iterator[list[str]], heading: Sequence[str], *, ragged: bool
) -> Iterator[tuple[int, _Row]]:
    """Number and cells of each line that is not empty. A `ragged` table may lack the last cells of
    a line; a box would be lost so."""
    for number, cells in enumerate(lines, 2):
        if not any(cells):
            continue
        if len(cells) != len(heading) and not ragged:
            raise BadLabelFileError(
                f"line {number}: The table has {len(heading)} columns, this line {len(cells)}."
            )
        plain = [plain_cell(cell.strip()) for cell in cells] + [""] * (len(heading) - len(cells))
        yield number, dict(reversed(list(zip(heading, plain, strict=False))))


def _boxed_photo(
    rows: Sequence[tuple[int, _Row]], photo: dict[str, Any], columns: _Columns
) -> ListedPhoto:
    where, first = f"line {rows[0][0]}", rows[0][1]
    whole = [row for _number, row in rows if columns.found_by and row[columns.found_by] == WHOLE]
    boxes = [
        _box(row, columns, f"line {number}")
        for number, row in rows
        if row not in whole and any(row[column] for column in columns.box)
    ]
    label = whole[0][columns.label] if whole and columns.label else ""
    if whole and label != NO_CAR and all(box.label == NO_CAR for box in boxes):
        return ListedPhoto(where, label, **photo)
    size = [_number(first, column, where) for column in columns.size if first[column]]
    return ListedPhoto(
        where,
        "" if boxes else label,
        boxes=tuple(boxes),
        in_pixels=any(max(box.edges) > _MOST_SHARE for box in boxes),
        size=(size[0], size[1]) if len(size) == 2 else None,
        **photo,
    )


def _box(row: _Row, columns: _Columns, where: str) -> ListedBox:
    first, second, third, fourth = (_number(row, column, where) for column in columns.box)
    edges = (first, second, third, fourth)
    return ListedBox(
        where,
        edges if columns.corners else edges_of(*edges),
        row[columns.label] if columns.label else "",
        _number(row, columns.score, where) if columns.score and row[columns.score] else 1.0,
        bool(columns.crowd and row[columns.crowd].lower() in ("1", "true", "yes")),
        row[columns.found_by] if columns.found_by else "",
    )


def _number(row: _Row, column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise BadLabelFileError(f"{where}: {column} is no number: {row[column][:40]!r}.") from error
