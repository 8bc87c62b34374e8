"""The job for an action on more photos than one waits for, and for taking such an action back.

It is one batch, as in `webapp.services.photos.bulk`, with the job's id. Photos are cut by their
numbers, so that parts are small however many there are.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial

from sqlalchemy import and_

from webapp.domain import ALL_MODELS, UNDO, count
from webapp.errors import NothingToUndoError, PhotoNotFoundError, PhotoRefusedError
from webapp.gallery_filter import filter_params, parse_filter
from webapp.services.cars.boxes import undo_box
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob, batch_result, walk
from webapp.services.jobs.queue import Job, Sender
from webapp.services.labels.relabel import CHUNK, check_why, take_back
from webapp.services.labels.undo import NOTHING, OF_A_MERGE
from webapp.services.photos.bulk import (
    CONFIRM,
    DELETE,
    LABEL,
    MOST,
    STAR,
    UNSTAR,
    Change,
)
from webapp.services.photos.classify import Pipeline
from webapp.storage.cars.boxes import (
    count_changed_cars,
    count_undone,
    standing_event,
    standing_events,
)
from webapp.storage.database import last_id, writing
from webapp.storage.labels.events import Stamp, is_merge
from webapp.storage.photos import bulk as storage
from webapp.storage.photos.deletion import restore
from webapp.storage.tables import Photo

# What can be taken back of a batch: its label events, its box events, or its photos, in order of
# their numbers.
_UNDOABLE: dict[str, Callable[[str, int, int], list[int]]] = {
    "labels": storage.standing_numbers,
    "boxes": lambda *which: [event.id for event in standing_events(*which)],
    "deleted": partial(storage.marked_numbers, Photo.deleted_batch),
    "starred": partial(storage.marked_numbers, Photo.starred_batch),
}
_BOXES = 50  # box events that are taken back while one waits
_WORDING = {  # the job's title, and what came of it
    LABEL: ("Mark as {}", "{} marked."),
    CONFIRM: ("Confirm answers", "The answer is the truth for {}."),
    STAR: ("Star photos", "{} starred."),
    UNSTAR: ("Take stars off", "The star is off {}."),
    DELETE: ("Delete photos", "{} deleted."),
    UNDO: ("Undo", "Undone for {}."),
}


# ---- adding ----


def is_large_batch(batch: str) -> bool:
    """True when more was done together than is taken back while one waits."""
    return storage.count_batch(batch) > MOST or len(standing_events(batch, 0, _BOXES + 1)) > _BOXES


def action_params(change: Change, stamp: Stamp, up_to: int = 0) -> Json:
    """The parameters of a job that changes all photos of a filter, up to a number (0: all that are
    there). `stamp` tells where and why; the job has a batch of its own. Raises `BadRequestError`
    when the reason is too long."""
    check_why(stamp.why)
    return {
        "action": change.action,
        "filter": filter_params(change.wanted),
        "up_to": up_to or last_id(Photo),
        "label": change.label,
        "model": change.model,
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
    title = _WORDING[params["action"]][0].format(params.get("label", ""))
    return queue.enqueue(JOB_TYPE, params, title, sender)


# ---- the job ----


def _plan(job: RunningJob) -> list[Json]:
    """Ranges of numbers of photos, or of label events to take back. Planning again after a stop may
    find fewer: the rest is done."""
    parts: list[Json] = [
        {"what": what, "after": after, "to": numbers[-1], "total": len(numbers)}
        for what in (_UNDOABLE if job.params["action"] == UNDO else ("photos",))
        for after, numbers in walk(_numbers(job.params, what))
    ]
    job.say(f"{sum(part['total'] for part in parts):,} photos to go through.")
    return parts


def _do(job: RunningJob) -> Json:
    """Go through the photos of one range, a chunk in a transaction.

    May run twice: photos that have a label event of this job are left alone, also when somebody
    took it back meanwhile, so are stars that it changed; what is deleted or taken back is so
    already.
    """
    part, met = job.part, 0
    for _after, numbers in walk(_numbers(job.params, part["what"], part["to"]), part["after"]):
        if part["what"] == "boxes":
            _undo_boxes(job, numbers, met)
        else:
            with writing():
                _change(job, numbers)
        met += len(numbers)
        job.progress(met)
    return {"met": part["total"]}


def _finish(job: RunningJob, results: Iterable[Json]) -> Json:
    """How many photos were changed, counted from what is stored, and the batch to undo. Counting
    twice gives the same."""
    met, action = sum(result["met"] for result in results), job.params["action"]
    changed = done = storage.count_batch(job.id)
    if action == UNDO:  # what was met are events, of which a car may have several
        changed, done = count_changed_cars(job.id), count_undone(job.id)
        if not done:  # photos and stars keep no word of who brought them back
            changed = done = met - storage.count_batch(job.params["undo"], labels=False)
    job.say(f"{changed:,} changed, {met - done:,} left as they were.")
    return {"action": action} | batch_result(job, changed, changed + met - done)


def _summary(result: Json) -> str:
    skipped = result["skipped"]
    left = f" {skipped:,} {'was' if skipped == 1 else 'were'} left as they were." if skipped else ""
    return _WORDING[result["action"]][1].format(count(result["changed"], "photo")) + left


def _change(job: RunningJob, numbers: Sequence[int]) -> None:
    """Do the action with one chunk, inside the caller's transaction."""
    params, action, what = job.params, job.params["action"], job.part["what"]
    stamp = Stamp(job.who, params["place"], params.get("why", ""), job.id)
    if what == "labels":
        take_back(numbers, stamp)
    elif what == "deleted":
        restore(and_(Photo.deleted_batch == params["undo"], Photo.id.in_(numbers)))
    elif what == "starred":
        storage.unstar_batch(params["undo"], numbers)
    else:
        if action != DELETE:
            numbers = storage.not_in_batch(numbers, job.id)
        wanted = parse_filter(params["filter"])
        Change(action, wanted, params["label"], params["model"]).apply(numbers, stamp)


def _undo_boxes(job: RunningJob, numbers: Sequence[int], met: int) -> None:
    """Take box events back; the models look at each box anew."""
    tools, stamp = job.tools, Stamp(job.who, job.params["place"], "", job.id)

    @cache
    def get_pipeline() -> Pipeline:
        return Pipeline(tools.classifiers(ALL_MODELS), tools.files, tools.limiter)

    for done, number in enumerate(numbers, met + 1):
        try:
            undo_box(number, get_pipeline, stamp)
        except (NothingToUndoError, PhotoNotFoundError, PhotoRefusedError) as error:
            event = standing_event(number)
            job.say(f"A box of the photo {event.photo_ref if event else number} stays: {error}")
        job.progress(done)


def _numbers(params: Json, what: str, up_to: int | None = None) -> Callable[[int], list[int]]:
    """What gives the next numbers of photos or label events: up to one, else all of the job."""
    if what == "photos":
        wanted, last = parse_filter(params["filter"]), up_to or params["up_to"]
        return lambda after: storage.next_numbers(wanted, after, last, CHUNK)
    return lambda after: [
        number
        for number in _UNDOABLE[what](params["undo"], after, CHUNK)
        if up_to is None or number <= up_to
    ]


JOB_TYPE = JobType("many", "Bulk action", _do, plan=_plan, finish=_finish, summary=_summary)
