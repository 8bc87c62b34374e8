"""After merges and splits: cars and answers are brought up to date with the map of labels.

Cars get label events as in any bulk relabelling, and those of an undone merge are taken back.
What an answer says is computed anew from its distribution, which is never rewritten. All of it may
stop anywhere and run again.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from webapp.domain import LABEL, MERGE, UNDO, RankedLabel, Who, level_of
from webapp.errors import ModelError
from webapp.inference.classifier import best_parent, decide
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import (
    MERGED,
    apply_edits,
    canonical_labels,
    sum_merged,
)
from webapp.inference.models.registry import Registry
from webapp.services.labels.label_mapping import structure_of, update_map
from webapp.services.labels.relabel import label_cars, take_back
from webapp.storage.cars import state
from webapp.storage.database import last_id, writing
from webapp.storage.exports import top_lines
from webapp.storage.labels import edits as storage
from webapp.storage.labels.edits import Line
from webapp.storage.labels.events import Stamp, refresh_disputed
from webapp.storage.photos import bulk
from webapp.storage.stats import counters
from webapp.storage.tables import LabelEdit, Prediction

_CHUNK = 500  # cars or answers in one transaction: uploads and labels come in between
_TOP = 5
_INLINE = 2_000  # cars or answers that are updated while one waits; more are a job
_Transaction = Callable[[], AbstractContextManager[object]]
_Answer = tuple[dict[str, Any], Sequence[Line]]  # columns of a prediction, its first five


@dataclass(frozen=True)
class Editor:
    """Who edits label sets, and all cards. `enqueue` adds the job for the large edits of a model,
    inside the caller's transaction."""

    who: Who
    registry: Registry
    enqueue: Callable[[str], None]


def remap(model: str, editor: Editor, *, merged: bool) -> None:
    """After merges (`merged`) or splits, inside the transaction of the edit: write the map, forget
    doubts about the labels, and bring cars and answers up to date, much of that in a job."""
    update_map(model)
    labels = _touched_labels(model)
    storage.forget_suspicions(model, labels)
    if storage.has_many(model, labels, _INLINE, answers=merged):
        editor.enqueue(model)
        return
    update_cars(model, nullcontext)
    if merged:
        last = last_id(Prediction)
        deque(update_answers(editor.registry, model, 0, last, nullcontext), maxlen=0)


def remap_all(
    registry: Registry, model: str, watch: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Bring all cars and answers of a model up to date, a chunk in a transaction."""
    update_cars(model)
    last = last_id(Prediction)
    for done in update_answers(registry, model, 0, last):
        watch(done, last)


def _touched_labels(model: str) -> set[str]:
    """Every label of a model that was ever merged or split, or is the other side of that."""
    structure = storage.structure_of(model)
    return {name for label, _kind, value in structure for name in (label, value) if name}


def update_cars(model: str, transaction: _Transaction = writing) -> None:
    """Relabel the cars of merged labels, take the events of undone merges back, and refresh the
    outcomes of cars whose label was touched. `transaction` is entered for each chunk."""
    merges = [edit for edit in storage.edits_of(model) if edit.kind == MERGED]
    undone = {edit.undoes: edit for edit in merges if edit.undoes is not None}
    for edit in merges:
        if edit.undoes is None and edit.id not in undone:
            while _relabel_some(edit, transaction):
                pass
    for edit in reversed(merges):
        if edit.id in undone:
            _take_back(edit, undone[edit.id], transaction)
    labels, last = _touched_labels(model), 0
    while True:
        with transaction():
            numbers = storage.cars_with(labels, last, _CHUNK)
            state.refresh(numbers)
            counters.recount(numbers)
            refresh_disputed(numbers)
        if len(numbers) < _CHUNK:
            return
        last = numbers[-1]


def _relabel_some(edit: LabelEdit, transaction: _Transaction) -> bool:
    """Label events for some cars of a merged label; False when there are none left."""
    with transaction():
        numbers = storage.cars_labelled(edit.model, edit.label, _CHUNK)
        stamp = Stamp(Who(edit.who, edit.user_id), MERGE, edit.why, edit.batch)
        label_cars(numbers, str(edit.value), edit.model, stamp)
    return bool(numbers)


def _take_back(edit: LabelEdit, undo: LabelEdit, transaction: _Transaction) -> None:
    stamp, last = Stamp(Who(undo.who, undo.user_id), UNDO, batch=undo.batch), 0
    while True:
        with transaction():
            numbers = bulk.standing_numbers(edit.batch, last, _CHUNK)
            take_back(numbers, stamp)
        if len(numbers) < _CHUNK:
            return
        last = numbers[-1]


def update_answers(
    registry: Registry,
    model: str,
    after: int,
    up_to: int,
    transaction: _Transaction = writing,
) -> Iterator[int]:
    """Compute anew what the predictions with these numbers say, a chunk in a transaction. Yields
    how many are done so far."""
    done = 0
    while True:
        with transaction():
            rows = storage.next_predictions(model, after, up_to, _CHUNK)
            _update(registry, model, rows)
        done += len(rows)
        yield done
        if len(rows) < _CHUNK:
            return
        after = rows[-1].id


def _update(registry: Registry, model: str, rows: Sequence[Any]) -> None:
    """Write what these predictions say where their first five have to do with merged labels."""
    structure, touched = structure_of(model), _touched_labels(model)
    stored = top_lines([row.id for row in rows])
    columns, lines, car_ids = [], {}, set()
    for version in {row.version for row in rows}:
        theirs = [row for row in rows if row.version == version]
        try:
            card = apply_edits(registry.published_card(model, version), structure)
            answers = _from_distributions(card, theirs)
        except ModelError:  # its card is gone: the stored first five are added up
            canonical = canonical_labels(structure)
            answers = [_from_lines(row, stored[row.id], canonical) for row in theirs]
        for row, (values, top) in zip(theirs, answers, strict=True):
            labels = {label for _rank, label, _probability in (*top, *stored[row.id])}
            changed = any(getattr(row, name) != value for name, value in values.items())
            if labels & touched and (changed or top != stored[row.id]):
                columns.append({"id": row.id, **values})
                lines[row.id] = top
                car_ids.add(row.car_id)
    storage.update_answers(columns, lines)
    if car_ids:
        state.refresh(sorted(car_ids))
        counters.recount(sorted(car_ids))


def _from_distributions(card: ModelCard, rows: Sequence[Any]) -> list[_Answer]:
    names, length = list(card.outputs), 4 * len(card.labels)
    if any(len(row.distribution) != length for row in rows):
        raise ModelError(f"{card.name} {card.version} had other labels when it answered.")
    raw = np.frombuffer(b"".join(row.distribution for row in rows), "<f4")
    sums = sum_merged(raw.reshape(len(rows), len(card.labels)), card)
    order = np.argsort(-sums, axis=1, kind="stable")[:, :_TOP]
    answers: list[_Answer] = []
    for row, places, probabilities in zip(rows, order.tolist(), sums, strict=True):
        first, second = (float(probabilities[place]) for place in places[:2])
        label = RankedLabel(1, names[places[0]], places[0], first)
        decision = decide(label, best_parent(probabilities, card), row.familiarity, card)
        top = [
            (rank, names[place], float(probabilities[place]))
            for rank, place in enumerate(places, start=1)
        ]
        answers.append((_columns(decision, names[places[0]], first, second), top))
    return answers


def _from_lines(row: Any, lines: Sequence[Line], canonical: Mapping[str, str]) -> _Answer:
    """The decision is only renamed, as the threshold is not known."""
    sums: dict[str, float] = {}
    for _rank, label, probability in lines:
        label = canonical.get(label, label)
        sums[label] = min(1.0, sums.get(label, 0.0) + probability)
    ranked = sorted(sums.items(), key=lambda line: -line[1])
    if not ranked:
        return {}, lines
    label, first = ranked[0]
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    named = level_of(row.decision, row.label) == LABEL
    return _columns(label if named else row.decision, label, first, second), lines


def _columns(decision: str, label: str, confidence: float, second: float) -> dict[str, Any]:
    return {
        "decision": decision,
        "label": label,
        "confidence": confidence,
        "margin": confidence - second,
    }
