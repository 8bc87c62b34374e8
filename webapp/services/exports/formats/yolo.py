"""A zip as YOLO has it: `images/`, `labels/` with a text file for each photo and a line for each
car, and the names of the classes. `detected/` repeats the lines of cars that only the detector
found, with its scores, as YOLO writes predictions."""

import json
from collections.abc import Iterable, Iterator

from webapp.domain import DETECTOR
from webapp.errors import PhotoNotFoundError
from webapp.services.exports.export_format import CarRecord, ExportFormat, Record, name_of
from webapp.services.exports.run import ExportRun, as_json
from webapp.services.exports.zip_stream import ZipStream
from webapp.storage.exports import BOX


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    """Photos without a car have an empty text file."""
    with ZipStream() as archive:
        for record in records:
            try:
                content = run.read(record.row)
            except PhotoNotFoundError:
                run.counts.lose(run.order.truths(record), record.row.public_id)
                continue
            name = name_of(record, record.row.public_id, run.format_of(record.row))
            text = f"{name.rpartition('.')[0]}.txt"
            archive.add_photo(f"images/{name}", content, record.row.created_at)
            lines = {car.row.number: _line(car, run) for car in record.boxed}
            archive.add_text(f"labels/{text}", _joined(lines.values()))
            detected = [
                f"{lines[car.row.number]} {car.row.score:g}"
                for car in record.boxed
                if car.row.found_by == DETECTOR and not car.row.ground_truth
            ]
            if detected:
                archive.add_text(f"detected/{text}", _joined(detected))
            if record.no_cars:
                run.counts.left_out["boxes without a car"] += len(record.no_cars)
            yield archive.take()
        names = list(run.categories.numbers)
        archive.add_text("classes.txt", _joined(names))
        listed = json.dumps(names, ensure_ascii=False)
        about = f"path: .\ntrain: images\nval: images\nnames: {listed}\n"
        archive.add_text("data.yaml", about.encode())
        archive.add_text("manifest.json", as_json(run.manifest))
    yield archive.take()


def _line(car: CarRecord, run: ExportRun) -> str:
    """Number of the class, middle, width and height, as shares of the photo."""
    x, y, width, height = car.box
    numbers = (x + width / 2, y + height / 2, width, height)
    place = " ".join(f"{number:.6f}" for number in numbers)
    return f"{run.categories.number_of(car.label) - 1} {place}"


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


FORMAT = ExportFormat(
    name="yolo",
    title="YOLO",
    about="A zip of the photos whose cars have a box, with a line for each car. To train a "
    "detector.",
    ending=".zip",
    content_type="application/zip",
    write=_write,
    holds_photos=True,
    needs=BOX,
)
