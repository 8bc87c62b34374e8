"""The job that applies the retention rule: one batch, which can be brought back for some days."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from webapp.domain import count
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, batch_result, cut
from webapp.services.jobs.queue import Job, Sender
from webapp.services.photos.deletion import CHUNK, GRACE
from webapp.storage.database import writing
from webapp.storage.photos import deletion as storage
from webapp.storage.photos.bulk import count_batch
from webapp.storage.tables import now


def enqueue(per_class: int, older_than: timedelta, sender: Sender) -> Job:
    """Enqueue the job that keeps `per_class` photos of each class and deletes older ones. The age
    is counted from now, however long the job waits."""
    params = {"per_class": per_class, "before": (now() - older_than).isoformat()}
    return queue.enqueue(JOB_TYPE, params, f"Keep {per_class:,} of each class", sender)


def _plan(job: RunningJob) -> list[Json]:
    before = datetime.fromisoformat(job.params["before"])
    numbers = storage.surplus_numbers(job.params["per_class"], before)
    job.say(f"{len(numbers):,} photos go.")
    return [{"numbers": part, "total": len(part)} for part in cut(numbers, CHUNK, CHUNK)]


def _do(job: RunningJob) -> Json:
    """Delete the photos of one part; those that got a label or a star meanwhile stay. May run
    twice: a photo that is deleted already is left alone."""
    numbers = job.part["numbers"]
    with writing():
        storage.put_away(numbers, job.id, job.who.name, labelled=False)
    return {"met": len(numbers)}


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """Counted from what is stored, so that twice gives the same."""
    met = sum(result["met"] for result in results)
    return batch_result(job, count_batch(job.id, labels=False), met)


def _summary(result: Json) -> str:
    changed, skipped, left = result["changed"], result["skipped"], ""
    if skipped:
        left = f" {skipped:,} stayed, for they were labelled, starred or deleted meanwhile."
    if not changed:
        return f"Nothing was deleted.{left}" if skipped else "Nothing had to go."
    return f"{count(changed, 'photo')} deleted. For good in {GRACE.days} days.{left}"


JOB_TYPE = JobType("keep", "Retention", _do, plan=_plan, finish=_finish, summary=_summary)
