"""YOLO: folders `labels/` beside `images/`, a text file for each photo, a line for each box.

A line has the number of the class, the middle of the box (x, y), its width and its height as shares
of the photo, and in predictions the score. `data.yaml` or `classes.txt` names the classes. A photo
without a text file is not listed; one whose text file is empty shows no object.
"""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from webapp.errors import TrainingError
from webapp.training.detector.box_formats.listed import (
    ListedBox,
    ListedPhoto,
    Listing,
    checked,
    edges_of,
)

try:  # comes with what training needs; a version can be evaluated without it
    import yaml
except ImportError:
    yaml = None

_NAMES = TypeAdapter[list[str] | dict[int, str]](list[str] | dict[int, str])
_CLASSES = "classes.txt"


def label_folders(folder: Path) -> list[Path]:
    """The folders called `labels` that hold text files."""
    folders = (path for path in sorted(folder.rglob("labels")) if path.is_dir())
    return [path for path in folders if next(path.rglob("*.txt"), None)]


def read_yolo(folder: Path) -> Listing:
    """The photos of all `labels` folders."""
    names = _class_names(folder)
    for labels in label_folders(folder):
        for file in sorted(labels.rglob("*.txt")):
            if file.name == _CLASSES:
                continue
            where = file.relative_to(folder).as_posix()
            photo = labels.parent / "images" / file.relative_to(labels).with_suffix("")
            lines = _text(file).splitlines()
            boxes = (
                _box(line, f"{where}, line {number}", names)
                for number, line in enumerate(lines, 1)
                if line.strip()
            )
            yield ListedPhoto(where, photo.relative_to(folder).as_posix(), tuple(boxes))


def _box(line: str, where: str, names: dict[int, str]) -> ListedBox:
    try:
        number, *values = map(float, line.split())
    except ValueError as error:
        raise TrainingError(f"{where}: {line.strip()[:40]!r} is not a list of numbers.") from error
    if len(values) not in (4, 5):
        raise TrainingError(
            f"{where}: A box has 5 numbers (class, middle x and y, width, height), perhaps a score "
            f"behind them, but this line has {len(values) + 1}. Outlines and turned boxes are not "
            "read."
        )
    if number not in names:
        raise TrainingError(f"{where}: There is no name for class {number:g}.")
    x, y, width, height = values[:4]
    edges = edges_of(x - width / 2, y - height / 2, width, height)
    score = values[4] if len(values) == 5 else 1.0
    return ListedBox(where, edges, names[int(number)], score)


def _class_names(folder: Path) -> dict[int, str]:
    """The names of the classes by number."""
    for name in ("data.yaml", "data.yml"):
        if (folder / name).is_file():
            content = _read_yaml(folder / name)
            listed = content.get("names") if isinstance(content, dict) else None
            names = checked(_NAMES, listed, f"{name}: names")
            return names if isinstance(names, dict) else dict(enumerate(names))
    for file in (folder / _CLASSES, folder / "labels" / _CLASSES):
        if file.is_file():
            return dict(enumerate(line.strip() for line in _text(file).splitlines()))
    raise TrainingError(
        f"Nothing names the classes of the boxes in {folder}. Add data.yaml with a list `names`, "
        f"or {_CLASSES} with a line for each class."
    )


def _read_yaml(path: Path) -> Any:
    if yaml is None:
        raise TrainingError(
            f"Reading {path.name} needs what requirements.txt lists (PyYAML is missing)."
        )
    try:
        return yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise TrainingError(f"{path.name} cannot be read: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path.name} cannot be read: {error}") from error
