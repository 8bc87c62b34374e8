"""Is what the stats read what a full count gives, and if not: count again."""

from collections.abc import Iterator
from dataclasses import dataclass

from webapp.storage.database import writing
from webapp.storage.photos import bulk as many
from webapp.storage.stats import counters as tally

CHUNK = 5_000
"""Photos that are counted anew in one transaction."""


@dataclass(frozen=True)
class Checked:
    """How many checked answers, and how many sums of them, are not those of a full count."""

    answers: int
    sums: int

    @property
    def right(self) -> bool:
        """Nothing differs."""
        return not self.answers and not self.sums

    @property
    def words(self) -> str:
        """A line about it."""
        if self.right:
            return "the sums are those of a full count"
        return f"{self.answers:,} answers and {self.sums:,} sums differ from a full count"


def check_tally() -> Checked:
    """Compare with a full count, which takes seconds for a million photos. Changes nothing."""
    return Checked(*tally.differences())


def recount() -> Iterator[int]:
    """Count everything again, a chunk of photos in a transaction of its own, so that uploads come in between; the sums at the end.

    Gives the number of the photo that it has come to, chunk by chunk.
    """
    last = many.last_number()
    for start in range(0, last, CHUNK):
        with writing():
            tally.recount(tally.numbered(start + 1, start + CHUNK))
        yield min(start + CHUNK, last)
    with writing():
        tally.rebuild_sums()
