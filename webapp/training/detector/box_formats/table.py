"""A CSV or TSV file with a heading and a line for each box, in pixels or as shares of the photo.

A line whose four cells for the box are empty lists a photo without an object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webapp.errors import TrainingError
from webapp.training.data_files import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    Row,
    find_column,
    table_lines,
    table_rows,
)
from webapp.training.detector.box_formats.listed import ListedBox, ListedPhoto, Listing, edges_of

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
_LABELS = f"{LABEL_COLUMNS} label_name name"
_SCORES = "score confidence"
_CROWDS = "iscrowd is_group_of"
_MOST_SHARE = 1.5  # boxes whose values are all below are shares of the photo


@dataclass(frozen=True)
class _Columns:
    """The columns of a table; `box` are four, corners or corner and size, `size` two or none."""

    image: str
    box: tuple[str, ...]
    corners: bool
    size: tuple[str, ...]
    label: str | None
    score: str | None
    crowd: str | None


def has_boxes(path: Path) -> bool:
    """True for a table with columns for boxes."""
    lines = table_lines(path)
    return bool(lines and _first_group(_CORNERS + _SIDES, lines[0][1]))


def read_table(path: Path) -> Listing:
    """The photos of a table, in the order in which they are first named."""
    rows = table_rows(path)
    columns = _find_columns(path, list(rows[0][1]))
    photos: dict[str, list[ListedBox]] = {}
    sizes: dict[str, tuple[str, tuple[float, float] | None]] = {}
    for number, row in rows:
        where, name = f"{path.name}, line {number}", row[columns.image]
        photos.setdefault(name, []).extend(_boxes(row, columns, where))
        sizes.setdefault(name, (where, _size(row, columns, where)))
    in_pixels = any(max(box.edges) > _MOST_SHARE for boxes in photos.values() for box in boxes)
    for name, boxes in photos.items():
        where, size = sizes[name]
        yield ListedPhoto(where, name, tuple(boxes), in_pixels, size)


def _find_columns(path: Path, columns: Sequence[str]) -> _Columns:
    image = find_column(IMAGE_COLUMNS, columns)
    if image is None:
        raise TrainingError(
            f"{path.name} has no column for the photo, such as filename or image. "
            f"It has {', '.join(columns)}."
        )
    corners = _first_group(_CORNERS, columns)
    box = corners or _first_group(_SIDES, columns)
    return _Columns(
        image,
        box,
        bool(corners),
        _first_group(_PHOTO_SIZES, [column for column in columns if column not in box]),
        find_column(_LABELS, columns),
        find_column(_SCORES, columns),
        find_column(_CROWDS, columns),
    )


def _boxes(row: Row, columns: _Columns, where: str) -> list[ListedBox]:
    """The box of a line; none when its cells are empty."""
    if not any(row[column] for column in columns.box):
        return []
    first, second, third, fourth = (_number(row, column, where) for column in columns.box)
    edges = (first, second, third, fourth)
    box = ListedBox(
        where,
        edges if columns.corners else edges_of(*edges),
        row[columns.label] if columns.label else "",
        _number(row, columns.score, where) if columns.score and row[columns.score] else 1.0,
        bool(columns.crowd and row[columns.crowd].lower() in ("1", "true", "yes")),
    )
    return [box]


def _size(row: Row, columns: _Columns, where: str) -> tuple[float, float] | None:
    """Width and height of the photo, None when the line does not tell."""
    if not columns.size or not all(row[column] for column in columns.size):
        return None
    width, height = (_number(row, column, where) for column in columns.size)
    return width, height


def _first_group(groups: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of the first group of names that are all there; none without such a group."""
    for group in groups:
        names = [find_column(name, columns) for name in group.split()]
        present = tuple(name for name in names if name is not None)
        if len(present) == len(names):
            return present
    return ()


def _number(row: Row, column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise TrainingError(f"{where}: {column} is no number: {row[column][:40]!r}.") from error
