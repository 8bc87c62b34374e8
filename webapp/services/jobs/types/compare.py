"""The job that compares two versions: both look at the newest photos, and those that they answer differently become a queue."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from webapp.errors import BadRequestError, PhotoNotFoundError, PhotoRefusedError
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import Job, JobView, Sender
from webapp.services.jobs.types.reclassify import parts_of
from webapp.services.models import compare
from webapp.services.photos.classify import Pipeline, ask_aside
from webapp.storage.models import comparisons as storage
from webapp.storage.photos import photos

NEWEST, MOST = 2_000, 20_000
"""Photos that versions are compared on when nobody says how many, and at most: what differs among them is found again by its numbers."""
BOTH = ("champion", "challenger")


@dataclass(frozen=True)
class Comparison:
    """Two versions of a model that look at the `newest` uploads."""

    model: str
    champion: int
    challenger: int
    newest: int = NEWEST


def enqueue(registry: Registry, wanted: Comparison, sender: Sender) -> Job:
    """Enqueue the job that compares two versions on the newest uploads, and on the photos by which
    a promotion is judged.

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


def plan(job: RunningJob) -> list[Json]:
    """Parts of the newest photos, and of those with a ground truth by which one version may take over from the other."""
    asked = job.params
    cards = [job.tools.registry.card(asked["model"], asked[one]) for one in BOTH]
    newest = storage.newest_photos(asked["newest"])
    judged = compare.photos_to_compare(job.tools.registry, (cards[0], cards[1]))
    older = len(judged.difference(newest))
    job.say(
        f"The newest {len(newest):,} photos{f', and {older:,} older ones that have a ground truth' if older else ''}."
    )
    return parts_of(sorted(judged.union(newest)))


def do(job: RunningJob) -> Json:
    """Let both versions look at the photos of one part that they have not seen, and say which of them they answer differently.

    May run twice: a version is not asked again about a photo whose answer is known, an answer is kept once, and it stands for neither
    model, so galleries show what they showed. Which photos differ is read from what is kept.
    """
    tools, asked = job.tools, job.params
    both = [tools.one_version(asked["model"], asked[one]) for one in BOTH]
    versions = (int(asked["champion"]), int(asked["challenger"]))
    numbers, gone = job.part["photos"], 0
    known = storage.labels_of(asked["model"], versions, numbers)
    found = [photo for photo, _outcome in photos.photos_by_number(numbers)]
    for at, photo in enumerate(found, 1):
        waiting = [
            one
            for one, label in zip(both, known.get(photo.id, (None, None)), strict=True)
            if label is None
        ]
        if waiting:
            try:
                ask_aside(photo, Pipeline(waiting, tools.files, tools.limiter))
            except (PhotoRefusedError, PhotoNotFoundError) as error:
                job.say(f"{photo.filename}: {error}")
                gone += 1
        job.progress(at, failed=gone)
    said = {
        number: labels
        for number, labels in storage.labels_of(asked["model"], versions, numbers).items()
        if None not in labels
    }
    return {
        "photos": len(said),
        "gone": len(numbers) - len(said),
        "differ": [number for number, (one, other) in said.items() if one != other],
    }


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos both looked at, how many they answer differently, and to how many of those nobody has given a ground truth.

    Counting twice gives the same, or what became of the photos meanwhile.
    """
    seen = gone = 0
    differ: list[int] = []
    for one in results:
        seen, gone, differ = seen + one["photos"], gone + one["gone"], differ + one["differ"]
    facts = {name: job.params[name] for name in ("model", *BOTH)}
    return {
        **facts,
        "photos": seen,
        "gone": gone,
        "differ": len(differ),
        "unlabelled": storage.count_unlabelled(differ),
    }


def summary(result: Json) -> str:
    """What came of a comparison in a sentence or two."""
    one, other, n, differ, left = (
        result[name] for name in (*BOTH, "photos", "differ", "unlabelled")
    )
    if not n:
        return "There was no photo that both versions could look at."
    if not differ:
        return f"Versions {one} and {other} give the same answer to {'the one photo' if n == 1 else f'all {n:,} photos'}."
    rest = f"{'none' if not left else 'all' if left == differ else f'{left:,}'} of these without a ground truth"
    return (
        f"Versions {one} and {other} give different answers to {differ:,} of {n:,} photos, {rest}."
    )


JOB_TYPE = JobType(
    name="compare", title="Comparison", plan=plan, do=do, finish=finish, summary=summary
)
