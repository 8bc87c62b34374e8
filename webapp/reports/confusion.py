"""A confusion matrix: what was taken for what."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED
from webapp.reports.csv_safety import to_csv


def heat(count: int, most: int, *, hit: bool) -> str:
    """The class of a cell: "hit" on the diagonal, else "h1" to "h4"; a lone mistake is never h4."""
    return "hit" if hit else f"h{max(1, math.ceil(4 * count / max(most, 4)))}"


@dataclass(frozen=True)
class ConfusionMatrix:
    """Photos by ground truth (rows) and what was said (columns): labels, parents of labels, "none",
    `UNCLASSIFIED`. `parents` are those that count as right for a label."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: dict[tuple[str, str], int]
    parents: Mapping[str, str] = field(default_factory=dict)

    def is_hit(self, truth: str, decision: str) -> bool:
        """True on the diagonal and for the right parent; no name is the right answer to "none of
        these"."""
        if truth == NONE_OF_THESE:
            return decision in (truth, UNCLASSIFIED)
        return decision in (truth, self.parents.get(truth))

    @cached_property
    def _most_wrong(self) -> int:
        wrong = (
            n
            for (truth, decision), n in self.counts.items()
            if decision != UNCLASSIFIED and not self.is_hit(truth, decision)
        )
        return max(wrong, default=0)

    def look(self, truth: str, decision: str, n: int) -> str:
        """The class of a cell with this count: "", "hit", "unsure", or "h1" to "h4" by how often it
        went wrong."""
        hit = self.is_hit(truth, decision)
        if not n or (decision == UNCLASSIFIED and not hit):
            return "unsure" if n else ""
        return heat(n, self._most_wrong, hit=hit)

    def to_csv(self) -> str:
        """A row for each truth, a column for each decision."""
        rows = [
            (truth, *(self.counts.get((truth, decision), 0) for decision in self.columns))
            for truth in self.rows
        ]
        return to_csv(("truth", *self.columns), rows)
