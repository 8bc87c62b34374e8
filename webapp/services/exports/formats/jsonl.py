"""A line of JSON for each photo: as in the API, with every rank and the whole label history."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from webapp.domain import level_of, moment
from webapp.inference.models.registry import Registry
from webapp.services.exports.export_format import (
    CarRecord,
    ExportFormat,
    Ranking,
    Record,
    WrittenLine,
)
from webapp.services.exports.run import ExportRun
from webapp.services.photos.gallery import parent_of

_RANKED = 5  # labels of a prediction in `cars`, as in the API


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    for record in records:
        yield json.dumps(_photo(record, run.tools.registry), ensure_ascii=False).encode() + b"\n"


def _photo(record: Record, registry: Registry) -> dict[str, Any]:
    row, main = record.row, record.main
    answered = main.row.prediction_id is not None
    events = [(car, event) for car in record.cars for event in car.events]
    return {
        "id": row.public_id,
        "filename": row.filename,
        "sha256": row.sha256,
        "width": row.width,
        "height": row.height,
        "bytes": row.bytes,
        "created_at": moment(row.created_at),
        "ground_truth": main.row.ground_truth,
        "outcome": main.row.outcome,
        "prediction": _prediction(main.row, main.ranking, registry) if answered else None,
        "cars": [_car(car, registry) for car in record.cars],
        "car_count": row.car_count,
        "labels": [_event(*pair) for pair in sorted(events, key=lambda pair: pair[1].id)],
    }


def _car(car: CarRecord, registry: Registry) -> dict[str, Any]:
    answers = [
        (answer, _prediction(answer, ranks[:_RANKED], registry)) for answer, ranks in car.answers
    ]
    return {
        "id": car.row.public_id,
        "box": car.box,
        "score": car.row.score,
        "found_by": car.row.found_by,
        "ground_truth": car.row.ground_truth,
        "outcome": car.row.shown_outcome,
        "prediction": next((shown for answer, shown in answers if answer.shown), None),
        "predictions": [shown for _answer, shown in answers],
    }


def _prediction(row: Any, ranking: Ranking, registry: Registry) -> dict[str, Any]:
    parent = parent_of(row, registry)
    return {
        "decision": row.decision,
        "level": level_of(row.decision, row.label),
        "label": row.label,
        "confidence": row.confidence,
        "familiarity": row.familiarity,
        "parent": vars(parent) if parent else None,
        "ranked": [vars(line) for line in ranking],
        "model": {"name": row.model, "version": row.version},
        "elapsed_ms": round(row.elapsed_ms, 2),
    }


def _event(car: CarRecord, row: Any) -> dict[str, Any]:
    return {
        "event": row.id,
        "car": car.row.public_id,
        "from": row.from_label,
        "to": row.to_label,
        "who": row.who,
        "when": moment(row.created_at),
        "why": row.why,
        "place": row.place,
        "batch": row.batch,
        "undoes": row.undoes,
    }


def _read_line(line: bytes) -> WrittenLine:
    photo = json.loads(line)
    return WrittenLine(photo["id"], photo["ground_truth"] or "")


FORMAT = ExportFormat(
    name="jsonl",
    title="Lines of JSON",
    about="Everything there is: every rank of the answer, every car, and the whole label history. "
    "For programs.",
    ending=".jsonl",
    content_type="application/jsonl",
    write=_write,
    read_line=_read_line,
    every_rank=True,
)
