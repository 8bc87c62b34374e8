"""The job that lets a rule of keeping go through the history: one batch, which can be brought back for some days."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from webapp.domain import Who
from webapp.services.jobs.job_type import Json, Kind, Work
from webapp.services.jobs.queue import Job, Owner, Ring, put_in
from webapp.services.photos.deletion import CHUNK, GRACE
from webapp.storage.database import writing
from webapp.storage.photos import deletion as storage
from webapp.storage.photos.bulk import count_batch
from webapp.storage.tables import now

LEAST_PART, MOST_PARTS = CHUNK, 200


def put_in_rule(
    per_class: int, older_than: timedelta, *, owner: Owner, who: Who, ring: Ring, key: str = ""
) -> tuple[Job, bool]:
    """Put in the job that keeps `per_class` photos of each class and deletes older ones; returns it and whether it is new.

    The age is counted from now, however long the job waits. Raises what `jobs.put_in` raises.
    """
    asked = {"per_class": per_class, "before": (now() - older_than).isoformat()}
    title = f"Keep {per_class:,} of each class"
    return put_in(KIND, asked, title=title, owner=owner, who=who, ring=ring, key=key)


def plan(work: Work) -> list[Json]:
    """The numbers of the photos that go. Planning changes nothing."""
    numbers = storage.surplus_numbers(
        work.asked["per_class"], datetime.fromisoformat(work.asked["before"])
    )
    size = max(LEAST_PART, -(-len(numbers) // MOST_PARTS))
    work.say(f"{len(numbers):,} photos go.")
    return [
        {"numbers": numbers[at : at + size], "total": len(numbers[at : at + size])}
        for at in range(0, len(numbers), size)
    ]


def do(work: Work) -> Json:
    """Delete the photos of one part, a chunk in a transaction; those that got a label or a star meanwhile stay.

    May run twice: a photo that is deleted already is left alone.
    """
    numbers = work.part["numbers"]
    for at in range(0, len(numbers), CHUNK):
        with writing():
            storage.put_away(numbers[at : at + CHUNK], work.job_id, work.who.name, labelled=False)
        work.progress(min(at + CHUNK, len(numbers)))
    return {"met": len(numbers)}


def finish(work: Work, results: Iterable[Json]) -> Json:
    """How many photos were deleted, counted from what is stored, and the batch to undo. Counting twice gives the same."""
    changed, met = count_batch(work.job_id, labels=False), sum(one["met"] for one in results)
    return {
        "changed": changed,
        "skipped": max(0, met - changed),
        "batch": work.job_id if changed else None,
    }


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    changed, skipped = result["changed"], result["skipped"]
    left = (
        f" {skipped:,} stayed, for they were labelled, starred or deleted meanwhile."
        if skipped
        else ""
    )
    if not changed:
        return f"Nothing was deleted.{left}" if skipped else "Nothing had to go."
    return f"{changed:,} photo{'' if changed == 1 else 's'} deleted. For good in {GRACE.days} days.{left}"


KIND = Kind(name="keep", title="Keeping", plan=plan, do=do, finish=finish, summary=summary)
