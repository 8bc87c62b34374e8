"""A table in UTF-8 with a line for each photo."""

import csv
from collections.abc import Iterable, Iterator

from webapp.domain import moment
from webapp.reports.csv_safety import csv_lines, plain_cell
from webapp.services.exports.export_format import ExportFormat, Record
from webapp.services.exports.run import ExportRun

_TOP = 5
# `ground_truth` is the label as it reads now, `given_label` as it was given where labels were
# merged since. `label_1` is the model's first label whatever was decided; `outcome` holds the
# decision against the truth; `audited`: checked in a random sample; `learnt`: trained on.
_COLUMNS = (
    *("id", "filename", "sha256", "width", "height", "bytes", "format", "created_at"),
    *("ground_truth", "given_label", "truth_model", "labelled_at", "labelled_by"),
    *("audited", "outcome", "starred"),
    *("model", "version", "learnt", "decision", "margin", "familiarity"),
    *(f"{column}_{rank}" for rank in range(1, _TOP + 1) for column in ("label", "confidence")),
)


def _write(records: Iterable[Record], run: ExportRun) -> Iterator[bytes]:
    if run.heading:
        yield csv_lines([_COLUMNS]).encode()
    for record in records:
        yield csv_lines([_cells(record)]).encode()


def _cells(record: Record) -> list[object]:
    row, last = record.row, record.events[-1] if record.events else None
    audited, starred, trained = (
        "yes" if flag else "" for flag in (row.audited, row.starred, row.trained)
    )
    cells = [row.public_id, row.filename, row.sha256, row.width, row.height, row.bytes, row.format]
    cells += [moment(row.created_at), row.ground_truth, row.given_label, row.truth_model]
    cells += [moment(last.created_at), last.who] if last and row.ground_truth else ["", ""]
    cells += [audited, row.outcome, starred, row.model, row.version, trained]
    cells += [row.decision, row.margin, row.familiarity]
    cells += [cell for line in record.ranking[:_TOP] for cell in (line.label, line.probability)]
    return cells + [""] * (len(_COLUMNS) - len(cells))


def _read_line(line: bytes) -> tuple[str, str] | None:
    cells = [plain_cell(cell) for cell in next(csv.reader([line.decode()]))]
    return None if cells[0] == "id" else (cells[0], cells[_COLUMNS.index("ground_truth")])


FORMAT = ExportFormat(
    name="csv",
    title="Table",
    about="A CSV with a line for each photo: file, label, who said it, the first five answers. "
    "Opens in a spreadsheet.",
    ending=".csv",
    content_type="text/csv; charset=utf-8",
    write=_write,
    read_line=_read_line,
)
