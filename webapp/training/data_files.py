"""Files of data folders: lists of them, tables, and which photo a name means."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from webapp.errors import TrainingError

Row = dict[str, str]


def files_in(folder: Path) -> list[Path]:
    """The files below a folder in the order of their names, without hidden ones."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if not path.name.startswith(".")]


def inside(folder: Path, name: str) -> Path:
    """A path below the data folder that is there and does not lead out of it.

    Raises `TrainingError`.
    """
    path = folder / name
    if not path.exists() or not path.resolve().is_relative_to(folder.resolve()):
        raise TrainingError(f"There is no {name} in {folder}.")
    return path


class FileIndex:
    """The files below a folder by what lists call them: a path or only the name of the file, both
    with or without its ending."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, list[Path]] = defaultdict(list)
        self._names: dict[str, list[Path]] = defaultdict(list)
        for path in files_in(folder):
            relative = path.relative_to(folder)
            for text in {relative.as_posix(), relative.with_suffix("").as_posix()}:
                self._paths[text].append(path)
            for text in {path.name, path.stem}:
                self._names[text].append(path)

    def find(self, name: str) -> list[Path]:
        """The files that `name` may mean. Its first folders may be unknown here: the longest end
        of it that is the path of a file counts, and without any the name of the file."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        paths = next((self._paths[end] for end in ends if end in self._paths), [])
        return paths or self._names.get(parts[-1] if parts else "", [])


# ---- tables ----


def tables_in(folder: Path) -> list[Path]:
    """The .csv and .tsv files that lie in a folder itself, in the order of their names."""
    files = (path for path in folder.iterdir() if path.is_file())
    return sorted(path for path in files if path.suffix.lower() in (".csv", ".tsv"))


def table_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number, from 1, and cells of each line that is not empty. Raises `TrainingError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max("\t,;", key=text.partition("\n")[0].count)
        lines = csv.reader(text.splitlines(), delimiter=delimiter)
        return [(lines.line_num, [cell.strip() for cell in line]) for line in lines if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"The table {path.name} cannot be read: {error}") from error


def table_rows(path: Path, headings: Sequence[str] = ()) -> list[tuple[int, Row]]:
    """Number of each line of a table, and its cells by column. `headings` name the columns of a
    table without a heading. Raises `TrainingError` for a table without lines or with ragged ones.
    """
    lines = table_lines(path)
    columns = list(headings) or (lines.pop(0)[1] if lines else [])
    if not lines:
        raise TrainingError(f"The table {path.name} has no line for a photo.")
    for number, cells in lines:
        if len(cells) != len(columns):
            raise TrainingError(
                f"The table {path.name} has {len(columns)} columns, but not in line {number}."
            )
    return [(number, dict(zip(columns, cells, strict=True))) for number, cells in lines]
