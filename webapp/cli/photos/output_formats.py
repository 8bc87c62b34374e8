"""What `flask photos classify` writes, and where an interrupted file goes on."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from webapp.domain import WHOLE
from webapp.errors import ExportError
from webapp.reports import csv_safety

COLUMNS = (
    *("path", "decision", "label", "confidence", "second", "second_confidence"),
    *("model", "version", "elapsed_ms", "x", "y", "width", "height", "photo", "error"),
)
RESUMABLE = ("jsonl", "csv")
FORMATS = ("json", "csv", "jsonl", "filename-map")

Row = dict[str, Any]
"""A photo's `path`, the `prediction` of its main car (of several models also `predictions`) and its
`cars` with theirs and their `box`, or its `error`.

Those that are stored have `photo` and `duplicate`."""


@dataclass(frozen=True)
class _Format:
    """One way to write rows.

    `write` is the text of a row, "" for one that has no place in this format; `between` stands
    between two rows, `head` before the first, `tail` after the last.
    """

    write: Callable[[Row], str]
    head: str = ""
    between: str = ""
    tail: str = ""


def make_format(name: str, paths: Iterable[Path], describe: Callable[[Row], str]) -> _Format:
    """The format of this name; sentences for "". `describe` puts a prediction into words."""
    match name:
        case "json":
            return _Format(lambda row: "\n" + json.dumps(row), "[", ",", "\n]\n")
        case "jsonl":
            return _Format(lambda row: json.dumps(row) + "\n")
        case "csv":
            return _Format(table_lines, csv_safety.to_csv(COLUMNS, []))
        case "filename-map":
            return _filename_map(paths)
        case _:
            return _Format(lambda row: _sentences(row, describe))


def table_lines(row: Row) -> str:
    """Lines of a CSV table, one for each car and model."""
    return csv_safety.csv_lines(
        _columns(row, prediction, car.get("box", [""] * 4))
        for car in row.get("cars") or [row]
        for prediction in car.get("predictions") or [car.get("prediction") or {}]
    )


def _columns(row: Row, prediction: dict[str, Any], box: Sequence[object]) -> tuple[object, ...]:
    second = (prediction.get("ranked") or [{}, {}])[1]
    model = prediction.get("model", {})
    return (
        row["path"],
        *(prediction.get(name, "") for name in ("decision", "label", "confidence")),
        *(second.get(name, "") for name in ("label", "probability")),
        *(model.get(name, "") for name in ("name", "version")),
        prediction.get("elapsed_ms", ""),
        *box,
        *(row.get(name, "") for name in ("photo", "error")),
    )


def _filename_map(paths: Iterable[Path]) -> _Format:
    """`{filename: {class_id, class_name}}` with the first label of each photo; no errors.

    Photos of one file name in several folders are called by their paths.
    """
    times = Counter(Path(path_text(path)).name for path in paths)

    def write(row: Row) -> str:
        if "error" in row:
            return ""
        name, best = Path(row["path"]).name, row["prediction"]["ranked"][0]
        key = name if times[name] == 1 else row["path"]
        value = {"class_id": best["class_id"], "class_name": best["label"]}
        return f"\n {json.dumps(key)}: {json.dumps(value)}"

    return _Format(write, "{", ",", "\n}\n")


def _sentences(row: Row, describe: Callable[[Row], str]) -> str:
    """A line for each car that was found, with its box; else one for the photo."""
    cars = [car for car in row.get("cars", []) if car["found_by"] != WHOLE]
    if not cars:
        return f"{row['path']}: {_answers(row, describe)}\n"
    boxes = (" ".join(f"{number:.2f}" for number in car["box"]) for car in cars)
    lines = zip(boxes, cars, strict=True)
    return "".join(f"{row['path']} [{box}]: {_answers(car, describe)}\n" for box, car in lines)


def _answers(row: Row, describe: Callable[[Row], str]) -> str:
    if "error" in row:
        return "not classified"
    if several := row.get("predictions"):
        return " · ".join(f"{each['model']['name']}: {describe(each)}" for each in several)
    return describe(row["prediction"])


@contextmanager
def open_writer(
    stream: IO[str], format: _Format, *, resumed: bool
) -> Iterator[Callable[[Row], None]]:
    """Yields what writes a row: a reader of the file sees it at once, and whole.

    The file ends properly, whatever stops it between two rows.
    """
    between, unwritable = "", False

    def write(row: Row) -> None:
        nonlocal between
        if text := format.write(row):
            stream.write(between + text)
            stream.flush()
            between = format.between

    if not resumed:
        stream.write(format.head)
    try:
        yield write
    except OSError:
        unwritable = True
        raise
    finally:
        if not unwritable:
            stream.write(format.tail)
            stream.flush()


def path_text(path: Path) -> str:
    """A path that every terminal and JSON reader takes, also when it is not UTF-8."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class Done:
    """What an interrupted file holds: paths, how many of them failed, and where it ends whole."""

    paths: frozenset[str] = frozenset()
    failed: int = 0
    end: int = 0


def read_done(out: Path, format: str, *, several: bool) -> Done:
    """What `out` holds already; nothing when there is no such file. Only whole lines count.

    When `several` models answer, the last photo of a table may lack some of its lines: it is left
    out. Raises `ExportError` for a file that this command did not write in this `format`.
    """
    if not out.exists():
        return Done()
    with out.open("rb") as stream:
        return _read_table(stream, out, several) if format == "csv" else _read_lines(stream, out)


def _read_lines(stream: IO[bytes], out: Path) -> Done:
    paths, failed, end = set(), 0, 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
            paths.add(row["path"])
            failed += "error" in row
        except (ValueError, KeyError, TypeError) as error:
            raise ExportError(
                f"Line {number} of {out} was not written by this command. "
                "Nothing was changed: name another file."
            ) from error
        end += len(line)
    return Done(frozenset(paths), failed, end)


def _read_table(stream: IO[bytes], out: Path, several: bool) -> Done:
    failed: dict[str, bool] = {}
    last, begin, end = "", 0, 0  # the last photo, and where its lines begin
    for number, record in enumerate(_records(stream)):
        try:
            cells = next(csv.reader(io.StringIO(record.decode("utf-8"), newline="")))
        except (UnicodeDecodeError, csv.Error):
            cells = []
        if len(cells) != len(COLUMNS) or (number == 0 and tuple(cells) != COLUMNS):
            raise ExportError(
                f"{out} is no table of this command. Nothing was changed: name another file."
            )
        if number:
            path = csv_safety.plain_cell(cells[0])
            if path not in failed:
                last, begin = path, end
            failed[path] = bool(cells[-1])
        end += len(record)
    if several and failed:
        end = begin
        del failed[last]
    return Done(frozenset(failed), sum(failed.values()), end)


def _records(stream: IO[bytes]) -> Iterable[bytes]:
    """The whole records of a table: a line end between quotes is part of a cell."""
    record = b""
    for line in stream:
        record += line
        if record.count(b'"') % 2 == 0 and record.endswith(b"\n"):
            yield record
            record = b""
