"""A list of Label Studio tasks: ground truths as annotations, answers as predictions; each car with
a box is a rectangle with a choice."""

from collections.abc import Iterable, Iterator
from typing import Any

from webapp.domain import PERSON, WHOLE
from webapp.services.exports.export_format import CarRecord, ExportFormat, Record, json_item
from webapp.services.exports.run import ExportRun


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    yield b"["
    for number, record in enumerate(records, 1):
        yield json_item(_task(record, run.order.base_url), first=number == 1)
    yield b"\n]\n"


def _task(record: Record, base_url: str) -> dict[str, Any]:
    """Once a person said something about a photo, all its boxes are in the annotation: one that
    lacks some would teach that there is no car."""
    row, main = record.row, record.main
    data = {
        "image": f"{base_url}/photos/{row.public_id}/file",
        "marque_id": row.public_id,
        "sha256": row.sha256,
        "filename": row.filename,
    }
    whole = [] if record.boxed or main in record.no_cars else [main]
    cars = [*whole, *record.boxed, *record.no_cars]
    annotations, predictions = [], []
    if any(car.row.ground_truth or car.row.found_by == PERSON for car in record.cars):
        truths = [part for car in cars for part in _results(car, record, car.row.ground_truth)]
        annotations.append({"result": truths})
    if main.row.prediction_id is not None:
        answered = record.boxed or [main]
        answers = [part for car in answered for part in _results(car, record, car.row.label)]
        prediction = {
            "model_version": f"{main.row.model} {main.row.version}",
            "score": main.row.confidence,
            "result": answers,
        }
        predictions.append(prediction)
    return {"data": data, "annotations": annotations, "predictions": predictions}


def _results(car: CarRecord, record: Record, label: str | None) -> list[dict[str, Any]]:
    """A rectangle in percent and its choice, which share an id; a choice alone for the whole photo.
    Label Studio drops `found_by` when somebody saves the annotation there."""
    place: dict[str, Any] = {"to_name": "image"}
    value: dict[str, Any] = {}
    results = []
    if car.row.found_by != WHOLE:
        x, y, width, height = (100 * share for share in car.box)
        value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
        place |= {"id": car.row.public_id, "image_rotation": 0}
        place |= {"original_width": record.row.width, "original_height": record.row.height}
        rectangle = {"from_name": "box", "type": "rectangle", **place, "value": value}
        results.append(rectangle | {"found_by": car.row.found_by})
    if label:
        choice = {"from_name": "label", "type": "choices", **place}
        results.append(choice | {"value": value | {"choices": [label]}})
    return results


FORMAT = ExportFormat(
    name="label-studio",
    title="Label Studio",
    about="Tasks with labels as annotations and answers as predictions, a rectangle for each car. "
    "Photos by their address here.",
    ending=".json",
    content_type="application/json",
    write=_write,
)
