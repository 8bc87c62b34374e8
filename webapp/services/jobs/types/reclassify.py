"""The job that lets a version answer stored photos: the whole history, or what passes a filter."""

from collections.abc import Iterable

from webapp.domain import count
from webapp.errors import PhotoNotFoundError, PhotoRefusedError
from webapp.gallery_filter import filter_params, parse_filter
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import (
    JobType,
    Json,
    RunningJob,
    looking_title,
    parts_of,
    walk,
)
from webapp.services.jobs.queue import Job, Sender
from webapp.services.photos.bulk import Selection
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.storage.database import last_id
from webapp.storage.photos import bulk as storage
from webapp.storage.photos import photos
from webapp.storage.tables import Photo

# Photos that are listed between two looks whether the job was cancelled.
_LISTED = 5_000
_COUNTED = ("looked", "known", "gone")


def enqueue(
    registry: Registry, model: str, version: int, selection: Selection, sender: Sender
) -> Job:
    """Enqueue the job that lets a version look at all photos that match `selection`.

    Raises `ModelNotFoundError`, `BadCardError`, or what `queue.enqueue` raises.
    """
    registry.card(model, version)
    params = filter_params(selection.wanted)
    up_to = selection.up_to or last_id(Photo)
    asked = {"model": model, "version": version, "filter": params, "up_to": up_to}
    return queue.enqueue(JOB_TYPE, asked, looking_title(model, version, params), sender)


def _plan(job: RunningJob) -> list[Json]:
    """Parts of the photos that pass the filter now: the version's answers may change which do."""
    wanted, up_to = parse_filter(job.params["filter"]), job.params["up_to"]
    numbers: list[int] = []
    for _after, chunk in walk(lambda last: storage.next_numbers(wanted, last, up_to, _LISTED)):
        numbers += chunk
        job.progress(0)
    job.say(f"{len(numbers):,} photos to look at.")
    return parts_of(numbers)


def _do(job: RunningJob) -> Json:
    """Let the version answer the photos of one part. Its answers are the model's while it is live,
    else they are only kept.

    May run twice: a version that has answered a photo is not asked again.
    """
    tools, model, version = job.tools, job.params["model"], job.params["version"]
    classifiers = [tools.one_version(model, version)]
    pipeline = Pipeline(classifiers, tools.files, tools.limiter, tools.detector())
    standing = tools.registry.live_version(model) == version
    present = photos.photos_by_number(job.part["photos"])
    counts = dict.fromkeys(_COUNTED, 0) | {"gone": len(job.part["photos"]) - len(present)}
    for photo in present:
        try:
            asked = ask_models(photo, pipeline, standing=standing)
            counts["looked" if asked else "known"] += 1
        except (PhotoRefusedError, PhotoNotFoundError) as error:
            job.say(f"{photo.filename}: {error}")
            counts["gone"] += 1
        job.progress(sum(counts.values()), failed=counts["gone"])
    return counts | {"standing": standing}


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos the version answered, had answered before, and could not open."""
    parts = list(results)
    counts = {name: sum(part[name] for part in parts) for name in _COUNTED}
    standing = bool(parts) and parts[-1]["standing"]
    model, version = job.params["model"], job.params["version"]
    return {"model": model, "version": version, **counts, "standing": standing}


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    looked, known, gone = (result[name] for name in _COUNTED)
    if not looked + known + gone:
        return "No photo passed the filter, so there was nothing to look at."
    text = f"{result['model']} {result['version']} looked at {count(looked, 'photo')}"
    text += f"; {known:,} it had seen before." if known else "."
    if gone:
        text += f" {gone:,} could not be looked at: deleted meanwhile, or the file is damaged."
    if result["standing"]:
        return f"{text} These are the model's answers now."
    return f"{text} Its answers are kept beside the model's."


JOB_TYPE = JobType("rank", "Looking again", _do, plan=_plan, finish=_finish, summary=summary)
