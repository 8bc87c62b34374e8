"""How an export is written: a table, a line of JSON for each photo, COCO, Label Studio. Pure: records in, bytes out."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from webapp.domain import VERDICTS, RankedLabel
from webapp.inference.decoding.images import content_type
from webapp.reports.csv_safety import safe_cell

TOP = 5
COLUMNS = (
    *("id", "filename", "sha256", "width", "height", "bytes", "format", "created_at"),
    *(
        "ground_truth",
        "given_label",
        "truth_model",
        "labelled_at",
        "labelled_by",
        "audited",
        "outcome",
        "starred",
    ),
    *("model", "version", "learnt", "decision", "margin", "familiarity"),
    *(f"{what}_{rank}" for rank in range(1, TOP + 1) for what in ("label", "confidence")),
)
"""The columns of the table. `ground_truth` is what the label reads as today, `given_label` as it was given where that is another one.
`label_1` is the model's first label, whatever was decided; `outcome` holds the decision against the truth, `audited` is a check in a
random sample, `learnt` that the version has learnt from the photo."""
ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
}
ENDINGS |= {
    "image/tiff": ".tif",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/heif": ".heif",
}
UNSAFE = '<>:"/\\|?*'
SPOOL = 4 * 1024 * 1024
"""Bytes that are kept in memory before a temporary file is made for them."""


@dataclass(frozen=True)
class Record:
    """One photo of an export. `row` has the columns of `webapp.storage.exports`; `ranking` is empty for a photo without a prediction;
    `events` is its label history, oldest first."""

    row: Any
    ranking: tuple[RankedLabel, ...]
    events: list[Any]

    @property
    def label(self) -> str:
        """The class that a person gave; "" without a ground truth and for a verdict."""
        return (
            self.row.ground_truth
            if self.row.ground_truth and self.row.ground_truth not in VERDICTS
            else ""
        )


def write_csv(records: Iterable[Record], *, heading: bool = True) -> Iterator[bytes]:
    """A table in UTF-8 with a line for each photo; no cell is a formula."""
    if heading:
        yield csv_line(COLUMNS)
    for one in records:
        yield csv_line(_cells(one))


def write_jsonl(records: Iterable[Record]) -> Iterator[bytes]:
    """A line of JSON for each photo: as in the API, with every rank and the whole label history."""
    for one in records:
        yield json.dumps(_photo(one), ensure_ascii=False).encode() + b"\n"


def write_coco(records: Iterable[Record], *, base_url: str, made: datetime) -> Iterator[bytes]:
    """One object as COCO has it (images, annotations, categories), an annotation for each photo with a class.

    The annotations wait in a temporary file while the images are written, so that both are of the same moment.
    """
    categories: dict[str, int] = {}
    about = {"description": "Marque", "url": base_url, "date_created": moment(made)}
    yield f'{{"info": {json.dumps(about)}, "licenses": [], "images": ['.encode()
    with tempfile.SpooledTemporaryFile(SPOOL) as annotations:
        number = 0
        for number, one in enumerate(records, 1):
            yield _item(_coco_image(number, one, base_url), first=number == 1)
            if one.label:
                category = categories.setdefault(one.label, len(categories) + 1)
                mark = {"id": number, "image_id": number, "category_id": category}
                annotations.write(_item(mark, first=annotations.tell() == 0))
        yield b'\n], "annotations": ['
        annotations.seek(0)
        while part := annotations.read(64 * 1024):
            yield part
    listed = [
        {"id": place, "name": name, "supercategory": ""} for name, place in categories.items()
    ]
    yield f'\n], "categories": {json.dumps(listed, ensure_ascii=False)}}}\n'.encode()


def write_label_studio(records: Iterable[Record], *, base_url: str) -> Iterator[bytes]:
    """A list of Label Studio tasks: ground truths as annotations, answers as predictions, both as `choices` for `image`."""
    yield b"["
    for number, one in enumerate(records, 1):
        yield _item(_task(one, base_url), first=number == 1)
    yield b"\n]\n"


# ---- parts ----


def csv_line(cells: Iterable[object]) -> bytes:
    """A line of a table."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([safe_cell(cell) for cell in cells])
    return line.getvalue().encode()


def path_of(one: Record, *, ending: str = "") -> str:
    """Where a photo lies in an export of folders: its class, and its own name with its id, so that no two are alike."""
    name = PurePosixPath(one.row.filename)
    stem = _safe_name(name.stem)[:80].strip(". ") or "photo"
    last = ending or ENDINGS.get(content_type(one.row.format), ".jpg")
    folder = f"{folder_of(one.row.ground_truth)}/" if one.row.ground_truth else ""
    return f"{folder}{stem}-{one.row.public_id}{last}"


def folder_of(label: str) -> str:
    """A label as the name of a folder: characters that some file system refuses become a dash."""
    return _safe_name(label).strip(". ") or "label"


def moment(when: datetime) -> str:
    """ISO 8601 in UTC with a Z, as in the API."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _safe_name(text: str) -> str:
    return "".join("-" if one in UNSAFE or not one.isprintable() else one for one in text)


def _cells(one: Record) -> list[object]:
    row, last = one.row, one.events[-1] if one.events else None
    labelled = (
        (moment(last.created_at), last.who) if last is not None and row.ground_truth else ("", "")
    )
    cells = [
        row.public_id,
        row.filename,
        row.sha256,
        row.width,
        row.height,
        row.bytes,
        row.format,
        moment(row.created_at),
    ]
    truth = [row.ground_truth or "", row.given_label or "", row.truth_model or ""]
    cells += [*truth, *labelled, _yes(row.audited), row.outcome, _yes(row.starred)]
    cells += [
        _or_empty(value)
        for value in (
            row.model,
            row.version,
            _yes(row.learnt),
            row.decision,
            row.margin,
            row.familiarity,
        )
    ]
    for place in range(TOP):
        line = one.ranking[place] if place < len(one.ranking) else None
        cells += [line.label, line.probability] if line else ["", ""]
    return cells


def _yes(flag: object) -> str:
    return "yes" if flag else ""


def _or_empty(value: object) -> object:
    return "" if value is None else value


def _photo(one: Record) -> dict[str, Any]:
    row = one.row
    return {
        "id": row.public_id,
        "filename": row.filename,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "bytes": row.bytes,
        "created_at": moment(row.created_at),
        "ground_truth": row.ground_truth,
        "outcome": row.outcome,
        "prediction": _prediction(one),
        "labels": [_event(event) for event in one.events],
    }


def _prediction(one: Record) -> dict[str, Any] | None:
    row = one.row
    if row.prediction_id is None:
        return None
    ranked = [
        {
            "rank": line.rank,
            "label": line.label,
            "class_id": line.class_id,
            "probability": line.probability,
        }
        for line in one.ranking
    ]
    return {
        "decision": row.decision,
        "label": row.label,
        "confidence": row.confidence,
        "familiarity": row.familiarity,
        "ranked": ranked,
        "model": {"name": row.model, "version": row.version},
        "elapsed_ms": round(row.elapsed_ms, 2),
    }


def _event(row: Any) -> dict[str, Any]:
    return {
        "event": row.id,
        "from": row.from_label,
        "to": row.to_label,
        "who": row.who,
        "when": moment(row.created_at),
        "why": row.why,
        "place": row.place,
        "batch": row.batch,
        "undoes": row.undoes,
    }


def _coco_image(number: int, one: Record, base_url: str) -> dict[str, Any]:
    row = one.row
    image = {
        "id": number,
        "file_name": path_of(one),
        "width": row.width,
        "height": row.height,
        "date_captured": moment(row.created_at),
    }
    verdict = {"verdict": row.ground_truth} if row.ground_truth in VERDICTS else {}
    return (
        image
        | {
            "coco_url": f"{base_url}/photos/{row.public_id}/file",
            "marque_id": row.public_id,
            "sha256": row.sha256,
        }
        | verdict
    )


def _task(one: Record, base_url: str) -> dict[str, Any]:
    row = one.row
    facts = {
        "image": f"{base_url}/photos/{row.public_id}/file",
        "marque_id": row.public_id,
        "sha256": row.sha256,
        "filename": row.filename,
    }
    task: dict[str, Any] = {"data": facts, "annotations": [], "predictions": []}
    if row.ground_truth:
        task["annotations"] = [{"result": [_choice(row.ground_truth)]}]
    if row.prediction_id is not None:
        said = {
            "model_version": f"{row.model} {row.version}",
            "score": row.confidence,
            "result": [_choice(row.label)],
        }
        task["predictions"] = [said]
    return task


def _choice(label: str) -> dict[str, Any]:
    return {
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [label]},
    }


def _item(value: dict[str, Any], *, first: bool) -> bytes:
    return (b"\n" if first else b",\n") + json.dumps(value, ensure_ascii=False).encode()
