"""Photos with the boxes of the objects in them, from a data folder with a list in any format."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webapp.domain import ANY_CAR, NO_CAR, PERSON, UNUSABLE
from webapp.errors import BadLabelFileError, NoLabelFileError, PhotoRefusedError, TrainingError
from webapp.inference.decoding.images import upright_size
from webapp.label_files.listed_photo import Edges, ListedBox, ListedPhoto, placed_boxes
from webapp.label_files.registry import read_labels
from webapp.label_files.yolo import read_yolo_folder
from webapp.training.data_files import FileIndex

_LISTS = (".csv", ".tsv", ".jsonl", ".json", ".xml")


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
    that it does not name, or names without saying where objects are, are left out: nobody says that
    they show none. Raises `TrainingError` that names the file and the line.
    """
    folder = data.parent if data.is_file() else data
    if not folder.is_dir():
        raise TrainingError(f"There is no data folder {data}.")
    file, photos = _only_list(data)
    index, found = FileIndex(folder), dict[Path, list[ListedPhoto]]()
    for listed in photos:
        try:
            found.setdefault(_find(listed, index, folder), []).append(listed)
        except BadLabelFileError as error:
            raise TrainingError(f"{file}, {error}") from error
    source = folder.resolve().name
    return [_boxed_photo(path, lines, file, source) for path, lines in found.items()]


# ---- which list ----


def _only_list(data: Path) -> tuple[str, list[ListedPhoto]]:
    """The name of the list of boxes, and the photos of which it says where objects are."""
    files = [data] if data.is_file() else sorted(path for path in data.iterdir() if path.is_file())
    sources = {path.name: path for path in files if path.suffix.lower() in _LISTS}
    if data.is_dir():
        sources["labels/"] = data
    lists: dict[str, list[ListedPhoto]] = {}
    reasons = []
    for name, path in sources.items():
        try:
            if photos := [photo for photo in _read(path) if _says_where(photo)]:
                lists[name] = photos
        except NoLabelFileError as error:
            reasons.append(f"{name}: {error}")
        except (BadLabelFileError, OSError) as error:
            raise TrainingError(f"{name}, {error}") from error
    if not lists:
        raise TrainingError(f"There is no list of boxes in {data}. {' '.join(reasons)}".strip())
    if len(lists) > 1:
        raise TrainingError(
            f"{data} has several lists of boxes: {' and '.join(lists)}. "
            "Name the one to be read instead of the folder, or move the others away."
        )
    return next(iter(lists.items()))


def _read(path: Path) -> Iterator[ListedPhoto]:
    if path.is_dir():
        yield from read_yolo_folder(path)
    else:
        with path.open("rb") as stream:
            yield from read_labels(stream, path.name)


def _says_where(photo: ListedPhoto) -> bool:
    return photo.boxes is not None or bool(photo.unreadable)


# ---- from the list to the photo ----


def _find(listed: ListedPhoto, index: FileIndex, folder: Path) -> Path:
    name = listed.filename or listed.id
    tried = map(index.find, (name, *listed.names))
    paths = next((paths for paths in tried if paths), [])
    if not paths:
        raise BadLabelFileError(f"{listed.where}: There is no photo {name!r} in {folder}.")
    if len(paths) > 1:
        shown = " or ".join(path.relative_to(folder).as_posix() for path in paths[:2])
        raise BadLabelFileError(f"{listed.where}: {name} may be {shown}. Write its whole path.")
    return paths[0]


def _boxed_photo(path: Path, lines: list[ListedPhoto], file: str, folder: str) -> BoxedPhoto:
    try:
        width, height = upright_size(path) if any(line.in_pixels for line in lines) else (1, 1)
        boxes, edges = list[ListedBox](), list[Edges]()
        for line in lines:
            placed = zip(line.boxes or (), placed_boxes(line, width, height), strict=False)
            for box, place in placed:
                if box.label == NO_CAR:
                    continue
                if not 0 <= box.score <= 1:
                    raise BadLabelFileError(
                        f"{box.where}: A score is from 0 to 1, not {box.score:g}."
                    )
                if place in edges:
                    raise BadLabelFileError(
                        f"{box.where}: {path.name} has this box already. Remove one of the two."
                    )
                boxes.append(_as_seen(box) if box.found_by else box)
                edges.append(place)
    except BadLabelFileError as error:
        raise TrainingError(f"{file}, {error}") from error
    except (OSError, PhotoRefusedError) as error:
        raise TrainingError(f"{file}, {lines[0].where}: {path.name}: {error}") from error
    return BoxedPhoto(
        path,
        np.array(edges, np.float32).reshape(-1, 4),
        tuple(box.label for box in boxes),
        np.array([box.score for box in boxes], np.float32),
        np.array([box.crowd for box in boxes], np.bool_),
        lines[0].source or folder,
    )


def _as_seen(box: ListedBox) -> ListedBox:
    """A box of our own exports: a car, or where people called it unusable what tells nothing. One
    that people drew or named counts like one that they drew, whatever the detector's score."""
    named = box.label not in ("", ANY_CAR)
    score = 1.0 if named or box.found_by == PERSON else box.score
    return replace(box, label="", score=score, crowd=box.crowd or box.label == UNUSABLE)
