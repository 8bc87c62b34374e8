"""The job that lets the detector look at stored photos: the whole history, or what passes a
filter."""

from collections.abc import Iterable

from webapp.domain import ALL_MODELS, count
from webapp.errors import JobRefusedError, PhotoNotFoundError, PhotoRefusedError
from webapp.gallery_filter import filter_params, parse_filter
from webapp.inference.detector import Detector
from webapp.services.cars.look_again import look_again
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
from webapp.services.photos.classify import Pipeline
from webapp.storage.cars.cars import unseen_photos
from webapp.storage.database import last_id
from webapp.storage.photos import bulk as storage
from webapp.storage.photos import photos
from webapp.storage.tables import Photo

_LISTED = 5_000  # photos that are listed between two looks whether the job was cancelled
_COUNTED = ("looked", "known", "gone")


def enqueue(detector: Detector | None, selection: Selection, sender: Sender) -> Job:
    """Enqueue the job that lets the live detector look at all photos that match `selection` and at
    which neither it nor a later version has looked.

    Raises `JobRefusedError` without a detector, or what `queue.enqueue` raises.
    """
    if detector is None:
        raise JobRefusedError(
            "No detector is live, so nobody can look for cars. Train one with flask model train "
            "car-detector, or set MARQUE_DETECTOR=on."
        )
    params = filter_params(selection.wanted)
    name, version = detector.card.name, detector.card.version
    asked = {"detector": name, "version": version, "filter": params}
    asked["up_to"] = selection.up_to or last_id(Photo)
    return queue.enqueue(JOB_TYPE, asked, looking_title(name, version, params), sender)


def _plan(job: RunningJob) -> list[Json]:
    """Parts of the photos that pass the filter now and that wait to be looked at."""
    wanted, up_to = parse_filter(job.params["filter"]), job.params["up_to"]
    numbers: list[int] = []
    for _after, chunk in walk(lambda last: storage.next_numbers(wanted, last, up_to, _LISTED)):
        numbers += unseen_photos(chunk, job.params["version"])
        job.progress(0)
    job.say(f"{len(numbers):,} photos to look at.")
    return parts_of(numbers)


def _do(job: RunningJob) -> Json:
    """Let the detector look at the photos of one part, a transaction for each, and every live model
    classify what it finds.

    May run twice: a photo that this version has looked at is passed over.
    """
    tools = job.tools
    classifiers = tools.classifiers(ALL_MODELS)
    pipeline = Pipeline(classifiers, tools.files, tools.limiter, tools.detector())
    present = photos.photos_by_number(job.part["photos"])
    counts = dict.fromkeys(_COUNTED, 0) | {"gone": len(job.part["photos"]) - len(present)}
    for photo in present:
        try:
            counts["looked" if look_again(photo, pipeline) else "known"] += 1
        except (PhotoRefusedError, PhotoNotFoundError) as error:
            job.say(f"{photo.filename}: {error}")
            counts["gone"] += 1
        job.progress(sum(counts.values()), failed=counts["gone"])
    return counts


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos the detector looked at, had looked at before, and could not open."""
    parts = list(results)
    counts = {name: sum(part[name] for part in parts) for name in _COUNTED}
    return {name: job.params[name] for name in ("detector", "version")} | counts


def _summary(result: Json) -> str:
    looked, known, gone = (result[name] for name in _COUNTED)
    if not looked + known + gone:
        return "The detector has looked at every photo that passes the filter."
    text = f"{result['detector']} {result['version']} looked at {count(looked, 'photo')}"
    text += f"; {known:,} it had seen before." if known else "."
    if gone:
        text += f" {gone:,} could not be looked at: deleted meanwhile, or the file is damaged."
    return text


JOB_TYPE = JobType("detect", "Looking for cars", _do, plan=_plan, finish=_finish, summary=_summary)
