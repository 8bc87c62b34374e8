"""Tables that people open in a spreadsheet: written so that no cell is taken for a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

# how a formula may begin (OWASP, CSV injection)
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(cell: object) -> object:
    """A text that begins like a formula gets an apostrophe in front; all else stays.

    So does one with an apostrophe before a formula: `plain_cell` gives back what it was.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip("'").startswith(_RISKY) else cell


def plain_cell(cell: str) -> str:
    """What `safe_cell` was given."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_RISKY) else cell


def to_csv(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a heading. None is an empty cell."""
    return csv_lines([heading]) + csv_lines(rows)


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Lines of a table without a heading. None is an empty cell."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(
        [safe_cell("" if cell is None else cell) for cell in row] for row in rows
    )
    return stream.getvalue()
