"""The job for an action on more photos than one waits for, and for taking such an action back: one
batch, as in `webapp.services.photos.bulk`.

The job's id is the batch. Photos are cut by their numbers, so that parts are small however many
there are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from webapp.errors import BadRequestError, NothingToUndoError
from webapp.gallery_filter import GalleryFilter, filter_params, parse_filter
from webapp.inference.models.card import ModelCard
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import Job, Sender
from webapp.services.labels.label_mapping import current_card
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
_MOST_PARTS = 200
# What can be taken back of a batch: its label events, or its photos, in order of their numbers.
_UNDOABLE: dict[str, Callable[[str, int, int], list[int]]] = {
    "labels": storage.standing_numbers,
    "deleted": storage.deleted_numbers,
    "starred": storage.starred_numbers,
}
_TITLES = {
    LABEL: "Mark as {}",
    CONFIRM: "Confirm answers",
    STAR: "Star photos",
    UNSTAR: "Take stars off",
    DELETE: "Delete photos",
    UNDO: "Undo",
}
_SUMMARIES = {
    LABEL: "{} marked.",
    CONFIRM: "The answer is the truth for {}.",
    STAR: "{} starred.",
    UNSTAR: "The star is off {}.",
    DELETE: "{} deleted.",
    UNDO: "Undone for {}.",
}


# ---- adding ----


def is_large(selection: Selection) -> bool:
    """True when it is more photos than an action changes while one waits."""
    if selection.ids:
        return False
    met, up_to = 0, selection.up_to or storage.last_number()
    for _after, _to, number in _ranges(_photos_of(selection.wanted, up_to)):
        met += number
        if met > MOST:
            return True
    return False


def is_large_batch(batch: str) -> bool:
    """True when more was done together than is taken back while one waits."""
    return storage.count_batch(batch) > MOST


def action_params(
    action: str,
    selection: Selection,
    stamp: Stamp,
    cards: Sequence[ModelCard] = (),
    label: str = "",
) -> Json:
    """The parameters of a job that does `action` with all photos of a selection.

    Args:
        stamp: Where and why it is done; the job has a batch of its own.
        cards: The models whose labels may be given.

    Raises:
        BadRequestError: There is no such action, or the reason is too long.
        UnknownLabelError: There is no such label.
    """
    if action not in ACTIONS:
        raise BadRequestError(f"action must be one of {', '.join((*ACTIONS, UNDO))}.")
    check_why(stamp.why)
    model = None
    if action == LABEL:
        cards = [current_card(card) for card in cards]
        label, model = check_label(label, cards), model_of(label, cards)
    return {
        "action": action,
        "filter": filter_params(selection.wanted),
        "up_to": selection.up_to or storage.last_number(),
        "label": label,
        "model": model,
        "why": stamp.why,
        "place": stamp.place,
    }


def undo_params(batch: str, place: str) -> Json:
    """The parameters of a job that takes a batch back. Raises `NothingToUndoError`."""
    if is_merge(batch):
        raise NothingToUndoError(OF_A_MERGE)
    if not any(numbers(batch, 0, 1) for numbers in _UNDOABLE.values()):
        raise NothingToUndoError(NOTHING)
    return {"action": UNDO, "undo": batch, "place": place}


def enqueue(params: Json, sender: Sender) -> Job:
    """Enqueue the job."""
    title = _TITLES[params["action"]].format(params.get("label", ""))
    return queue.enqueue(JOB_TYPE, params, title, sender)


# ---- the job ----


def plan(job: RunningJob) -> list[Json]:
    """Ranges of numbers of photos, or of label events to take back. Planning again after a stop may
    find fewer: the rest is done."""
    params = job.params
    if params["action"] == UNDO:
        sources = {what: _undoable_of(what, params["undo"]) for what in _UNDOABLE}
    else:
        sources = {"photos": _photos_of(parse_filter(params["filter"]), params["up_to"])}
    ranges = {what: list(_ranges(numbers)) for what, numbers in sources.items()}
    total = sum(number for of_what in ranges.values() for *_range, number in of_what)
    job.say(f"{total:,} photos to go through.")
    size = max(1, -(-sum(map(len, ranges.values())) // _MOST_PARTS))
    return [part for what, of_what in ranges.items() for part in _merged(what, of_what, size)]


def do(job: RunningJob) -> Json:
    """Go through the photos of one range, a chunk in a transaction.

    May run twice: photos that have a label event of this job are left alone, also when somebody
    took it back meanwhile, so are stars that it changed; what is deleted or taken back is so
    already.
    """
    part, last, met = job.part, job.part["after"], 0
    while numbers := _next(job, last):
        with writing():
            _change(job, numbers)
        met, last = met + len(numbers), numbers[-1]
        job.progress(met)
    return {"met": part["total"]}


def finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos were changed, counted from what is stored, and the batch to undo. Counting
    twice gives the same."""
    met, action = sum(result["met"] for result in results), job.params["action"]
    changed = storage.count_batch(job.id)
    if action == UNDO and not changed:  # photos and stars keep no word of who brought them back
        changed = met - storage.count_batch(job.params["undo"], labels=False)
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
    return _SUMMARIES[result["action"]].format(number) + left


def _next(job: RunningJob, last: int) -> list[int]:
    """The next numbers of a part, a chunk of them."""
    params, part = job.params, job.part
    if params["action"] == UNDO:
        numbers = _UNDOABLE[part["what"]](params["undo"], last, CHUNK)
        return [number for number in numbers if number <= part["to"]]
    return storage.next_numbers(parse_filter(params["filter"]), last, part["to"], CHUNK)


def _change(job: RunningJob, numbers: list[int]) -> None:
    """Do the action with one chunk, inside the caller's transaction."""
    params, action = job.params, job.params["action"]
    stamp = Stamp(job.who, params["place"], params.get("why", ""), job.id)
    if action == UNDO:
        _take_back(job.part["what"], params["undo"], numbers, stamp)
    elif action == DELETE:
        put_away(numbers, job.id, job.who.name)
    else:
        numbers = storage.not_in_batch(numbers, job.id)
        if action == LABEL:
            label_photos(numbers, params["label"], params["model"], stamp)
        elif action == CONFIRM:
            confirm_photos(numbers, parse_filter(params["filter"]), stamp)
        else:
            storage.star_photos(numbers, job.id, starred=action == STAR)


def _take_back(what: str, batch: str, numbers: list[int], stamp: Stamp) -> None:
    if what == "labels":
        take_back(numbers, stamp)
    elif what == "deleted":
        storage.restore_batch(batch, numbers)
    else:
        storage.unstar_batch(batch, numbers)


def _undoable_of(what: str, batch: str) -> Callable[[int], list[int]]:
    return lambda after: _UNDOABLE[what](batch, after, CHUNK)


def _photos_of(wanted: GalleryFilter, up_to: int) -> Callable[[int], list[int]]:
    return lambda after: storage.next_numbers(wanted, after, up_to, CHUNK)


def _ranges(numbers_after: Callable[[int], list[int]]) -> Iterator[tuple[int, int, int]]:
    """Ranges of numbers: over the first, up to the second, and how many of them."""
    last = 0
    while numbers := numbers_after(last):
        yield last, numbers[-1], len(numbers)
        last = numbers[-1]


def _merged(what: str, ranges: Sequence[tuple[int, int, int]], size: int) -> Iterator[Json]:
    """Parts of `size` ranges each."""
    for start in range(0, len(ranges), size):
        group = ranges[start : start + size]
        total = sum(number for *_range, number in group)
        yield {"what": what, "after": group[0][0], "to": group[-1][1], "total": total}


JOB_TYPE = JobType(
    name="many", title="Bulk action", plan=plan, do=do, finish=finish, summary=summary
)
