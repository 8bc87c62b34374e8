"""The job that compares two versions: both answer the newest photos, and those that they answer
differently become a review queue."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from webapp.errors import BadRequestError, PhotoNotFoundError, PhotoRefusedError
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, parts_of
from webapp.services.jobs.queue import Job, JobView, Sender
from webapp.services.models import compare
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.storage import models as storage
from webapp.storage.photos import photos

# Photos to compare when nobody says how many, and at most.
NEWEST, MOST = 2_000, 20_000
_BOTH = ("champion", "challenger")


@dataclass(frozen=True)
class ComparisonOrder:
    """Two versions of a model that answer the `newest` photos."""

    model: str
    champion: int
    challenger: int
    newest: int = NEWEST


def enqueue(registry: Registry, wanted: ComparisonOrder, sender: Sender) -> Job:
    """Compare two versions on the newest photos and on those by which a promotion is judged.

    Raises `BadRequestError` for a bad number or twice the same version, `ModelNotFoundError`,
    `BadCardError`, or what `queue.enqueue` raises.
    """
    model, champion, challenger = wanted.model, wanted.champion, wanted.challenger
    if champion == challenger:
        raise BadRequestError(
            "A comparison needs two versions: a champion and another one, the challenger."
        )
    if not 1 <= wanted.newest <= MOST:
        raise BadRequestError(
            f"Versions are compared on 1 to {MOST:,} of the newest photos, "
            f"{NEWEST:,} when nobody says how many."
        )
    for number in (champion, challenger):
        registry.card(model, number)
    title = f"{model} {champion} against {challenger}, newest {wanted.newest:,} photos"
    return queue.enqueue(JOB_TYPE, asdict(wanted), title, sender)


def last(model: str, champion: int, challenger: int) -> JobView | None:
    """The newest comparison of these two versions; None when there was none in a while."""
    return queue.latest(JOB_TYPE, model=model, champion=champion, challenger=challenger)


def _plan(job: RunningJob) -> list[Json]:
    """Parts of the newest photos, and of those by which a promotion is judged."""
    model, registry = job.params["model"], job.tools.registry
    champion, challenger = (registry.card(model, job.params[name]) for name in _BOTH)
    newest = storage.newest_photos(job.params["newest"])
    judged = compare.photos_to_compare(registry, (champion, challenger))
    older = len(judged.difference(newest))
    more = f", and {older:,} older ones that have a ground truth" if older else ""
    job.say(f"The newest {len(newest):,} photos{more}.")
    return parts_of(sorted(judged.union(newest)))


def _do(job: RunningJob) -> Json:
    """Let both versions answer the photos of one part, and list those that they answer differently.

    May run twice: a version is not asked again about a photo whose answer is known, an answer is
    kept once, and it does not become the model's answer. What differs is read from what is kept.
    """
    tools, model, numbers = job.tools, job.params["model"], job.part["photos"]
    versions = (int(job.params["champion"]), int(job.params["challenger"]))
    classifiers = [tools.one_version(model, version) for version in versions]
    pipeline, failed = Pipeline(classifiers, tools.files, tools.limiter, tools.detector()), 0
    for done, photo in enumerate(photos.photos_by_number(numbers), 1):
        try:
            ask_models(photo, pipeline, standing=False)
        except (PhotoRefusedError, PhotoNotFoundError) as error:
            job.say(f"{photo.filename}: {error}")
            failed += 1
        job.progress(done, failed=failed)
    answers = storage.labels_of(model, versions, numbers)
    both = {number: labels for number, labels in answers.items() if None not in labels}
    differ = [number for number, (first, second) in both.items() if first != second]
    return {"photos": len(both), "gone": len(numbers) - len(both), "differ": differ}


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos both answered, how many differently, and how many of these have no ground
    truth."""
    parts = list(results)
    differ = [number for part in parts for number in part["differ"]]
    return {
        **{name: job.params[name] for name in ("model", *_BOTH)},
        "photos": sum(part["photos"] for part in parts),
        "gone": sum(part["gone"] for part in parts),
        "differ": len(differ),
        "unlabelled": storage.count_unlabelled(differ),
    }


def summary(result: Json) -> str:
    champion, challenger = (result[name] for name in _BOTH)
    count, differ, left = result["photos"], result["differ"], result["unlabelled"]
    if not count:
        return "There was no photo that both versions could look at."
    versions = f"Versions {champion} and {challenger}"
    if not differ:
        which = "the one photo" if count == 1 else f"all {count:,} photos"
        return f"{versions} give the same answer to {which}."
    without = "none" if not left else "all" if left == differ else f"{left:,}"
    return (
        f"{versions} give different answers to {differ:,} of {count:,} photos, "
        f"{without} of these without a ground truth."
    )


JOB_TYPE = JobType("compare", "Comparison", _do, plan=_plan, finish=_finish, summary=summary)
