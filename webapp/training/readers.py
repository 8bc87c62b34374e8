"""Which photos a data folder holds and which label each has: a folder per label, tables, and two public data sets in their own layout."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webapp.errors import TrainingError
from webapp.inference.decoding.crop import Box
from webapp.training.matlab import read_matlab
from webapp.training.recipe import Layout

IMAGE_COLUMNS = (
    "image",
    "filename",
    "file",
    "file_name",
    "path",
    "photo",
    "id",
    "image_id",
    "img",
    "fname",
    "relative_im_path",
)
LABEL_COLUMNS = (
    "label",
    "category",
    "class",
    "class_name",
    "ground_truth",
    "target",
    "breed",
    "team",
    "model",
)
BOX_COLUMNS = (("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"), ("x1", "y1", "x2", "y2"))
DEVKIT_FILES = {  # annotations of Stanford Cars in the order in which they are looked for, and the folder of their photos
    "cars_annos.mat": "car_ims",
    "cars_annos.csv": "car_ims",
    "cars_train_annos.mat": "cars_train",
    "cars_train_annos.csv": "cars_train",
    "anno_train.csv": "train",
}
DEVKIT_NAMES = ("cars_meta.mat", "names.csv")
EXPORT_MANIFEST = "manifest.json"
BREED_FOLDER = re.compile(r"(n\d{8})-(.+)")


@dataclass(frozen=True)
class Found:
    """A photo with a label. `box` is left, top, right, bottom in pixels of the photo: what is to be cut out of it, if anything."""

    path: Path
    label: str
    box: Box | None = None


@dataclass(frozen=True)
class Listing:
    """What a data folder holds. `labels` maps each label's name to what the data calls it; `missing` says which lines led to no photo.

    `label_event` is the number of the last label event that an export of this folder saw, None when it is no whole export.
    """

    photos: tuple[Found, ...]
    labels: dict[str, str]
    missing: tuple[str, ...] = ()
    label_event: int | None = None


def list_photos(folder: Path, layout: Layout) -> Listing:
    """The photos of a data folder by label and name; none is opened. Raises `TrainingError`, also when there is none."""
    if not folder.is_dir():
        raise TrainingError(f"There is no data folder {folder}.")
    listing = READERS[layout.kind](folder, layout)
    if not listing.photos:
        why = f": {listing.missing[0]}" if listing.missing else "."
        raise TrainingError(
            f"There is no photo in {folder} when it is read as {layout.kind!r}{why}"
        )
    return replace(listing, label_event=_label_event(folder))


def _label_event(folder: Path) -> int | None:
    """What the manifest of `flask photos export --format folders` says, when it lies there and the export was not interrupted."""
    try:
        manifest = json.loads((folder / EXPORT_MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if (
        not isinstance(manifest, dict)
        or "marque_export" not in manifest
        or manifest.get("complete") is not True
    ):
        return None
    event = manifest.get("label_event")
    return event if isinstance(event, int) else None


def labels_in(listings: Iterable[Listing]) -> dict[str, str]:
    """All labels of several data folders, by name, with what the data calls them."""
    return dict(sorted(pair for listing in listings for pair in listing.labels.items()))


# ---- a folder per label ----


def read_folders(folder: Path, _layout: Layout) -> Listing:
    """`<label>/…/<photo>`."""
    labels = sorted(
        one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")
    )
    if not labels:
        raise TrainingError(
            f"The data folder {folder} has no folder per label in it.{_hint(folder)}"
        )
    photos = sorted(one for label in labels for one in _files(folder / label))
    return Listing(
        tuple(Found(one, one.relative_to(folder).parts[0]) for one in photos),
        {label: label for label in labels},
    )


def _hint(folder: Path) -> str:
    tables = _tables(folder)
    return f" If {tables[0].name} names the labels, read it with --layout table." if tables else ""


# ---- a table ----


def read_table(folder: Path, layout: Layout) -> Listing:
    """A CSV or TSV file with a line per photo. Photos are named by path, by file name or by file name without its ending."""
    rows = _rows(_table_file(folder, layout))
    columns = list(rows[0])
    image = _column(layout.image_column, IMAGE_COLUMNS, columns, "image")
    label = _column(layout.label_column, LABEL_COLUMNS, columns, "label")
    return _listing(
        [(row[image], row[label], None) for row in rows], Index(_inside(folder, layout.images))
    )


def _table_file(folder: Path, layout: Layout) -> Path:
    if layout.file:
        return _inside(folder, layout.file)
    tables = _tables(folder)
    if len(tables) != 1:
        found = f"it has {', '.join(one.name for one in tables)}" if tables else "it has none"
        raise TrainingError(
            f"The data folder {folder} needs one .csv or .tsv file, {found}. Name it in the recipe: layout.file."
        )
    return tables[0]


def _tables(folder: Path) -> list[Path]:
    return sorted(
        one for one in folder.iterdir() if one.is_file() and one.suffix.lower() in (".csv", ".tsv")
    )


def _rows(path: Path, headings: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The lines of a table by column. `headings` name the columns of a table that has no heading. Raises `TrainingError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"The table {path.name} cannot be read: {error}") from error
    first = text.partition("\n")[0]
    delimiter = max("\t,;", key=first.count)
    try:
        lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if any(line)]
    except csv.Error as error:
        raise TrainingError(f"The table {path.name} cannot be read: {error}") from error
    head = list(headings) or (lines.pop(0) if lines else [])
    if not lines:
        raise TrainingError(f"The table {path.name} has no line for a photo.")
    odd = next(
        (
            number
            for number, line in enumerate(lines, 1 if headings else 2)
            if len(line) != len(head)
        ),
        None,
    )
    if odd is not None:
        raise TrainingError(
            f"The table {path.name} has {len(head)} columns, but not in line {odd}."
        )
    return [
        dict(zip((one.strip() for one in head), (cell.strip() for cell in line), strict=True))
        for line in lines
    ]


def _column(wanted: str, usual: tuple[str, ...], columns: list[str], what: str) -> str:
    """The column called `wanted`, or the only one with a usual name."""
    if wanted:
        found = [one for one in columns if one == wanted]
    else:
        found = sorted(
            (one for one in columns if one.lower() in usual),
            key=lambda one: usual.index(one.lower()),
        )
    if not found:
        asked = f"no column {wanted!r}" if wanted else f"no column with a usual name for the {what}"
        raise TrainingError(
            f"The table has {asked}; it has {', '.join(columns)}. Name one with --{what}-column."
        )
    return found[0]


# ---- Stanford Cars ----


def read_cars_devkit(folder: Path, layout: Layout) -> Listing:
    """`cars_annos` or the devkit's annotations, as .mat or CSV, with class numbers or names (Krause et al. 2013)."""
    file = _devkit_file(folder, layout)
    notes, names = _devkit_notes(file)
    names = names or _devkit_names(folder)
    images = (
        _inside(folder, layout.images)
        if layout.images
        else _folder_called(folder, DEVKIT_FILES.get(file.name, ""))
    )
    rows = [
        (
            str(row["image"]),
            _class_name(str(row["class"]), names),
            row["box"] if layout.crop else None,
        )
        for row in notes
    ]
    return _listing(rows, Index(images))


def _devkit_file(folder: Path, layout: Layout) -> Path:
    if layout.file:
        return _inside(folder, layout.file)
    found = next((path for name in DEVKIT_FILES for path in sorted(folder.rglob(name))), None)
    if found is None:
        raise TrainingError(
            f"There is no annotation file of Stanford Cars in {folder}: looked for {', '.join(DEVKIT_FILES)}."
        )
    return found


def _devkit_notes(file: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """A row per photo (image, class, box) and the names of the classes, if the file has them."""
    if file.suffix.lower() == ".mat":
        content = read_matlab(file)
        rows, names = content.get("annotations"), content.get("class_names", [])
    else:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            has_heading = any(name in lines.readline().lower() for name in ("class", "label"))
        rows, names = (
            _rows(file, () if has_heading else ("fname", "x1", "y1", "x2", "y2", "class")),
            [],
        )
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TrainingError(f"{file.name} has no annotations.")
    columns = list(rows[0]) if rows else []
    image, label = (
        _column("", IMAGE_COLUMNS, columns, "image"),
        _column("", LABEL_COLUMNS, columns, "label"),
    )
    box = next((four for four in BOX_COLUMNS if set(four) <= set(columns)), None)
    return [
        {
            "image": row[image],
            "class": row[label],
            "box": _box([row[one] for one in box]) if box else None,
        }
        for row in rows
    ], list(names)


def _devkit_names(folder: Path) -> list[str]:
    path = next((path for name in DEVKIT_NAMES for path in sorted(folder.rglob(name))), None)
    if path is None:
        return []
    if path.suffix == ".mat":
        return list(read_matlab(path).get("class_names", []))
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [",".join(line) for line in csv.reader(lines) if line]


def _class_name(given: str, names: list[str]) -> str:
    """The name of a class given by number (from 1) or name; a slash, which no folder may carry, becomes a dash."""
    if given.isdecimal():
        if not 1 <= int(given) <= len(names):
            raise TrainingError(
                f"There is no name for class {given}: neither in the annotations nor in {' or '.join(DEVKIT_NAMES)}."
            )
        given = names[int(given) - 1]
    return given.strip().replace("/", "-")


def _box(corners: list[Any]) -> Box:
    """From the first and last pixel, counted from 1, to left, top, right, bottom. Raises `TrainingError`."""
    try:
        left, top, right, bottom = (int(float(one)) for one in corners)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"A bounding box must be four numbers, got {corners}.") from error
    return max(0, left - 1), max(0, top - 1), right, bottom


def _folder_called(folder: Path, name: str) -> Path:
    return (
        next((one for one in sorted(folder.rglob(name)) if one.is_dir()), folder)
        if name
        else folder
    )


# ---- Stanford Dogs ----


def read_dogs(folder: Path, layout: Layout) -> Listing:
    """`Images/nXXXXXXXX-Breed/<photo>`; the number is the label, the breed what the data calls it (Khosla et al. 2011).

    With `layout.file`, a .mat list such as `train_list.mat`, only the photos in that list.
    """
    root = (
        _inside(folder, layout.images)
        if layout.images
        else folder / "Images"
        if (folder / "Images").is_dir()
        else folder
    )
    folders = {
        one: BREED_FOLDER.fullmatch(one.name)
        for one in sorted(root.iterdir())
        if one.is_dir() and not one.name.startswith(".")
    }
    breeds = {one: (match[1], match[2]) for one, match in folders.items() if match}
    odd = [one.name for one, match in folders.items() if not match]
    if odd or not breeds:
        raise TrainingError(
            f"The folders in {root} must be called like n02085620-Chihuahua{f', not {odd[0]}' if odd else ''}."
        )
    labels = dict(breeds.values())
    photos = [Found(path, number) for one, (number, _) in breeds.items() for path in _files(one)]
    if not layout.file:
        return Listing(tuple(photos), labels)
    by_name = {f"{one.label}/{one.path.name}": one for one in photos}
    wanted = [
        f"{str(one).split('-')[0]}/{Path(str(one)).name}"
        for one in _mat_list(_inside(folder, layout.file))
    ]
    return Listing(
        tuple(by_name[one] for one in wanted if one in by_name),
        labels,
        tuple(f"{one} is not there" for one in wanted if one not in by_name),
    )


def _mat_list(path: Path) -> list[Any]:
    entries = read_matlab(path).get("file_list")
    if not isinstance(entries, list):
        raise TrainingError(f"{path.name} has no file_list.")
    return entries


# ---- files ----


class Index:
    """The files below a folder, found by relative path, by name, or by name without ending."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = {one.relative_to(root).as_posix(): one for one in _files(root)}
        self.names: dict[str, list[Path]] = {}
        for path in self.paths.values():
            for name in {path.name, path.stem}:
                self.names.setdefault(name, []).append(path)

    def find(self, given: str) -> Path | None:
        """The file that `given` names, None when there is none. Raises `TrainingError` when it may be one of several."""
        plain = given.replace("\\", "/").removeprefix("./")
        if plain in self.paths:
            return self.paths[plain]
        found = self.names.get(plain.rpartition("/")[2], [])
        if len(found) > 1:
            several = ", ".join(one.relative_to(self.root).as_posix() for one in found[:2])
            raise TrainingError(
                f"{given!r} may be {several}. Name the folder of the photos in the recipe: layout.images."
            )
        return found[0] if found else None


def _listing(rows: list[tuple[str, str, Box | None]], index: Index) -> Listing:
    photos: list[Found] = []
    missing: list[str] = []
    for image, label, box in rows:
        path = index.find(image)
        if not label or path is None:
            missing.append(f"{image} has no label" if path else f"{image} is not there")
        else:
            photos.append(Found(path, label, box))
    photos.sort(key=lambda one: (one.label, one.path.as_posix()))
    return Listing(tuple(photos), {one.label: one.label for one in photos}, tuple(missing))


def _files(folder: Path) -> Iterator[Path]:
    return (
        one for one in sorted(folder.rglob("*")) if one.is_file() and not one.name.startswith(".")
    )


def _inside(folder: Path, name: str) -> Path:
    """A path below the data folder. Raises `TrainingError` when it is not there or leads out."""
    path = folder / name
    if not path.exists() or not path.resolve().is_relative_to(folder.resolve()):
        raise TrainingError(f"There is no {name} in {folder}.")
    return path


READERS = {
    "folders": read_folders,
    "table": read_table,
    "cars-devkit": read_cars_devkit,
    "dogs": read_dogs,
}
