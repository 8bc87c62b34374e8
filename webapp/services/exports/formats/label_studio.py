"""A list of Label Studio tasks: ground truths as annotations, answers as predictions."""

from collections.abc import Iterable, Iterator
from typing import Any

from webapp.services.exports.export_format import ExportFormat, Record, json_item
from webapp.services.exports.run import ExportRun


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    yield b"["
    for number, record in enumerate(records, 1):
        yield json_item(_task(record.row, run.order.base_url), first=number == 1)
    yield b"\n]\n"


def _task(row: Any, base_url: str) -> dict[str, Any]:
    data = {
        "image": f"{base_url}/photos/{row.public_id}/file",
        "marque_id": row.public_id,
        "sha256": row.sha256,
        "filename": row.filename,
    }
    annotations = [{"result": [_choice(row.ground_truth)]}] if row.ground_truth else []
    predictions = []
    if row.prediction_id is not None:
        prediction = {
            "model_version": f"{row.model} {row.version}",
            "score": row.confidence,
            "result": [_choice(row.label)],
        }
        predictions.append(prediction)
    return {"data": data, "annotations": annotations, "predictions": predictions}


def _choice(label: str) -> dict[str, Any]:
    return {
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [label]},
    }


FORMAT = ExportFormat(
    name="label-studio",
    title="Label Studio",
    about="Tasks with labels as annotations and answers as predictions. Photos by their address "
    "here.",
    ending=".json",
    content_type="application/json",
    write=_write,
)
