"""Are the counters of the statistics those of a full count, and if not: count again."""

from collections.abc import Iterator
from dataclasses import dataclass

from webapp.storage.database import writing
from webapp.storage.photos import bulk
from webapp.storage.stats import counters

_CHUNK = 5_000  # photos that are counted anew in one transaction


@dataclass(frozen=True)
class _CounterCheck:
    """How many checked answers, and how many sums of them, differ from a full count."""

    answers: int
    sums: int

    @property
    def right(self) -> bool:
        """Nothing differs."""
        return not self.answers and not self.sums

    @property
    def text(self) -> str:
        """A line about it."""
        if self.right:
            return "the sums are those of a full count"
        return f"{self.answers:,} answers and {self.sums:,} sums differ from a full count"


def check_counters() -> _CounterCheck:
    """Compare with a full count, which takes seconds for a million photos. Changes nothing."""
    return _CounterCheck(*counters.differences())


def recount() -> Iterator[int]:
    """Count everything again, a chunk of photos per transaction, so that uploads come in between.

    Yields the number of the last photo of each chunk; the sums are rebuilt at the end.
    """
    last = bulk.last_number()
    for start in range(0, last, _CHUNK):
        with writing():
            counters.recount(counters.numbered(start + 1, start + _CHUNK))
        yield min(start + _CHUNK, last)
    with writing():
        counters.rebuild_sums()
