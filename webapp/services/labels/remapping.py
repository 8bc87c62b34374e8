"""After a merge or a split everything is read again, part by part: what answers say, and what photos are. Nothing is lost on the way."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.domain import LONG, UNCLASSIFIED
from webapp.errors import ModelError
from webapp.inference.classifier import is_sure
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import Overlay, added_up, outputs, reading, seen
from webapp.inference.models.registry import Registry
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import JobView, Sender, enqueue, latest
from webapp.services.labels.label_mapping import structure
from webapp.storage.database import writing
from webapp.storage.exports import top_lines
from webapp.storage.labels import label_sets as storage
from webapp.storage.labels.label_sets import SAID

ANSWERS, PHOTOS, DONE = "answers", "photos", "done"
CHUNK = 500
"""Answers or photos that are read again in one transaction: uploads and labels come in between."""
AT_ONCE = 1.0
"""Seconds of it that a page waits for; the rest is a job."""
TOP = 5
Lines = Sequence[tuple[int, str, float]]


@dataclass(frozen=True)
class Said:
    """What a prediction says: the columns of `SAID`, and its first five as (rank, label, probability)."""

    columns: Mapping[str, Any]
    top: Lines


@dataclass(frozen=True)
class Progress:
    """How far it is: the `stage` is `ANSWERS` or `PHOTOS`, `done` the number of the last one that was read and `last` that of the last."""

    stage: str
    done: int
    last: int

    @property
    def share(self) -> float:
        """What is done of the stage, in [0, 1]."""
        return min(1.0, self.done / self.last) if self.last else 1.0


def begin(model: str, *, answers: bool) -> None:
    """Let everything be read again, inside the transaction that changed the labels; without `answers` only what photos are."""
    before = storage.rereading_of(model)
    first = ANSWERS if answers or (before is not None and before.stage == ANSWERS) else PHOTOS
    storage.begin_rereading(model, storage.last_change(), first)
    storage.forget_suspicions(model, touched(model))


def touched(model: str) -> set[str]:
    """Every label of a model that was ever merged, split, or the other side of that."""
    return {
        one for label, _kind, value in storage.structure_of(model) for one in (label, value) if one
    }


def progress(model: str) -> Progress | None:
    """How far it is; None when everything reads as it should."""
    row = storage.rereading_of(model)
    return None if row is None or row.stage == DONE else Progress(row.stage, row.after, row.last)


def go_on(
    registry: Registry,
    model: str,
    *,
    seconds: float = float("inf"),
    watch: Callable[[Progress], None] | None = None,
) -> bool:
    """Read on, chunk by chunk, each committed; True when all is done, False when the time was over first.

    Stopped anywhere it goes on there, and done twice it does nothing more.
    """
    end = time.monotonic() + seconds
    while (where := progress(model)) is not None:
        if watch is not None:
            watch(where)
        if time.monotonic() > end:
            return False
        with writing():
            _read_chunk(registry, model)
    return True


def go_on_beside(registry: Registry, model: str, sender: Sender) -> bool:
    """Read on for a moment, and the rest as a job; True when nothing is left. A job that does so already sees what is new."""
    if go_on(registry, model, seconds=AT_ONCE):
        return True
    if job_of(model) is None:
        enqueue(JOB_TYPE, {"model": model}, f"Labels of {model}", sender)
    return False


def job_of(model: str) -> JobView | None:
    """The job that reads the photos and answers of a model again just now, or waits to."""
    found = latest(JOB_TYPE)
    return (
        found
        if found is not None and not found.over and found.job.params == {"model": model}
        else None
    )


def do(job: RunningJob) -> Json:
    """Read everything of a model again. It may run twice: a chunk is read by the rules of its moment, and what reads rightly stays."""
    go_on(
        job.tools.registry,
        job.params["model"],
        watch=lambda where: job.progress(where.done, where.last),
    )
    return {}


def _read_chunk(registry: Registry, model: str) -> None:
    row = storage.rereading_of(model)
    if row is None or row.stage == DONE:
        return
    if row.stage == PHOTOS:
        photos = storage.photos_with(touched(model), row.after, CHUNK)
        if photos:
            storage.read_truths(photos)
        storage.move_rereading(
            row, photos[-1] if photos else row.after, PHOTOS if len(photos) == CHUNK else DONE
        )
        return
    answers = storage.answers_after(model, row.after, CHUNK)
    _reread(registry, model, answers)
    if len(answers) == CHUNK:
        storage.move_rereading(row, answers[-1].id, ANSWERS)
    else:
        storage.move_rereading(row, 0, PHOTOS)


def _reread(registry: Registry, model: str, answers: Sequence[Any]) -> None:
    """Write what these predictions say as labels read today, where that changed. What they said at first is kept, or comes back."""
    numbers = [row.id for row in answers]
    originals, lines, overlay = storage.originals_of(numbers), top_lines(numbers), structure(model)
    new, kept, back = [], [], []
    for row, read in _read(registry, model, overlay, answers, lines):
        now = Said({name: getattr(row, name) for name in SAID}, lines[row.id])
        first = originals.get(row.id)
        at_first = (
            Said({name: getattr(first, name) for name in SAID}, [tuple(line) for line in first.top])
            if first
            else now
        )
        wanted = read or at_first
        if wanted == now:
            continue
        new.append((row, wanted))
        if first is not None and wanted == at_first:
            back.append(row.id)
        elif first is None:
            kept.append(
                {"prediction_id": row.id, **now.columns, "top": [list(line) for line in now.top]}
            )
    storage.keep_originals(kept)
    storage.forget_originals(back)
    storage.rewrite_answers((row.id, said.columns, said.top) for row, said in new)
    if new:
        storage.refresh_photos(sorted({row.photo_id for row, _said in new}))


def _read(
    registry: Registry,
    model: str,
    overlay: Overlay,
    answers: Sequence[Any],
    lines: Mapping[int, Lines],
) -> Iterator[tuple[Any, Said | None]]:
    """Each prediction with what it says as labels read today; None when merged labels play no part in its first five."""
    by_version: dict[int, list[Any]] = defaultdict(list)
    for row in answers:
        by_version[row.version].append(row)
    for version, rows in by_version.items():
        card = _card(registry, model, version, overlay)
        length = 4 * len(card.labels) if card is not None else -1
        whole = [row for row in rows if len(row.distribution) == length]
        if card is not None and whole:
            yield from _read_whole(card, whole)
        reads = reading(overlay)
        yield from (
            (row, _read_lines(row, lines[row.id], reads))
            for row in rows
            if len(row.distribution) != length
        )


def _read_whole(card: ModelCard, rows: Sequence[Any]) -> Iterator[tuple[Any, Said | None]]:
    """The same from whole distributions."""
    names = list(outputs(card))
    own = card.label_names
    merged = [
        at
        for at, (name, places) in enumerate(outputs(card).items())
        if len(places) > 1 or own[places[0]] != name
    ]
    sums = added_up(
        np.frombuffer(b"".join(row.distribution for row in rows), "<f4").reshape(
            len(rows), len(own)
        ),
        card,
    )
    first = np.argsort(-sums, axis=1, kind="stable")[:, :TOP]
    plays: list[bool] = np.any(np.isin(first, merged), axis=1).tolist()
    best = np.take_along_axis(sums, first, axis=1)
    for row, order, probabilities, does in zip(rows, first.tolist(), best, plays, strict=True):
        yield (
            row,
            _said([names[at] for at in order], probabilities, row.familiarity, card)
            if does
            else None,
        )


def _said(
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
    familiarity: float | None,
    card: ModelCard,
) -> Said:
    """What an answer says whose first labels these are, the most probable first."""
    numbers = [float(one) for one in probabilities]
    columns = {
        "decision": labels[0] if is_sure(probabilities[0], familiarity, card) else UNCLASSIFIED,
        "label": labels[0],
        "confidence": numbers[0],
        "margin": numbers[0] - numbers[1],
    }
    return Said(columns, list(zip(range(1, len(labels) + 1), labels, numbers, strict=True)))


def _read_lines(row: Any, lines: Lines, reads: Mapping[str, str]) -> Said | None:
    """The same from the first five alone, for a version whose card is gone: the decision is only renamed. None when they all are one."""
    if not any(label in reads for _rank, label, _probability in lines):
        return None
    sums: dict[str, float] = defaultdict(float)
    for _rank, label, probability in lines:
        sums[reads.get(label, label)] += probability
    order = sorted(sums.items(), key=lambda one: -one[1])
    if len(order) < 2:
        return None
    first, second = order[0], order[1]
    decision = row.decision if row.decision == UNCLASSIFIED else first[0]
    columns = {
        "decision": decision,
        "label": first[0],
        "confidence": min(1.0, first[1]),
        "margin": min(1.0, first[1]) - second[1],
    }
    return Said(
        columns,
        [
            (rank, label, min(1.0, probability))
            for rank, (label, probability) in enumerate(order, start=1)
        ],
    )


def _card(registry: Registry, model: str, version: int, overlay: Overlay) -> ModelCard | None:
    try:
        return seen(registry.published_card(model, version), overlay)
    except ModelError:
        return None


def summary(_result: Json) -> str:
    """What came of it in a sentence."""
    return "Every photo and answer reads as its labels are now."


JOB_TYPE = JobType(name="reread", title="Labels read again", do=do, queue=LONG, summary=summary)
