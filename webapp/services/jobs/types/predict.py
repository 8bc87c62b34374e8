"""The job that classifies a stored photo, whose state can be asked for afterwards."""

from webapp.errors import JobNotFoundError
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.services.jobs.parts import claim_part, do_part
from webapp.services.jobs.queue import EVERYBODY, Job, JobView, Sender, get_job, worker_seen
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.services.photos.gallery import get_photo
from webapp.storage.tables import Photo

_UNKNOWN = "There is no such task."


def enqueue(photo: Photo, sender: Sender) -> Job:
    """Let the site's model look at a photo. Raises what `queue.enqueue` raises."""
    return queue.enqueue(JOB_TYPE, {"photo": photo.public_id}, photo.filename, sender)


def predict(photo: Photo, sender: Sender, tools: Tools) -> str:
    """The same, by the job's id. Without a worker it is done when this comes back."""
    job_id = enqueue(photo, sender).public_id
    _do_without_worker(job_id, tools)
    return job_id


def state_of(job_id: str, tools: Tools) -> JobView:
    """The job as it stands, for everybody who knows its id.

    One that waits while no worker was seen for a minute is done first, in this process. Raises
    `JobNotFoundError`, also for jobs of another type.
    """
    try:
        view = get_job(job_id, EVERYBODY)
    except JobNotFoundError as error:
        raise JobNotFoundError(_UNKNOWN) from error
    if view.job.type != JOB_TYPE.name:
        raise JobNotFoundError(_UNKNOWN)
    if not view.over:
        _do_without_worker(job_id, tools)
    return get_job(job_id, EVERYBODY)


def _do_without_worker(job_id: str, tools: Tools) -> None:
    if worker_seen():
        return
    claim = claim_part({JOB_TYPE.name: JOB_TYPE}, "web", only=job_id)
    if claim is not None:
        do_part(claim, JOB_TYPE, tools)


def _do(job: RunningJob) -> Json:
    """Let the site's model classify the photo. May run twice: it is not asked twice."""
    tools, photo = job.tools, get_photo(job.params["photo"])
    classifiers = tools.classifiers("")
    ask_models(photo, Pipeline(classifiers, tools.files, tools.limiter, tools.detector()))
    return {"photo": job.params["photo"]}


JOB_TYPE = JobType(
    "predict", "Prediction", _do, summary=lambda _result: "The photo has its answer."
)
