"""The job that lets a version look at photos that are here already: at the whole history, or at what a filter lets through."""

from collections.abc import Iterable, Sequence

from webapp.errors import PhotoNotFoundError, PhotoRefusedError
from webapp.gallery_filter import filter_params, parse_filter
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import Job, Sender
from webapp.services.photos.bulk import Selection
from webapp.services.photos.classify import Pipeline, ask_version
from webapp.storage.photos import bulk as storage
from webapp.storage.photos import photos

LEAST_PART, MOST_PART, USUAL_PARTS = 20, 500, 200
"""Photos of a part: some seconds of job, so that it spreads over workers and little is gone through again, and of a million photos not
more parts than a worker can look through."""
LISTED = 5_000
"""Photos that are listed between two looks whether the job was cancelled."""
COUNTED = ("looked", "known", "gone")


def enqueue(
    registry: Registry, model: str, version: int, selection: Selection, sender: Sender
) -> Job:
    """Enqueue the job that lets a version look at all photos that match `selection`.

    Raises `ModelNotFoundError`, `BadCardError`, or what `queue.enqueue` raises.
    """
    registry.card(model, version)
    params = filter_params(selection.wanted)
    which = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in params.items() if name != "sort"
    )
    title = f"{model} {version} looks at {f'photos with {which}' if which else 'the whole history'}"
    up_to = selection.up_to or storage.last_number()
    asked = {"model": model, "version": version, "filter": params, "up_to": up_to}
    return queue.enqueue(JOB_TYPE, asked, title, sender)


def plan(job: RunningJob) -> list[Json]:
    """Parts of the photos that pass the filter now: what the version says may change who passes it."""
    wanted, last = parse_filter(job.params["filter"]), 0
    numbers: list[int] = []
    while chunk := storage.next_numbers(wanted, last, job.params["up_to"], LISTED):
        numbers += chunk
        last = chunk[-1]
        job.progress(0)
    job.say(f"{len(numbers):,} photos to look at.")
    return parts_of(numbers)


def parts_of(numbers: Sequence[int]) -> list[Json]:
    """Photos, by number, in parts of a handy size."""
    size = min(MOST_PART, max(LEAST_PART, -(-len(numbers) // USUAL_PARTS)))
    chunks = [list(numbers[at : at + size]) for at in range(0, len(numbers), size)]
    return [{"photos": chunk, "total": len(chunk)} for chunk in chunks]


def do(job: RunningJob) -> Json:
    """Let the version look at the photos of one part. What it says stands for its model while it is the live one, else it is only kept.

    May run twice: a version that has looked at a photo is not asked about it again, and what it said is kept once.
    """
    tools, (model, version) = job.tools, (job.params["model"], job.params["version"])
    pipeline = Pipeline([tools.one_version(model, version)], tools.files, tools.limiter)
    standing = tools.registry.live_version(model) == version
    done = dict.fromkeys(COUNTED, 0)
    found = [photo for photo, _outcome in photos.photos_by_number(job.part["photos"])]
    done["gone"] = len(job.part["photos"]) - len(found)
    for photo in found:
        try:
            fresh = ask_version(photo.public_id, pipeline, standing=standing)
        except (PhotoRefusedError, PhotoNotFoundError) as error:
            job.say(f"{photo.filename}: {error}")
            done["gone"] += 1
        else:
            done["looked" if fresh else "known"] += 1
        job.progress(sum(done.values()), failed=done["gone"])
    return done | {"standing": standing}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos the version looked at, knew already, and could not see. Counting twice gives the same."""
    total, standing = dict.fromkeys(COUNTED, 0), False
    for one in results:
        standing = one["standing"]
        total = {name: total[name] + one[name] for name in COUNTED}
    return {
        "model": job.params["model"],
        "version": job.params["version"],
        **total,
        "standing": standing,
    }


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    looked, known, gone = (result[name] for name in COUNTED)
    if not looked + known + gone:
        return "No photo passed the filter, so there was nothing to look at."
    before = f"; {known:,} it had seen before" if known else ""
    lost = (
        f" {gone:,} could not be looked at: deleted meanwhile, or the file is damaged."
        if gone
        else ""
    )
    shown = (
        " These are the model's answers now."
        if result["standing"]
        else " Its answers are kept beside the model's."
    )
    return f"{result['model']} {result['version']} looked at {looked:,} photo{'s' if looked != 1 else ''}{before}.{lost}{shown}"


JOB_TYPE = JobType(
    name="rank", title="Looking again", plan=plan, do=do, finish=finish, summary=summary
)
