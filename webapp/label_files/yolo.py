"""YOLO: folders `labels/` beside `images/`, a text file for each photo, a line for each box; or as
Darknet has it, the text files beside the photos in `obj_train_data/`, and names in `obj.names`.

A line has the number of the class, the middle of the box (x, y), its width and its height as shares
of the photo, and in predictions the score. `classes.txt` or `data.yaml` names the classes. A photo
without a text file is not listed; one whose text file is empty shows no object. Boxes that stand in
`detected/` too, where exports put predictions, are those of a detector.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

from webapp.domain import DETECTOR, PHOTO_ENDINGS
from webapp.errors import BadLabelFileError, NoLabelFileError
from webapp.label_files.listed_photo import (
    ListedBox,
    ListedPhoto,
    checked,
    edges_of,
)

try:  # comes with what training needs; classes.txt does without
    import yaml
except ImportError:
    yaml = None

_CLASSES, _DARKNET_CLASSES = "classes.txt", "obj.names"
_OF_TEXTS = re.compile("labels|obj_[A-Za-z]+_data")  # Darknet's have the photos too
_MAX_TEXT = 1_000_000  # bytes of a text file
_NAMES: TypeAdapter[list[str] | dict[int, str]] = TypeAdapter(list[str] | dict[int, str])
_Files = Mapping[str, Callable[[], bytes]]


def read_yolo_folder(folder: Path) -> Iterator[ListedPhoto]:
    """A photo for each text file. Raises `NoLabelFileError` when there is none."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return _read({path.relative_to(folder).as_posix(): path.read_bytes for path in files})


def read_yolo_zip(archive: zipfile.ZipFile) -> Iterator[ListedPhoto]:
    """A photo for each text file. Raises `NoLabelFileError` when there is none."""

    def opener(name: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with archive.open(name) as file:
                return file.read(_MAX_TEXT + 1)

        return read

    return _read({name: opener(name) for name in sorted(archive.namelist())})


def _read(files: _Files) -> Iterator[ListedPhoto]:
    paths = [PurePosixPath(name) for name in files]
    texts = [path for path in paths if path.suffix == ".txt" and path.name != _CLASSES]
    texts = [path for path in texts if any(map(_OF_TEXTS.fullmatch, path.parts[:-1]))]
    if not texts:
        raise NoLabelFileError("There is no folder labels/ with text files, as YOLO has it.")
    names = _class_names(files)
    photos = {path.with_suffix(""): path for path in paths if path.suffix.lower() in PHOTO_ENDINGS}
    for text in texts:
        photo, detected = _beside(text, "images").with_suffix(""), _beside(text, "detected")
        boxes = _boxes(files, text, names)
        by_detector = (
            _boxes(files, detected, names) if str(detected) in files and detected != text else []
        )
        scores = {(box.label, box.edges): box.score for box in by_detector}
        yield ListedPhoto(
            str(text),
            filename=str(photos.get(photo, photo)),
            boxes=tuple(
                replace(box, score=scores[box.label, box.edges], found_by=DETECTOR)
                if (box.label, box.edges) in scores
                else box
                for box in boxes
            ),
        )


def _beside(text: PurePosixPath, folder: str) -> PurePosixPath:
    """The path of a text file in another folder beside `labels/`; its own without that."""
    if "labels" not in text.parts:
        return text
    place = text.parts.index("labels")
    return PurePosixPath(*text.parts[:place], folder, *text.parts[place + 1 :])


def _boxes(files: _Files, text: PurePosixPath, names: Mapping[int, str]) -> list[ListedBox]:
    return [
        _box(line, f"{text}, line {number}", names)
        for number, line in enumerate(_text(files, str(text)).splitlines(), 1)
        if line.strip()
    ]


def _box(line: str, where: str, names: Mapping[int, str]) -> ListedBox:
    try:
        number, *values = map(float, line.split())
    except ValueError as error:
        raise BadLabelFileError(f"{where}: {line[:40]!r} is not a list of numbers.") from error
    if len(values) not in (4, 5):
        raise BadLabelFileError(
            f"{where}: A box has 5 numbers (class, middle x and y, width, height), perhaps a score "
            f"behind them, but this line has {len(values) + 1}. Outlines and turned boxes are not "
            "read."
        )
    if number not in names:
        raise BadLabelFileError(f"{where}: There is no name for class {number:g}.")
    x, y, width, height = values[:4]
    edges = edges_of(x - width / 2, y - height / 2, width, height)
    return ListedBox(where, edges, names[int(number)], values[4] if len(values) == 5 else 1.0)


def _class_names(files: _Files) -> Mapping[int, str]:
    """The names of the classes by number."""
    by_name = {PurePosixPath(name).name: name for name in sorted(files, key=len, reverse=True)}
    if path := by_name.get(_CLASSES) or by_name.get(_DARKNET_CLASSES):
        return dict(enumerate(line.strip() for line in _text(files, path).splitlines()))
    for name in ("data.yaml", "data.yml"):
        if path := by_name.get(name):
            return _yaml_names(_text(files, path), name)
    raise BadLabelFileError(
        f"Nothing names the classes of the boxes. Add {_CLASSES} with a line for each class, or "
        "data.yaml with a list `names`."
    )


def _yaml_names(text: str, name: str) -> Mapping[int, str]:
    if yaml is None:
        raise BadLabelFileError(
            f"Reading {name} needs what requirements.txt lists (PyYAML is missing). Add {_CLASSES} "
            "with a line for each class instead."
        )
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadLabelFileError(f"{name} cannot be read: {error}.") from error
    listed = content.get("names") if isinstance(content, dict) else None
    names = checked(_NAMES, listed, f"{name}: names")
    return names if isinstance(names, dict) else dict(enumerate(names))


def _text(files: _Files, name: str) -> str:
    content = files[name]()
    if len(content) > _MAX_TEXT:
        raise BadLabelFileError(f"{name} is too long for a list of boxes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadLabelFileError(f"{name} cannot be read: {error}.") from error
