"""What `flask photos classify` writes: the formats, row by row as they come, and where an interrupted file goes on."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from webapp.errors import ResultsError
from webapp.reports import csv_safety as cells

COLUMNS = (
    "path",
    "decision",
    "label",
    "confidence",
    "second",
    "second_confidence",
    "model",
    "version",
    "elapsed_ms",
    "photo",
    "error",
)
RESUMABLE = ("jsonl", "csv")
FORMATS = ("json", "csv", "jsonl", "filename-map")

Row = dict[str, Any]
"""A photo's `path` and its `prediction` (of several models also `predictions`), or its `error`.

Those that are stored have `photo` and `duplicate`."""


class Format(Protocol):
    """One way to write rows: what stands before the first, how each is written (the first one is told), what stands at the end."""

    head: str
    tail: str

    def row(self, row: Row, *, first: bool) -> str:
        """The text of a row, "" for one that has no place in this format."""
        ...


class JsonLines:
    """One JSON object on each line."""

    head = tail = ""

    def row(self, row: Row, *, first: bool) -> str:  # noqa: ARG002
        """See `Format`."""
        return json.dumps(row) + "\n"


class JsonList:
    """One list of JSON objects."""

    head, tail = "[", "\n]\n"

    def row(self, row: Row, *, first: bool) -> str:
        """See `Format`."""
        return ("\n" if first else ",\n") + json.dumps(row)


class Table:
    """A CSV table with a line for each photo and model."""

    tail = ""
    head = cells.to_csv(COLUMNS, [])

    def row(self, row: Row, *, first: bool) -> str:  # noqa: ARG002
        """See `Format`."""
        return cells.csv_lines(
            _cells(row, said) for said in row.get("predictions") or [row.get("prediction") or {}]
        )


class FilenameMap:
    """`{filename: {class_id, class_name}}` with the first label of each photo. Errors have no place in it.

    Photos of one file name in several folders are called by their paths.
    """

    head, tail = "{", "\n}\n"

    def __init__(self, paths: Iterable[Path]) -> None:
        self._times = Counter(Path(shown(path)).name for path in paths)

    def row(self, row: Row, *, first: bool) -> str:
        """See `Format`."""
        if "error" in row:
            return ""
        name, best = Path(row["path"]).name, row["prediction"]["ranked"][0]
        key = name if self._times[name] == 1 else row["path"]
        said = {"class_id": best["class_id"], "class_name": best["label"]}
        return ("\n " if first else ",\n ") + f"{json.dumps(key)}: {json.dumps(said)}"


class Sentences:
    """A line for people."""

    head = tail = ""

    def __init__(self, say: Callable[[Row], str]) -> None:
        """`say` puts a prediction into words."""
        self._say = say

    def row(self, row: Row, *, first: bool) -> str:  # noqa: ARG002
        """See `Format`."""
        if "error" in row:
            return f"{row['path']}: not ranked\n"
        several = row.get("predictions")
        if several:
            return (
                f"{row['path']}: "
                + " · ".join(f"{said['model']['name']}: {self._say(said)}" for said in several)
                + "\n"
            )
        return f"{row['path']}: {self._say(row['prediction'])}\n"


class Writer:
    """Writes rows as they come and ends the file properly, whatever stops it between two rows."""

    def __init__(self, stream: IO[str], format: Format, *, resumed: bool) -> None:
        self._stream, self._format, self._first = stream, format, True
        if not resumed:
            stream.write(format.head)

    def write(self, row: Row) -> None:
        """Write one row; a reader of the file sees it at once, and whole."""
        text = self._format.row(row, first=self._first)
        if text:
            self._first = False
            self._stream.write(text)
            self._stream.flush()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, OSError):
            self._stream.write(self._format.tail)
            self._stream.flush()


@dataclass(frozen=True)
class Kept:
    """What an interrupted file holds: the paths that are done, how many of them failed, and up to which byte it is whole."""

    paths: frozenset[str]
    failed: int
    end: int


def read_kept(out: Path, format: str, *, several: bool) -> Kept:
    """What `out` holds already; nothing when there is no such file. Only whole lines count.

    When `several` models answer, the last photo of a table may lack some of its lines: it is left out. Raises `ResultsError` when the file
    is none that this command wrote in this `format`, and `OSError`.
    """
    if not out.exists():
        return Kept(frozenset(), 0, 0)
    with out.open("rb") as stream:
        return (
            _read_table(stream, out, several=several)
            if format == "csv"
            else _read_lines(stream, out)
        )


def shown(path: Path) -> str:
    """A path as text that every terminal and JSON reader takes, also when its name is not UTF-8."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def _read_lines(stream: IO[bytes], out: Path) -> Kept:
    paths, failed, end = set(), 0, 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
            paths.add(row["path"])
            failed += "error" in row
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(
                f"Line {number} of {out} is none of this command. Nothing was changed: name another file."
            ) from error
        end += len(line)
    return Kept(frozenset(paths), failed, end)


def _read_table(stream: IO[bytes], out: Path, *, several: bool) -> Kept:
    done: dict[str, bool] = {}
    begins: dict[str, int] = {}
    end = 0
    for number, record in enumerate(_records(stream)):
        try:
            cells_of = next(csv.reader(io.StringIO(record.decode("utf-8"), newline="")))
        except (UnicodeDecodeError, csv.Error) as error:
            raise _no_table(out) from error
        if number == 0:
            if tuple(cells_of) != COLUMNS:
                raise _no_table(out)
        elif len(cells_of) != len(COLUMNS):
            raise _no_table(out)
        else:
            path = cells.plain_cell(cells_of[0])
            begins.setdefault(path, end)
            done[path] = bool(cells_of[-1])
        end += len(record)
    if several and begins:
        last, end = max(begins.items(), key=lambda one: one[1])
        del done[last]
    return Kept(frozenset(done), sum(done.values()), end)


def _records(stream: IO[bytes]) -> Iterable[bytes]:
    """The whole records of a table: a line end between quotes is part of a cell."""
    record = b""
    for line in stream:
        record += line
        if record.count(b'"') % 2 == 0 and record.endswith(b"\n"):
            yield record
            record = b""


def _no_table(out: Path) -> ResultsError:
    return ResultsError(
        f"{out} is no table of this command. Nothing was changed: name another file."
    )


def _cells(row: Row, said: dict[str, Any]) -> tuple[object, ...]:
    second = (said.get("ranked") or [{}, {}])[1]
    model = said.get("model", {})
    return (
        row["path"],
        said.get("decision", ""),
        said.get("label", ""),
        said.get("confidence", ""),
        second.get("label", ""),
        second.get("probability", ""),
        model.get("name", ""),
        model.get("version", ""),
        said.get("elapsed_ms", ""),
        row.get("photo", ""),
        row.get("error", ""),
    )
