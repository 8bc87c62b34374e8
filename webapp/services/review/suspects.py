"""Ground truths that are probably wrong: found by confident learning, stored, and listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from webapp.domain import Who
from webapp.gallery_filter import GalleryFilter
from webapp.inference.metrics.confident_learning import doubts
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.label_set import right_answers, sum_merged
from webapp.inference.models.registry import Registry
from webapp.services.labels.label_mapping import current_card
from webapp.services.photos.gallery import make_cursor, read_cursor
from webapp.storage.database import last_id, writing
from webapp.storage.review import queue
from webapp.storage.review import suspects as storage
from webapp.storage.review.queue import ReviewScope
from webapp.storage.tables import LabelEvent, Prediction, Suspicion, SuspicionRun, now

MOST_CARS = 20_000  # the newest ones with a ground truth that the version knows are compared
MOST_STORED = 500  # of a model, the strongest doubts: more than people go through before the next
_EVERY = timedelta(minutes=5)  # while labels keep coming, a model compares again after this time
_PAGE = 24
_COUNTING = 0.05  # seconds


@dataclass(frozen=True)
class Suspects:
    """A page of suspected ground truths, the most suspected first.

    `next` is the cursor of the following page, "" for none; `left` how many there are (`more`: at
    least that number).
    """

    items: list[Suspicion]
    next: str
    left: int
    more: bool


def find_suspects(
    registry: Registry,
    cards: Sequence[ModelCard],
    *,
    at_once: bool = False,
    moment: datetime | None = None,
) -> None:
    """Compare the newest ground truths with the models again where something has changed; within
    five minutes only `at_once`. Photos that a version was trained on are left out."""
    moment = moment or now()
    for card in cards:
        last, newest = storage.run_of(card.name), (last_id(LabelEvent), last_id(Prediction))
        if last is not None and last.version == card.version:
            recent = moment - last.created_at < _EVERY and not at_once
            if recent or (last.last_event, last.last_prediction) == newest:
                continue
        event, prediction = newest
        run = SuspicionRun(
            model=card.name, last_event=event, last_prediction=prediction, created_at=moment
        )
        _compare(registry, card, run)


def list_suspects(
    photo_filter: GalleryFilter, *, who: Who, other: str = "", cursor: str = "", limit: int = _PAGE
) -> Suspects:
    """A page of the queue "suspected" with a filter that names a model; `other` is the label that
    is suspected instead, "" for any. Raises `BadRequestError` for a cursor of another list."""
    scope = ReviewScope("suspected", photo_filter, who.user_id or 0, other=other)
    after, _backwards = read_cursor(cursor, "suspected")
    rows = queue.suspects(scope, after, limit + 1)
    items, following = rows[:limit], ""
    if len(rows) > limit:
        following = make_cursor("suspected", items[-1].margin, items[-1].car_id, "after")
    number, exact = queue.count_open(scope, _COUNTING)
    return Suspects(items, following, max(number, len(items)), more=not exact)


def _compare(registry: Registry, card: ModelCard, run: SuspicionRun) -> None:
    """Find a version's doubts and store them with the run."""
    split = read_split(registry.version_folder(card.name, card.version), card)
    card = current_card(card)
    names = list(card.outputs)
    places = {
        truth: names.index(answer)
        for truth, answer in right_answers(card).items()
        if answer in names
    }
    answered = [
        row
        for row in storage.labelled_answers(card.name, card.version, MOST_CARS)
        if row.ground_truth in places and len(row.distribution) == 4 * len(card.labels)
    ]
    rows = [row for row in answered if not split or split.get(row.sha256, HELD_OUT) == HELD_OUT]
    run.version = card.version
    run.judged, run.trained = len(rows), len(answered) - len(rows)
    run.training_known = split is not None
    distributions = np.frombuffer(b"".join(row.distribution for row in rows), "<f4")
    probabilities = sum_merged(distributions.reshape(len(rows), len(card.labels)), card)
    given = np.array([places[row.ground_truth] for row in rows], dtype=np.intp)
    stored = [
        {
            "car_id": rows[doubt.row].id,
            "model": card.name,
            "given": rows[doubt.row].ground_truth,
            "other": names[doubt.other],
            "probability": doubt.probability,
            "other_probability": doubt.other_probability,
            "margin": doubt.margin,
        }
        for doubt in doubts(probabilities, given)[:MOST_STORED]
    ]
    with writing():
        storage.replace(run, stored)
