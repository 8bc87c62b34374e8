"""The photos of a data folder and their labels: from folders, tables, two public data sets."""

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webapp.errors import TrainingError
from webapp.inference.decoding.crop import Box
from webapp.inference.models.held_out import LabelledPhoto
from webapp.label_files.usual_names import find_column
from webapp.training.data_files import (
    FileIndex,
    files_in,
    inside,
    table_rows,
    tables_in,
)
from webapp.training.recipe import Layout, Recipe

try:  # scipy comes with what training needs; a version can be evaluated without it
    from scipy.io import loadmat
except ImportError:
    loadmat = None

_IMAGE_COLUMNS = "image filename file file_name path photo id image_id img fname relative_im_path"
_LABEL_COLUMNS = "label category class class_name ground_truth target breed team model"
_BOX_COLUMNS = (("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"), ("x1", "y1", "x2", "y2"))
# annotations of Stanford Cars in the order in which they are looked for -> folder of the photos
_DEVKIT_FILES = {
    "cars_annos.mat": "car_ims",
    "cars_annos.csv": "car_ims",
    "cars_train_annos.mat": "cars_train",
    "cars_train_annos.csv": "cars_train",
    "anno_train.csv": "train",
}
_DEVKIT_HEADINGS = ("fname", "x1", "y1", "x2", "y2", "class")  # of a CSV that has none
_DEVKIT_NAMES = ("cars_meta.mat", "names.csv")
_Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Listing:
    """What data folders hold."""

    photos: tuple[LabelledPhoto, ...]
    labels: dict[str, str]  # name -> what the data calls it
    missing: tuple[str, ...] = ()  # lines that led to no photo
    label_event: int | None = None  # the last one in a complete export of photos


def list_data(folders: Iterable[Path], recipe: Recipe) -> Listing:
    """The photos of several data folders, with the recipe's names for their sources.

    None is opened. Raises `TrainingError` if there is none in a folder.
    """
    listings = [list_photos(folder, recipe.layout, recipe.source(folder)) for folder in folders]
    events = [listing.label_event for listing in listings if listing.label_event is not None]
    return Listing(
        tuple(photo for listing in listings for photo in listing.photos),
        dict(sorted(pair for listing in listings for pair in listing.labels.items())),
        tuple(line for listing in listings for line in listing.missing),
        min(events, default=None),
    )


def list_photos(folder: Path, layout: Layout, source: str = "") -> Listing:
    """The photos of one data folder, which is called `source`."""
    if not folder.is_dir():
        raise TrainingError(f"There is no data folder {folder}.")
    listing = _READERS[layout.kind](folder, layout)
    if not listing.photos:
        why = f": {listing.missing[0]}" if listing.missing else "."
        raise TrainingError(
            f"There is no photo in {folder} when it is read as {layout.kind!r}{why}"
        )
    photos = tuple(replace(photo, source=source) for photo in listing.photos)
    listing = replace(listing, photos=photos)
    try:  # the manifest of `flask photos export --format folders`
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return listing
    match manifest:
        case {"marque_export": _, "complete": True, "label_event": int(event)}:
            return replace(listing, label_event=event)
    return listing


# ---- a folder per label: <label>/…/<photo> ----


def _read_folders(folder: Path, _layout: Layout) -> Listing:
    labels = _label_folders(folder)
    if not labels:
        hint = ""
        if tables := tables_in(folder):
            hint = f" If {tables[0].name} names the labels, read it with --layout table."
        raise TrainingError(f"The data folder {folder} has no folder per label in it.{hint}")
    photos = [LabelledPhoto(path, label.name) for label in labels for path in files_in(label)]
    return Listing(tuple(photos), {label.name: label.name for label in labels})


def _label_folders(folder: Path) -> list[Path]:
    folders = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in folders if not path.name.startswith("."))


# ---- a table: a CSV or TSV file with a line per photo ----


def _read_table(folder: Path, layout: Layout) -> Listing:
    """Photos are named by path, by file name or by file name without its ending."""
    tables = [inside(folder, layout.file)] if layout.file else tables_in(folder)
    if len(tables) != 1:
        names = ", ".join(path.name for path in tables)
        raise TrainingError(
            f"The data folder {folder} needs one .csv or .tsv file, it has {names or 'none'}. "
            "Name it in the recipe: layout.file."
        )
    rows = [row for _number, row in table_rows(tables[0])]
    columns = list(rows[0])
    image = _column(layout.image_column, _IMAGE_COLUMNS, columns, "image")
    label = _column(layout.label_column, _LABEL_COLUMNS, columns, "label")
    photos = ((row[image], row[label], None) for row in rows)
    return _listing(photos, inside(folder, layout.images))


def _column(wanted: str, usual: str, columns: list[str], what: str) -> str:
    """The column called `wanted`, or the one with the most usual name."""
    column = (wanted if wanted in columns else None) if wanted else find_column(usual, columns)
    if column is not None:
        return column
    problem = f"{wanted!r}" if wanted else f"with a usual name for the {what}"
    raise TrainingError(
        f"The table has no column {problem}; it has {', '.join(columns)}. "
        f"Name one with --{what}-column."
    )


# ---- Stanford Cars (Krause et al. 2013) ----


def _read_cars_devkit(folder: Path, layout: Layout) -> Listing:
    """`cars_annos` or the devkit's annotations, as .mat or CSV, with class numbers or names."""
    file = inside(folder, layout.file) if layout.file else _first_below(folder, _DEVKIT_FILES)
    if file is None:
        raise TrainingError(
            f"There is no annotation file of Stanford Cars in {folder}: "
            f"looked for {', '.join(_DEVKIT_FILES)}."
        )
    rows, names = _annotations(file)
    names = names or _class_names(folder)
    columns = list(rows[0]) if rows else []
    image = _column("", _IMAGE_COLUMNS, columns, "image")
    label = _column("", _LABEL_COLUMNS, columns, "label")
    corners = next((four for four in _BOX_COLUMNS if layout.crop and set(four) <= {*columns}), ())
    photos = (
        (
            str(row[image]),
            _class_name(str(row[label]), names),
            _box([row[corner] for corner in corners]) if corners else None,
        )
        for row in rows
    )
    if layout.images:
        return _listing(photos, inside(folder, layout.images))
    name = _DEVKIT_FILES.get(file.name)
    folders = (path for path in sorted(folder.rglob(name)) if path.is_dir()) if name else ()
    return _listing(photos, next(iter(folders), folder))


def _first_below(folder: Path, names: Iterable[str]) -> Path | None:
    return next((path for name in names for path in sorted(folder.rglob(name))), None)


def _annotations(file: Path) -> tuple[_Rows, list[str]]:
    """A row per photo, and the names of the classes if the file has them."""
    if file.suffix.lower() == ".mat":
        content = _read_matlab(file)
        rows, names = content.get("annotations"), content.get("class_names", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise TrainingError(f"{file.name} has no annotations.")
        return rows, names
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = lines.readline().lower()
    headings = () if "class" in first or "label" in first else _DEVKIT_HEADINGS
    return [row for _number, row in table_rows(file, headings)], []


def _class_names(folder: Path) -> list[str]:
    path = _first_below(folder, _DEVKIT_NAMES)
    if path is None:
        return []
    if path.suffix == ".mat":
        return _read_matlab(path).get("class_names", [])
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [",".join(line) for line in csv.reader(lines) if line]


def _class_name(given: str, names: list[str]) -> str:
    """The name of a class given by number (from 1) or name, without slashes."""
    if given.isdecimal():
        if not 1 <= int(given) <= len(names):
            raise TrainingError(
                f"There is no name for class {given}: neither in the annotations nor in "
                f"{' or '.join(_DEVKIT_NAMES)}."
            )
        given = names[int(given) - 1]
    return given.strip().replace("/", "-")


def _box(corners: list[Any]) -> Box:
    """From the first and last pixel, counted from 1, to left, top, right, bottom."""
    try:
        left, top, right, bottom = (int(float(corner)) for corner in corners)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"A bounding box must be four numbers, got {corners}.") from error
    return max(0, left - 1), max(0, top - 1), right, bottom


# ---- Stanford Dogs (Khosla et al. 2011) ----


def _read_dogs(folder: Path, layout: Layout) -> Listing:
    """`Images/nXXXXXXXX-Breed/<photo>`, or those in a .mat list such as `train_list.mat`."""
    usual = "Images" if (folder / "Images").is_dir() else ""
    root = inside(folder, layout.images or usual)
    photos: list[LabelledPhoto] = []
    labels: dict[str, str] = {}
    for path in _label_folders(root):
        match = re.fullmatch(r"(n\d{8})-(.+)", path.name)
        if not match:
            raise TrainingError(
                f"The folders in {root} must be called like n02085620-Chihuahua, not {path.name}."
            )
        labels[match[1]] = match[2]
        photos += [LabelledPhoto(file, match[1]) for file in files_in(path)]
    if not labels:
        raise TrainingError(f"The folders in {root} must be called like n02085620-Chihuahua.")
    if not layout.file:
        return Listing(tuple(photos), labels)
    file = inside(folder, layout.file)
    entries = _read_matlab(file).get("file_list")
    if not isinstance(entries, list):
        raise TrainingError(f"{file.name} has no file_list.")
    wanted = [f"{entry.split('-')[0]}/{Path(entry).name}" for entry in map(str, entries)]
    known = {f"{photo.label}/{photo.path.name}": photo for photo in photos}
    missing = tuple(f"{name} is not there" for name in wanted if name not in known)
    return Listing(tuple(known[name] for name in wanted if name in known), labels, missing)


# ---- what the formats share ----


def _listing(rows: Iterable[tuple[str, str, Box | None]], folder: Path) -> Listing:
    """The photos of rows of (name, label, box); a name may be a path, or lack its ending."""
    index = FileIndex(folder)
    photos: list[LabelledPhoto] = []
    missing: list[str] = []
    for name, label, box in rows:
        matches = index.find(name)
        if len(matches) > 1:
            shown = ", ".join(path.relative_to(folder).as_posix() for path in matches[:2])
            raise TrainingError(
                f"{name!r} may be {shown}. "
                "Name the folder of the photos in the recipe: layout.images."
            )
        if not matches:
            missing.append(f"{name} is not there")
        elif not label:
            missing.append(f"{name} has no label")
        else:
            photos.append(LabelledPhoto(matches[0], label, box))
    photos.sort(key=lambda photo: (photo.label, photo.path.as_posix()))
    return Listing(tuple(photos), {photo.label: photo.label for photo in photos}, tuple(missing))


def _read_matlab(path: Path) -> dict[str, list[Any]]:
    """The variables of a .mat file, as lists: MATLAB does not tell a list of one thing apart."""
    if loadmat is None:
        raise TrainingError(
            f"Reading {path.name} needs what requirements.txt lists (scipy is missing)."
        )
    try:
        content = loadmat(path, simplify_cells=True)
    except Exception as error:  # scipy raises many kinds for bad files
        raise TrainingError(f"The MATLAB file {path.name} cannot be read: {error}") from error
    variables = {name: value for name, value in content.items() if not name.startswith("__")}
    for name, value in variables.items():
        plain = value.tolist() if hasattr(value, "tolist") else value
        variables[name] = list(plain) if isinstance(plain, list | tuple) else [plain]
    return variables


_READERS = {
    "folders": _read_folders,
    "table": _read_table,
    "cars-devkit": _read_cars_devkit,
    "dogs": _read_dogs,
}
