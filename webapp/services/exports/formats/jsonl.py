"""A line of JSON for each photo: as in the API, with every rank and the whole label history."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from webapp.domain import moment
from webapp.services.exports.export_format import ExportFormat, Record
from webapp.services.exports.run import ExportRun


def _write(records: Iterable[Record], _run: ExportRun) -> Iterator[bytes]:
    for record in records:
        yield json.dumps(_photo(record), ensure_ascii=False).encode() + b"\n"


def _photo(record: Record) -> dict[str, Any]:
    row = record.row
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
        "prediction": None if row.prediction_id is None else _prediction(record),
        "labels": [_event(event) for event in record.events],
    }


def _prediction(record: Record) -> dict[str, Any]:
    row = record.row
    return {
        "decision": row.decision,
        "label": row.label,
        "confidence": row.confidence,
        "familiarity": row.familiarity,
        "ranked": [vars(line) for line in record.ranking],
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


def _read_line(line: bytes) -> tuple[str, str]:
    photo = json.loads(line)
    return photo["id"], photo["ground_truth"] or ""


FORMAT = ExportFormat(
    name="jsonl",
    title="Lines of JSON",
    about="Everything there is: every rank of the answer, and the whole label history. For "
    "programs.",
    ending=".jsonl",
    content_type="application/jsonl",
    write=_write,
    read_line=_read_line,
    every_rank=True,
)
