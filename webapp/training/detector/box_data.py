"""Photos with the boxes of the objects in them, from a data folder with a list in any format."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.decoding.images import upright_size
from webapp.training.data_files import FileIndex
from webapp.training.detector.box_formats.coco import is_coco, read_coco
from webapp.training.detector.box_formats.json_lines import has_json_boxes, read_json_lines
from webapp.training.detector.box_formats.label_studio import is_label_studio, read_label_studio
from webapp.training.detector.box_formats.listed import ListedPhoto, Listing
from webapp.training.detector.box_formats.table import has_boxes, read_table
from webapp.training.detector.box_formats.yolo import label_folders, read_yolo

_OVERHANG = 0.05  # how far a box may reach out of its photo, in widths or heights of it
_ASPECTS = 0.02  # how far the listed shape of a photo may be from that of the file

_Read = Callable[[], Listing]


@dataclass(frozen=True, eq=False)
class BoxedPhoto:
    """A photo and the boxes of all objects of the list's classes in it; maybe none.

    Attributes:
        boxes: float32 (n, 4): left, top, right, bottom of each box as shares of the width and
            height of the upright photo, in [0, 1].
        classes: What each box shows; "" where the list does not say.
        scores: float32 (n,) in [0, 1]: 1 for boxes that people drew.
        crowds: bool (n,): a box around a group of objects, which tells nothing of a single one.
        source: What the list says the photo comes from, else the name of the data folder.
    """

    path: Path
    boxes: NDArray[np.float32]
    classes: tuple[str, ...]
    scores: NDArray[np.float32]
    crowds: NDArray[np.bool_]
    source: str


def read_boxes(data: Path) -> list[BoxedPhoto]:
    """The photos that the one list of boxes in a data folder names, in its order.

    `data` is the folder, or the list itself where a folder has several. The list is COCO or Label
    Studio JSON, JSON lines, a CSV or TSV table, or YOLO's folders; its content tells which. Photos
    that it does not name are left out: nobody says that they show no object. Raises `TrainingError`
    that names the file and the line.
    """
    folder = data.parent if data.is_file() else data
    if not folder.is_dir():
        raise TrainingError(f"There is no data folder {data}.")
    index, lines = FileIndex(folder), dict[Path, str]()
    photos = []
    for listed in _only_list(data, folder)():
        path = _find(listed, index, folder)
        if path in lines:
            raise TrainingError(f"{listed.where}: {listed.name} is in {lines[path]} already.")
        lines[path] = listed.where
        photos.append(_with_boxes(listed, path, listed.source or folder.resolve().name))
    return photos


# ---- which list ----


def _only_list(data: Path, folder: Path) -> _Read:
    files = [data] if data.is_file() else sorted(path for path in data.iterdir() if path.is_file())
    lists = {path.name: read for path in files if (read := _reader(path))}
    if data.is_dir() and (labels := label_folders(data)):
        lists[labels[0].relative_to(data).as_posix() + "/"] = partial(read_yolo, data)
    if not lists:
        raise TrainingError(
            f"There is no list of boxes in {data}: no COCO or Label Studio JSON, no JSON lines "
            "with boxes, no table with columns for a box, no folder labels/ with text files."
        )
    if len(lists) > 1:
        raise TrainingError(
            f"{folder} has several lists of boxes: {' and '.join(lists)}. "
            "Name the one to be read instead of the folder, or move the others away."
        )
    return next(iter(lists.values()))


def _reader(path: Path) -> _Read | None:
    """What reads a file, None when it is no list of boxes."""
    suffix = path.suffix.lower()
    if suffix == ".jsonl" and has_json_boxes(path):
        return partial(read_json_lines, path)
    if suffix in (".csv", ".tsv") and has_boxes(path):
        return partial(read_table, path)
    if suffix != ".json":
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path.name} cannot be read: {error}") from error
    if is_coco(content):
        return partial(read_coco, content, path.name)
    if is_label_studio(content):
        return partial(read_label_studio, content, path.name)
    return None


# ---- from the list to the photo ----


def _find(listed: ListedPhoto, index: FileIndex, folder: Path) -> Path:
    paths = index.find(listed.name) or index.find(listed.other_name)
    if not paths:
        raise TrainingError(f"{listed.where}: There is no photo {listed.name} in {folder}.")
    if len(paths) > 1:
        shown = " or ".join(path.relative_to(folder).as_posix() for path in paths[:2])
        raise TrainingError(f"{listed.where}: {listed.name} may be {shown}. Write its whole path.")
    return paths[0]


def _with_boxes(listed: ListedPhoto, path: Path, source: str) -> BoxedPhoto:
    edges = np.array([box.edges for box in listed.boxes], np.float64).reshape(-1, 4)
    if listed.in_pixels and len(edges):
        edges /= np.tile(_size(listed, path), 2)
    for box, place in zip(listed.boxes, edges, strict=True):
        if not np.isfinite(place).all() or (place[:2] >= place[2:]).any():
            raise TrainingError(f"{box.where}: The box {_shown(box.edges)} has no area.")
        if place.min() < -_OVERHANG or place.max() > 1 + _OVERHANG:
            raise TrainingError(
                f"{box.where}: The box {_shown(box.edges)} (left, top, right, bottom) reaches out "
                f"of the photo {path.name}."
            )
        if not 0 <= box.score <= 1:
            raise TrainingError(f"{box.where}: A score is from 0 to 1, not {box.score:g}.")
    return BoxedPhoto(
        path,
        np.clip(edges, 0, 1).astype(np.float32),
        tuple(box.label for box in listed.boxes),
        np.array([box.score for box in listed.boxes], np.float32),
        np.array([box.crowd for box in listed.boxes], np.bool_),
        source,
    )


def _size(listed: ListedPhoto, path: Path) -> tuple[float, float]:
    """Width and height that the boxes are measured in: those of the list, else of the file."""
    try:
        width, height = upright_size(path)
    except (OSError, PhotoRefusedError) as error:
        raise TrainingError(f"{listed.where}: {path.name} cannot be read: {error}") from error
    size = listed.size or (width, height)
    if abs(size[0] * height / (size[1] * width) - 1) > _ASPECTS:
        raise TrainingError(
            f"{listed.where}: {path.name} is listed as {size[0]:g} x {size[1]:g} pixels, but "
            f"upright it has {width} x {height}. Correct the list, or turn the photo."
        )
    return size


def _shown(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
