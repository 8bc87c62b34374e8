"""Ranking a photo that is here already, as a job whose state can be asked for afterwards."""

from webapp.domain import QUEUED, RUNNING, Who
from webapp.errors import JobNotFoundError
from webapp.services.jobs.job_type import Json, Kind, Tools, Work
from webapp.services.jobs.queue import Job, JobView, Owner, Ring, get_job, put_in, somebody_works
from webapp.services.jobs.worker import do_here
from webapp.services.photos.classify import ask_models
from webapp.storage.tables import Photo

ANYBODY = Owner("", all=True)
UNKNOWN = "There is no such task."


def put_in_photo(
    photo: Photo, *, owner: Owner, who: Who, ring: Ring, key: str = ""
) -> tuple[Job, bool]:
    """Put in that the site's model looks at a photo; returns the job and whether it is new. Raises what `jobs.put_in` raises."""
    return put_in(
        KIND,
        {"photo": photo.public_id},
        title=photo.filename,
        owner=owner,
        who=who,
        ring=ring,
        key=key,
    )


def predict(photo: Photo, *, owner: Owner, who: Who, ring: Ring, tools: Tools) -> str:
    """The same, by the job's id. Without a worker it is done when this comes back."""
    job, _fresh = put_in_photo(photo, owner=owner, who=who, ring=ring)
    _help_out(job.public_id, tools)
    return job.public_id


def how_it_stands(job_id: str, *, tools: Tools) -> JobView:
    """The job, as it stands for whoever knows its id. One that waits while no worker was seen for a minute is done first, here.

    Raises `JobNotFoundError`, also for jobs of another kind.
    """
    try:
        view = get_job(job_id, ANYBODY)
    except JobNotFoundError as error:
        raise JobNotFoundError(UNKNOWN) from error
    if view.job.kind != KIND.name:
        raise JobNotFoundError(UNKNOWN)
    if view.state in (QUEUED, RUNNING):
        _help_out(job_id, tools)
    return get_job(job_id, ANYBODY)


def _help_out(job_id: str, tools: Tools) -> None:
    """Nobody may wait for ever for a worker that is not there."""
    if not somebody_works():
        do_here(job_id, KIND, tools)


def do(work: Work) -> Json:
    """Let the site's model look at the photo.

    May run twice: a model that has looked at a photo is not asked again.
    """
    classifiers = work.tools.classifiers("")
    ask_models(
        work.asked["photo"],
        classifiers=classifiers,
        files=work.tools.files,
        limiter=work.tools.limiter,
    )
    return {"photo": work.asked["photo"]}


KIND = Kind(
    name="predict", title="Prediction", do=do, summary=lambda _result: "The photo has its answer."
)
