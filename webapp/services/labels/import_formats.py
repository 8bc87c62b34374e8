"""Labels from elsewhere, line by line: tables, lines of JSON, Label Studio, COCO, a folder for each class. Nothing is matched here."""

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from webapp.domain import PHOTO_ENDINGS
from webapp.errors import BadLabelFileError
from webapp.reports.csv_safety import plain_cell

LABEL_COLUMNS = ("ground_truth", "label", "class", "class_name", "category", "choice", "target")
NAME_COLUMNS = ("filename", "file_name", "file", "image", "path", "photo", "name")
KINDS = ".csv, .tsv, .jsonl or .json (Label Studio or COCO)"
SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")
MAX_LINE = 1_000_000
"""Characters of a line of JSON."""


@dataclass(frozen=True)
class LabelLine:
    """What one line says: the photo by its id here, by the SHA-256 of its file, or by its file name ("" for what is not said), and its
    label. `model` is the model whose label it is, if that is said; `where` names the line for people."""

    where: str
    label: str
    id: str = ""
    sha256: str = ""
    filename: str = ""
    model: str = ""


def read_labels(stream: IO[bytes], filename: str) -> Iterator[LabelLine]:
    """The lines of a file, which its name tells how to read. Raises `BadLabelFileError`, also in the middle."""
    readers = {
        ".csv": _read_table,
        ".tsv": _read_table,
        ".txt": _read_table,
        ".jsonl": _read_jsonl,
        ".json": _read_json,
    }
    reader = readers.get(Path(filename).suffix.lower())
    if reader is None:
        raise BadLabelFileError(
            f"{filename[:80]!r} is no file of labels that Marque reads: {KINDS}."
        )
    try:
        yield from reader(stream)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise BadLabelFileError(f"{filename[:80]!r} cannot be read: {error}.") from error


def read_label_folders(folder: Path) -> Iterator[LabelLine]:
    """A line for each file in `folder/<label>/` and below that is called like a photo, as `folder_line` reads it."""
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.is_symlink() or place.name.startswith("."):
            continue
        for file in sorted(place.rglob("*")):
            if (
                not file.is_file()
                or file.is_symlink()
                or file.name.startswith(".")
                or file.suffix.lower() not in PHOTO_ENDINGS
            ):
                continue
            with file.open("rb") as stream:
                yield folder_line(
                    file.relative_to(folder), hashlib.file_digest(stream, "sha256").hexdigest()
                )


def folder_line(path: PurePath, sha256: str) -> LabelLine:
    """What a file says by where it lies: its label is its first folder. It is found by its SHA-256, its name, and the id at the end of an
    exported name."""
    exported = path.stem[-12:] if path.stem[-13:-12] == "-" else ""
    return LabelLine(str(path), path.parts[0], exported, sha256, path.name)


def read_sums(stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each line of a list as `sha256sum` writes it. Raises `BadLabelFileError`."""
    for number, line in enumerate(stream, 1):
        found = SUM.fullmatch(line.decode("utf-8", "replace").rstrip("\r\n"))
        if found is None:
            raise BadLabelFileError(
                f"Line {number} of the list of files is no SHA-256 with a path behind it."
            )
        yield found[2], found[1]


def _read_table(stream: IO[bytes]) -> Iterator[LabelLine]:
    lines = (
        line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(stream)
    )
    first = next(lines, "")
    delimiter = max("\t,;", key=first.count)
    head = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    label, name = _first(head, LABEL_COLUMNS), _first(head, NAME_COLUMNS)
    if label is None:
        raise BadLabelFileError(
            f"The table has no column for the label, such as {', '.join(LABEL_COLUMNS[:3])}. It has {', '.join(head)}."
        )
    places = {
        "id": _first(head, ("id",)),
        "sha256": _first(head, ("sha256",)),
        "filename": name,
        "model": _first(head, ("truth_model",)),
    }
    if all(places[key] is None for key in ("id", "sha256", "filename")):
        raise BadLabelFileError(
            f"The table has no column for the photo: id, sha256 or {', '.join(NAME_COLUMNS[:3])}."
        )
    for number, cells in enumerate(csv.reader(lines, delimiter=delimiter), 2):
        if any(cells):
            row = [plain_cell(cell.strip()) for cell in cells] + [""] * (len(head) - len(cells))
            said = {key: row[place] for key, place in places.items() if place is not None}
            yield LabelLine(f"line {number}", row[label], **said)


def _first(head: list[str], usual: tuple[str, ...]) -> int | None:
    return next((head.index(name) for name in usual if name in head), None)


def _read_jsonl(stream: IO[bytes]) -> Iterator[LabelLine]:
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        if line.strip():
            photo = json.loads(line)
            if not isinstance(photo, dict):
                raise BadLabelFileError(f"Line {number} is no JSON object.")
            label = _text(photo, "ground_truth") or _text(photo, "label")
            yield LabelLine(
                f"line {number}",
                label,
                _text(photo, "id"),
                _text(photo, "sha256"),
                _text(photo, "filename"),
            )


def _read_json(stream: IO[bytes]) -> Iterator[LabelLine]:
    content = json.loads(stream.read())
    if isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys():
        return _read_coco(content)
    if isinstance(content, list) and all(isinstance(task, dict) for task in content):
        return _read_tasks(content)
    raise BadLabelFileError("The JSON is neither a list of Label Studio tasks nor COCO.")


def _read_tasks(tasks: list[dict[str, Any]]) -> Iterator[LabelLine]:
    """Label Studio's export, the full one and the short one ("JSON-MIN"). Of several annotations the last that was not cancelled counts."""
    for number, task in enumerate(tasks, 1):
        inner = task.get("data")
        data: dict[str, Any] = inner if isinstance(inner, dict) else task
        url = _text(data, "image") or _text(task, "file_upload")
        name = _text(data, "filename") or unquote(
            urlsplit(url).path.rpartition("/")[2] if url else ""
        )
        label = _choice_of(task) or _text(task, "choice") or _text(task, "label")
        yield LabelLine(
            f"task {number}", label, _text(data, "marque_id"), _text(data, "sha256"), name
        )


def _choice_of(task: dict[str, Any]) -> str:
    annotations = task.get("annotations")
    for one in reversed(annotations if isinstance(annotations, list) else []):
        if not isinstance(one, dict) or one.get("was_cancelled"):
            continue
        for result in one.get("result") or []:
            choices = (
                (result.get("value") or {}).get("choices") if isinstance(result, dict) else None
            )
            if isinstance(choices, list) and choices:
                return str(choices[0])
    return ""


def _read_coco(content: dict[str, Any]) -> Iterator[LabelLine]:
    try:
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        labels = {one["image_id"]: names[one["category_id"]] for one in content["annotations"]}
        for image in content["images"]:
            label = labels.get(image["id"]) or _text(image, "verdict")
            name = _text(image, "file_name").replace("\\", "/").rpartition("/")[2]
            yield LabelLine(
                f"image {image['id']}",
                label,
                _text(image, "marque_id"),
                _text(image, "sha256"),
                name,
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadLabelFileError(f"The COCO file lacks {error}.") from error


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""
