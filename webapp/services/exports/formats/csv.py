"""A table in UTF-8 with a line for each car; a photo that counts as one car has one line."""

import csv
from collections.abc import Iterable, Iterator

from webapp.domain import level_of, moment
from webapp.reports.csv_safety import csv_lines, plain_cell
from webapp.services.exports.export_format import CarRecord, ExportFormat, Record, WrittenLine
from webapp.services.exports.run import ExportRun

_TOP = 5
# `ground_truth` is the label as it reads now, `given_label` as it was given where labels were
# merged since. `label_1` is the model's first label whatever was decided; `outcome` holds the
# decision against the truth; `audited`: checked in a random sample; `learnt`: trained on. `cars` is
# how many lines the photo has; a box is in shares of the photo; `level`: what the decision names.
_COLUMNS = (
    *("id", "filename", "sha256", "width", "height", "bytes", "format", "created_at"),
    *("ground_truth", "given_label", "truth_model", "labelled_at", "labelled_by"),
    *("audited", "outcome", "starred"),
    *("model", "version", "learnt", "decision", "margin", "familiarity"),
    *(f"{column}_{rank}" for rank in range(1, _TOP + 1) for column in ("label", "confidence")),
    *("car", "cars", "found_by", "score", "box_x", "box_y", "box_width", "box_height", "level"),
)


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    if run.heading:
        yield csv_lines([_COLUMNS]).encode()
    for record in records:
        yield csv_lines([_cells(record, car) for car in record.cars]).encode()


def _cells(record: Record, car: CarRecord) -> list[object]:
    row, answer, last = record.row, car.row, car.events[-1] if car.events else None
    audited, starred, trained = (
        "yes" if flag else "" for flag in (answer.audited, row.starred, answer.trained)
    )
    cells = [row.public_id, row.filename, row.sha256, row.width, row.height, row.bytes, row.format]
    cells += [moment(row.created_at), answer.ground_truth, car.given_label, answer.truth_model]
    cells += [moment(last.created_at), last.who] if last and answer.ground_truth else ["", ""]
    cells += [audited, answer.outcome, starred, answer.model, answer.version, trained]
    cells += [answer.decision, answer.margin, answer.familiarity]
    top = [cell for line in car.ranking[:_TOP] for cell in (line.label, line.probability)]
    cells += top + [""] * (2 * _TOP - len(top))
    cells += [answer.public_id, len(record.cars), answer.found_by, answer.score, *car.box]
    answered = answer.prediction_id is not None
    return [*cells, level_of(answer.decision, answer.label) if answered else ""]


def _read_line(line: bytes) -> WrittenLine | None:
    """Raises `ValueError` for a line of other columns."""
    cells = [plain_cell(cell) for cell in next(csv.reader([line.decode()]))]
    row = dict(zip(_COLUMNS, cells, strict=True))
    if row["id"] == "id":
        return None
    return WrittenLine(row["id"], row["ground_truth"], int(row["cars"]))


FORMAT = ExportFormat(
    name="csv",
    title="Table",
    about="A CSV with a line for each car: file, box, label, who said it, the first five answers. "
    "Opens in a spreadsheet.",
    ending=".csv",
    content_type="text/csv; charset=utf-8",
    write=_write,
    read_line=_read_line,
)
