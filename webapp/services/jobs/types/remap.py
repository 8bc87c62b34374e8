"""The job that brings photos and answers up to date after labels were merged or split."""

from webapp.domain import LONG, SUCCEEDED
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import EVERYBODY, JobView, Sender
from webapp.services.labels.remap import Editor, update_answers, update_cars
from webapp.storage.database import last_id
from webapp.storage.tables import Prediction

_PART = 10_000  # answers in a part


def editor(registry: Registry, sender: Sender) -> Editor:
    """Somebody who edits label sets, with this job for large edits."""

    def add(model: str) -> None:
        queue.add_job(JOB_TYPE, {"model": model}, f"Labels of {model}", sender)

    return Editor(sender.who, registry, add)


def latest_job(model: str) -> JobView | None:
    """The newest job of this type for a model, None when there is none."""
    return queue.latest(JOB_TYPE, model=model)


def go_on(model: str, sender: Sender) -> None:
    """Go on with the newest job where that failed or was cancelled; else enqueue one, unless one is
    at work."""
    job = latest_job(model)
    if job is None or job.state == SUCCEEDED:
        queue.enqueue(JOB_TYPE, {"model": model}, f"Labels of {model}", sender)
    elif job.over:
        queue.retry_job(job.job.public_id, EVERYBODY, sender.who)


def _plan(_job: RunningJob) -> list[Json]:
    """Photos, and ranges of numbers of predictions."""
    last = last_id(Prediction)
    ranges = [
        {"what": "answers", "after": start, "to": start + _PART, "total": min(_PART, last - start)}
        for start in range(0, last, _PART)
    ]
    return [{"what": "photos"}, *ranges]


def _do(job: RunningJob) -> Json:
    """Bring the photos, or the answers of one range, up to date. May run twice: what is up to date
    already stays."""
    model, part = job.params["model"], job.part
    if part["what"] == "photos":
        update_cars(model)
    else:
        for done in update_answers(job.tools.registry, model, part["after"], part["to"]):
            job.progress(done)
    return {}


JOB_TYPE = JobType(
    "reread",
    "Labels brought up to date",
    _do,
    plan=_plan,
    finish=lambda _job, _results: {},
    queue=LONG,
    summary=lambda _result: "Every photo and answer has its labels as they are now.",
)
