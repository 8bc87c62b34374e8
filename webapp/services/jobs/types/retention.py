"""The job that applies the retention rule: one batch, which can be brought back for some days."""

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

_LEAST_PART, _MOST_PARTS = CHUNK, 200


def enqueue(per_class: int, older_than: timedelta, sender: Sender) -> Job:
    """Enqueue the job that keeps `per_class` photos of each class and deletes older ones. The age
    is counted from now, however long the job waits."""
    params = {"per_class": per_class, "before": (now() - older_than).isoformat()}
    return queue.enqueue(JOB_TYPE, params, f"Keep {per_class:,} of each class", sender)


def plan(job: RunningJob) -> list[Json]:
    """The numbers of the photos that go. Planning changes nothing."""
    before = datetime.fromisoformat(job.params["before"])
    numbers = storage.surplus_numbers(job.params["per_class"], before)
    job.say(f"{len(numbers):,} photos go.")
    size = max(_LEAST_PART, -(-len(numbers) // _MOST_PARTS))
    parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return [{"numbers": part, "total": len(part)} for part in parts]


def do(job: RunningJob) -> Json:
    """Delete the photos of one part, a chunk in a transaction; those that got a label or a star
    meanwhile stay. May run twice: a photo that is deleted already is left alone."""
    numbers = job.part["numbers"]
    for start in range(0, len(numbers), CHUNK):
        with writing():
            storage.put_away(numbers[start : start + CHUNK], job.id, job.who.name, labelled=False)
        job.progress(min(start + CHUNK, len(numbers)))
    return {"met": len(numbers)}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos were deleted, counted from what is stored, and the batch to undo. Counting
    twice gives the same."""
    changed, met = count_batch(job.id, labels=False), sum(result["met"] for result in results)
    return {
        "changed": changed,
        "skipped": max(0, met - changed),
        "batch": job.id if changed else None,
    }


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    changed, skipped, left = result["changed"], result["skipped"], ""
    if skipped:
        left = f" {skipped:,} stayed, for they were labelled, starred or deleted meanwhile."
    if not changed:
        return f"Nothing was deleted.{left}" if skipped else "Nothing had to go."
    number = f"{changed:,} photo{'' if changed == 1 else 's'}"
    return f"{number} deleted. For good in {GRACE.days} days.{left}"


JOB_TYPE = JobType(name="keep", title="Retention", plan=plan, do=do, finish=finish, summary=summary)
