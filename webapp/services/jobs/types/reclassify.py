"""The job that lets a version look at photos that are here already: at the whole history, or at what a filter lets through."""

from collections.abc import Iterable, Sequence

from webapp.domain import GalleryFilter, Who
from webapp.errors import PhotoNotFoundError, PhotoRefusedError
from webapp.inference.models.registry import Registry
from webapp.services.jobs.job_type import Json, Kind, Work
from webapp.services.jobs.queue import Job, Owner, Ring, put_in
from webapp.services.photos.classify import ask_version
from webapp.services.photos.query_filters import filter_params, parse_filter
from webapp.storage.photos import bulk as storage
from webapp.storage.photos import photos

LEAST_PART, MOST_PART, USUAL_PARTS = 20, 500, 200
"""Photos of a part: some seconds of work, so that it spreads over workers and little is gone through again, and of a million photos not
more parts than a worker can look through."""
LISTED = 5_000
"""Photos that are listed between two looks whether the job was cancelled."""
COUNTED = ("looked", "known", "gone")


def put(
    registry: Registry,
    model: str,
    version: int,
    wanted: GalleryFilter,
    *,
    up_to: int = 0,
    owner: Owner,
    who: Who,
    ring: Ring,
    key: str = "",
) -> tuple[Job, bool]:
    """Put in the job that lets a version look at all photos that `wanted` lets through and that are there now (or were by the number
    `up_to`); the order does not matter. Returns the job and whether it is new.

    Raises `ModelNotFoundError` or `BadCardError`, or what `jobs.put_in` raises.
    """
    registry.card(model, version)
    params = {name: value for name, value in filter_params(wanted).items() if name != "sort"}
    which = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in params.items())
    asked = {
        "model": model,
        "version": version,
        "filter": filter_params(wanted),
        "up_to": up_to or storage.last_number(),
    }
    title = f"{model} {version} looks at {f'photos with {which}' if which else 'the whole history'}"
    return put_in(KIND, asked, title=title, owner=owner, who=who, ring=ring, key=key)


def plan(work: Work) -> list[Json]:
    """Parts of the photos that pass the filter now: what the version says may change who passes it."""
    wanted, last = parse_filter(work.asked["filter"]), 0
    numbers: list[int] = []
    while chunk := storage.next_numbers(wanted, last, work.asked["up_to"], LISTED):
        numbers += chunk
        last = chunk[-1]
        work.progress(0)
    work.say(f"{len(numbers):,} photos to look at.")
    return parts_of(numbers)


def parts_of(numbers: Sequence[int]) -> list[Json]:
    """Photos, by number, in parts of a handy size."""
    size = min(MOST_PART, max(LEAST_PART, -(-len(numbers) // USUAL_PARTS)))
    chunks = [list(numbers[at : at + size]) for at in range(0, len(numbers), size)]
    return [{"photos": chunk, "total": len(chunk)} for chunk in chunks]


def do(work: Work) -> Json:
    """Let the version look at the photos of one part. What it says stands for its model while it is the live one, else it is only kept.

    May run twice: a version that has looked at a photo is not asked about it again, and what it said is kept once.
    """
    tools, (model, version) = work.tools, (work.asked["model"], work.asked["version"])
    classifier = tools.one_version(model, version)
    standing = tools.registry.live_version(model) == version
    done = dict.fromkeys(COUNTED, 0)
    found = [photo for photo, _outcome in photos.photos_by_number(work.part["photos"])]
    done["gone"] = len(work.part["photos"]) - len(found)
    for photo in found:
        try:
            fresh = ask_version(
                photo.public_id,
                classifier,
                standing=standing,
                files=tools.files,
                limiter=tools.limiter,
            )
        except (PhotoRefusedError, PhotoNotFoundError) as error:
            work.say(f"{photo.filename}: {error}")
            done["gone"] += 1
        else:
            done["looked" if fresh else "known"] += 1
        work.progress(sum(done.values()), failed=done["gone"])
    return done | {"standing": standing}


def finish(work: Work, results: Iterable[Json]) -> Json:
    """How many photos the version looked at, knew already, and could not see. Counting twice gives the same."""
    total, standing = dict.fromkeys(COUNTED, 0), False
    for one in results:
        standing = one["standing"]
        total = {name: total[name] + one[name] for name in COUNTED}
    return {
        "model": work.asked["model"],
        "version": work.asked["version"],
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


KIND = Kind(name="rank", title="Looking again", plan=plan, do=do, finish=finish, summary=summary)
