"""Are the counters of the statistics those of a full count, and if not: count again."""

from collections.abc import Iterator

from webapp.storage.database import last_id, writing
from webapp.storage.stats import counters
from webapp.storage.tables import Car

_CHUNK = 5_000  # cars that are counted anew in one transaction


def check_counters() -> tuple[bool, str]:
    """Compare with a full count, which takes seconds for a million photos: are they right, and a
    line about it. Changes nothing."""
    answers, sums = counters.differences()
    if not answers and not sums:
        return True, "the sums are those of a full count"
    return False, f"{answers:,} answers and {sums:,} sums differ from a full count"


def recount() -> Iterator[int]:
    """Count everything again, a chunk of cars per transaction, so that uploads come in between.

    Yields the number of the last car of each chunk; the sums are rebuilt at the end.
    """
    last = last_id(Car)
    for start in range(0, last, _CHUNK):
        with writing():
            counters.recount(range(start + 1, start + _CHUNK + 1))
        yield min(start + _CHUNK, last)
    with writing():
        counters.rebuild_sums()
