"""The job for an action on more photos than one waits for, and for taking such an action back: one batch, as in `webapp.services.photos.bulk`.

The job's id is the batch. Photos are cut by their numbers, so that parts are small however many there are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from webapp.errors import BadRequestError, NothingToUndoError
from webapp.gallery_filter import GalleryFilter, filter_params, parse_filter
from webapp.inference.models.card import ModelCard
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import Job, Sender
from webapp.services.labels.relabel import (
    CHUNK,
    check_label,
    check_why,
    confirm_photos,
    label_photos,
    model_of,
    take_back,
)
from webapp.services.labels.undo import NOTHING, OF_A_MERGE
from webapp.services.photos.bulk import MOST, Selection
from webapp.storage.database import writing
from webapp.storage.labels.events import Stamp, is_merge
from webapp.storage.photos import bulk as storage
from webapp.storage.photos.deletion import put_away

LABEL, CONFIRM, STAR, UNSTAR, DELETE, UNDO = "label", "confirm", "star", "unstar", "delete", "undo"
ACTIONS = (LABEL, CONFIRM, STAR, UNSTAR, DELETE)
MOST_PARTS = 200
STEPS: dict[str, Callable[[str, int, int], list[int]]] = {
    "labels": storage.standing_numbers,
    "deleted": storage.deleted_numbers,
    "starred": storage.starred_numbers,
}
"""What can be taken back of a batch: its label events, or its photos, in order of their numbers."""


# ---- putting in ----


def is_large(selection: Selection) -> bool:
    """True when it is more photos than an action changes while one waits."""
    if selection.ids:
        return False
    met = 0
    for _after, _to, number in _ranges(selection.wanted, selection.up_to or storage.last_number()):
        met += number
        if met > MOST:
            return True
    return False


def is_large_batch(batch: str) -> bool:
    """True when more was done together than is taken back while one waits."""
    return storage.count_batch(batch) > MOST


def action_question(
    action: str,
    wanted: GalleryFilter,
    *,
    up_to: int = 0,
    cards: Sequence[ModelCard] = (),
    label: str = "",
    why: str = "",
    place: str,
) -> Json:
    """What a job is asked that does `action` with all photos that `wanted` lets through and that were there by the number `up_to` (now).

    `cards` are the models whose labels may be given. Raises `BadRequestError` for a strange action or a long reason, `UnknownLabelError`.
    """
    if action not in ACTIONS:
        raise BadRequestError(f"action must be one of {', '.join((*ACTIONS, UNDO))}.")
    check_why(why)
    if action == LABEL:
        label = check_label(label, cards)
    model = model_of(label, cards) if action == LABEL else None
    which = {"filter": filter_params(wanted), "up_to": up_to or storage.last_number()}
    return {"action": action, **which, "label": label, "model": model, "why": why, "place": place}


def undo_question(batch: str, *, place: str) -> Json:
    """What a job is asked that takes a batch back. Raises `NothingToUndoError`."""
    if is_merge(batch):
        raise NothingToUndoError(OF_A_MERGE)
    if not any(step(batch, 0, 1) for step in STEPS.values()):
        raise NothingToUndoError(NOTHING)
    return {"action": UNDO, "undo": batch, "place": place}


def enqueue(asked: Json, sender: Sender) -> Job:
    """Enqueue the job. Raises what `queue.enqueue` raises."""
    title = TITLES[asked["action"]].format(asked.get("label", ""))
    return queue.enqueue(JOB_TYPE, asked, title, sender)


TITLES = {
    LABEL: "Mark as {}",
    CONFIRM: "Confirm answers",
    STAR: "Star photos",
    UNSTAR: "Take stars off",
    DELETE: "Delete photos",
    UNDO: "Undo",
}


# ---- the job ----


def plan(job: RunningJob) -> list[Json]:
    """Ranges of numbers of photos, or of label events to take back. Planning again after a stop may find fewer: the rest is done."""
    if job.params["action"] == UNDO:
        ranges = [(what, *one) for what in STEPS for one in _standing(what, job.params["undo"])]
    else:
        ranges = [
            ("photos", *one)
            for one in _ranges(parse_filter(job.params["filter"]), job.params["up_to"])
        ]
    job.say(f"{sum(number for *_range, number in ranges):,} photos to go through.")
    return list(_merged(ranges))


def do(job: RunningJob) -> Json:
    """Go through the photos of one range, a chunk in a transaction.

    May run twice: photos that have a label event of this job are left alone, also when somebody took it back meanwhile, so are stars that
    it changed; what is deleted or taken back is so already.
    """
    part, last, met = job.part, job.part["after"], 0
    while numbers := _next(job, last):
        with writing():
            _change(job, numbers)
        met, last = met + len(numbers), numbers[-1]
        job.progress(met)
    return {"met": part["total"]}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos were changed, counted from what is stored, and the batch to undo. Counting twice gives the same."""
    met, action = sum(one["met"] for one in results), job.params["action"]
    batch = job.params["undo"] if action == UNDO else job.id
    changed = storage.count_batch(job.id)
    if action == UNDO and not changed:  # photos and stars keep no word of who brought them back
        changed = met - storage.count_batch(batch, labels=False)
    job.say(f"{changed:,} changed, {met - changed:,} left as they were.")
    return {
        "action": action,
        "changed": changed,
        "skipped": max(0, met - changed),
        "batch": job.id if changed else None,
    }


def summary(result: Json) -> str:
    """What came of it in a sentence or two."""
    changed, skipped = result["changed"], result["skipped"]
    number = f"{changed:,} photo{'' if changed == 1 else 's'}"
    left = f" {skipped:,} {'was' if skipped == 1 else 'were'} left as they were." if skipped else ""
    said = {
        LABEL: f"{number} marked.",
        CONFIRM: f"The answer is the truth for {number}.",
        STAR: f"{number} starred.",
        UNSTAR: f"The star is off {number}.",
        DELETE: f"{number} deleted.",
        UNDO: f"Undone for {number}.",
    }
    return said[result["action"]] + left


def _next(job: RunningJob, last: int) -> list[int]:
    """The next numbers of a part, a chunk of them."""
    asked, part = job.params, job.part
    if asked["action"] == UNDO:
        return [one for one in STEPS[part["what"]](asked["undo"], last, CHUNK) if one <= part["to"]]
    return storage.next_numbers(parse_filter(asked["filter"]), last, part["to"], CHUNK)


def _change(job: RunningJob, numbers: list[int]) -> None:
    """Do the action with one chunk, inside the caller's transaction."""
    asked, batch, action = job.params, job.id, job.params["action"]
    stamp = Stamp(job.who, asked["place"], asked.get("why", ""), batch)
    if action == UNDO:
        _take_back(job.part["what"], asked["undo"], numbers, stamp)
    elif action == DELETE:
        put_away(numbers, batch, job.who.name)
    else:
        numbers = storage.not_in_batch(numbers, batch)
        if action == LABEL:
            label_photos(numbers, asked["label"], asked["model"], stamp)
        elif action == CONFIRM:
            confirm_photos(numbers, parse_filter(asked["filter"]), stamp)
        else:
            storage.star_photos(numbers, batch, starred=action == STAR)


def _take_back(what: str, batch: str, numbers: list[int], stamp: Stamp) -> None:
    if what == "labels":
        take_back(numbers, stamp)
    elif what == "deleted":
        storage.restore_batch(batch, numbers)
    else:
        storage.unstar_batch(batch, numbers)


def _ranges(wanted: GalleryFilter, up_to: int) -> Iterator[tuple[int, int, int]]:
    return _steps(lambda after: storage.next_numbers(wanted, after, up_to, CHUNK))


def _standing(what: str, batch: str) -> Iterator[tuple[int, int, int]]:
    return _steps(lambda after: STEPS[what](batch, after, CHUNK))


def _steps(step: Callable[[int], list[int]]) -> Iterator[tuple[int, int, int]]:
    """Ranges of numbers: over the first, up to the second, and how many of them."""
    last = 0
    while numbers := step(last):
        yield last, numbers[-1], len(numbers)
        last = numbers[-1]


def _merged(ranges: Sequence[tuple[str, int, int, int]]) -> Iterator[Json]:
    """Parts of as many ranges as it takes to have few parts."""
    size = max(1, -(-len(ranges) // MOST_PARTS))
    for what in dict.fromkeys(one[0] for one in ranges):
        theirs = [one for one in ranges if one[0] == what]
        for at in range(0, len(theirs), size):
            some = theirs[at : at + size]
            yield {
                "what": what,
                "after": some[0][1],
                "to": some[-1][2],
                "total": sum(one[3] for one in some),
            }


JOB_TYPE = JobType(
    name="many", title="Many photos", plan=plan, do=do, finish=finish, summary=summary
)
