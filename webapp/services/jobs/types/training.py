"""The job that trains the next version of a model from the labelled cars of the history."""

import json
from importlib.util import find_spec
from pathlib import Path

from webapp.domain import LONG, count
from webapp.errors import ModelError, StorageFullError, TrainingError
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.lock import alone_in
from webapp.services.jobs.queue import Job, JobView, Sender
from webapp.services.photos.spool import Spool
from webapp.services.training.history import require_photos
from webapp.services.training.quick import compare_with_base, read_progress, train_quick

_MADE = "made.json"  # in the folder of the job: its result, once the version is there


def enqueue(registry: Registry, name: str, sender: Sender) -> Job:
    """Train a model's last layer on what the history holds; while one is in training, that job.

    Raises `TrainingError` when there is too little to learn from or nothing to train with,
    `ModelNotFoundError`, `BadCardError`, or what `queue.enqueue` raises.
    """
    running = last(name)
    if running is not None and not running.over:
        return running.job
    if trouble := cannot_train():
        raise TrainingError(trouble)
    photos = require_photos(registry, name)
    title = f"{name} {photos.card.version} learns from {count(photos.cars, 'car')}"
    return queue.enqueue(JOB_TYPE, {"model": name}, title, sender)


def cannot_train() -> str:
    """Why this server cannot train at all; "" when it can."""
    if find_spec("tensorflow") is None or find_spec("scipy") is None:
        return (
            "This server was installed to serve only: training needs what requirements.txt lists."
        )
    return ""


def last(name: str) -> JobView | None:
    """The newest training of a model; None when there was none in a while."""
    return queue.latest(JOB_TYPE, model=name)


def losses_of(job: Job, data: Path) -> list[float]:
    """The loss after each step so far of a job that runs; empty once it is over."""
    losses: list[float] = read_progress(Spool(data, job.public_id).folder)["losses"]
    return losses


def _do(job: RunningJob) -> Json:
    """Train, publish, and let both versions answer; returns the name, both versions, and so on.

    May run twice: two never run at once (a lock on the job's folder), embeddings that are known are
    not computed again, a version appears by one rename, and what was published and noted is not
    trained again. Killed between the rename and the note, the same version is published once more.
    """
    folder = Spool(job.tools.config.data, job.id).folder
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone_in(folder, job):
            made = _made(folder)
            if made is None:
                name = job.params["model"]
                made = train_quick(job.tools, name, folder, job.progress, job.say)
                (folder / _MADE).write_text(json.dumps(made), encoding="utf-8")
            job.say(f"{made['name']} {made['version']} is there. Both versions answer.")
            try:
                compare_with_base(job.tools, made, job.progress)
            except ModelError as error:  # the version is there all the same
                job.say(f"They cannot be compared: {error}")
    except OSError as error:
        raise StorageFullError(
            "The server's disk is full or cannot be written. Tell the admin."
        ) from error
    return made


def _made(folder: Path) -> Json | None:
    """What a run in this folder that published a version wrote down, None without one."""
    try:
        made: Json = json.loads((folder / _MADE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return made


def _summary(result: Json) -> str:
    new = result["new_labels"]
    learned = f", {', '.join(new)} among them for the first time" if new else ""
    cars = count(result["cars"], "car")
    return (
        f"{result['name']} {result['version']} learned from {cars}{learned}. "
        f"It waits beside version {result['base']} until somebody lets it serve."
    )


JOB_TYPE = JobType(
    "train",
    "Training",
    _do,
    clear=lambda job_id, _params, tools: Spool(tools.config.data, job_id).clear(),
    queue=LONG,
    summary=_summary,
    in_percent=True,
)
