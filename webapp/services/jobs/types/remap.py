"""The job that brings photos and answers up to date after labels were merged, split or put back.

Photos are one part, answers are cut by their numbers. A part may run twice: what is up to date
already stays.
"""

from collections.abc import Iterable

from webapp.domain import LONG, SUCCEEDED
from webapp.inference.models.registry import Registry
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import (
    JobView,
    Owner,
    Sender,
    add_job,
    enqueue,
    latest,
    retry_job,
)
from webapp.services.labels.remap import Editor, update_answers, update_photos
from webapp.storage.labels import edits

_MOST_PARTS = 200
_LEAST = 10_000  # answers in a part


def editor(registry: Registry, sender: Sender) -> Editor:
    """Somebody who edits label sets, with this job for large edits."""

    def add(model: str) -> None:
        add_job(JOB_TYPE, {"model": model}, f"Labels of {model}", sender)

    return Editor(sender.who, registry, add)


def latest_job(model: str) -> JobView | None:
    """The newest job of this type for a model, None when there is none."""
    return latest(JOB_TYPE, model=model)


def go_on(model: str, sender: Sender) -> None:
    """Go on with the newest job where that failed or was cancelled; else enqueue one, unless one is
    at work."""
    job = latest_job(model)
    if job is None or job.state == SUCCEEDED:
        enqueue(JOB_TYPE, {"model": model}, f"Labels of {model}", sender)
    elif job.over:
        retry_job(job.job.public_id, Owner("", all=True), sender.who)


def plan(_job: RunningJob) -> list[Json]:
    """Photos, and ranges of numbers of predictions."""
    last = edits.last_prediction()
    size = max(_LEAST, -(-last // _MOST_PARTS))
    ranges = [
        {"what": "answers", "after": start, "to": start + size, "total": min(size, last - start)}
        for start in range(0, last, size)
    ]
    return [{"what": "photos"}, *ranges]


def do(job: RunningJob) -> Json:
    """Bring the photos, or the answers of one range, up to date."""
    if job.part["what"] == "photos":
        update_photos(job.params["model"])
        return {}
    numbers = job.part["after"], job.part["to"]
    for done in update_answers(job.tools.registry, job.params["model"], *numbers):
        job.progress(done)
    return {}


def finish(_job: RunningJob, _results: Iterable[Json]) -> Json:
    """Nothing beside the summary."""
    return {}


JOB_TYPE = JobType(
    name="reread",
    title="Labels brought up to date",
    plan=plan,
    do=do,
    finish=finish,
    queue=LONG,
    summary=lambda _result: "Every photo and answer has its labels as they are now.",
)
