"""The job that lets a rule of keeping go through the history: one batch, which can be brought back for some days."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import Job, Sender
from webapp.services.photos.deletion import CHUNK, GRACE
from webapp.storage.database import writing
from webapp.storage.photos import deletion as storage
from webapp.storage.photos.bulk import count_batch
from webapp.storage.tables import now

LEAST_PART, MOST_PARTS = CHUNK, 200


def enqueue(per_class: int, older_than: timedelta, sender: Sender) -> Job:
    """Put in the job that keeps `per_class` photos of each class and deletes older ones; returns it and whether it is new.

    The age is counted from now, however long the job waits. Raises what `queue.enqueue` raises.
    """
    asked = {"per_class": per_class, "before": (now() - older_than).isoformat()}
    title = f"Keep {per_class:,} of each class"
    return queue.enqueue(JOB_TYPE, asked, title, sender)


def plan(job: RunningJob) -> list[Json]:
    """The numbers of the photos that go. Planning changes nothing."""
    numbers = storage.surplus_numbers(
        job.params["per_class"], datetime.fromisoformat(job.params["before"])
    )
    size = max(LEAST_PART, -(-len(numbers) // MOST_PARTS))
    job.say(f"{len(numbers):,} photos go.")
    return [
        {"numbers": numbers[at : at + size], "total": len(numbers[at : at + size])}
        for at in range(0, len(numbers), size)
    ]


def do(job: RunningJob) -> Json:
    """Delete the photos of one part, a chunk in a transaction; those that got a label or a star meanwhile stay.

    May run twice: a photo that is deleted already is left alone.
    """
    numbers = job.part["numbers"]
    for at in range(0, len(numbers), CHUNK):
        with writing():
            storage.put_away(numbers[at : at + CHUNK], job.id, job.who.name, labelled=False)
        job.progress(min(at + CHUNK, len(numbers)))
    return {"met": len(numbers)}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos were deleted, counted from what is stored, and the batch to undo. Counting twice gives the same."""
    changed, met = count_batch(job.id, labels=False), sum(one["met"] for one in results)
    return {
        "changed": changed,
        "skipped": max(0, met - changed),
        "batch": job.id if changed else None,
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


JOB_TYPE = JobType(name="keep", title="Keeping", plan=plan, do=do, finish=finish, summary=summary)
