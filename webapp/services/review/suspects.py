"""Ground truths that are probably wrong, as a model sees it: found by confident learning, kept, and listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from webapp.domain import Who
from webapp.gallery_filter import GalleryFilter
from webapp.inference.metrics.confident_learning import doubts
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.label_set import outputs, right_answers, sum_merged
from webapp.inference.models.registry import Registry
from webapp.services.labels.label_mapping import current_card
from webapp.services.photos.gallery import make_cursor, read_cursor
from webapp.services.review.queue import SITTING
from webapp.storage.database import writing
from webapp.storage.review import queue
from webapp.storage.review import suspects as storage
from webapp.storage.tables import Photo, Suspicion, SuspicionRun, now

MOST = 20_000
"""Photos that are looked at: the newest ones with a ground truth that the version knows."""
MOST_KEPT = 500
"""Suspicions of a model that are kept, the strongest ones: more than people go through before the next look."""
EVERY = timedelta(minutes=5)
"""While labels and answers keep coming, a model goes through them again after this time, when somebody wants to see."""
PAGE = 24
COUNTING = 0.05
"""Seconds that counting may take."""


@dataclass(frozen=True)
class Suspect:
    """A photo whose ground truth is doubted, and the doubt."""

    photo: Photo
    doubt: Suspicion


@dataclass(frozen=True)
class Suspects:
    """A page of suspected ground truths, the most suspected first. `next` is the cursor of the following page, "" for none; `left` how
    many there are (`more`: at least so many)."""

    items: list[Suspect]
    next: str
    left: int
    more: bool


def look(
    registry: Registry,
    cards: Sequence[ModelCard],
    *,
    at_once: bool = False,
    moment: datetime | None = None,
) -> None:
    """Let models go through the ground truths again, where something changed since they last did and that is not just now.

    `at_once`: also when it was just now. The newest `MOST` photos are judged by what the version said about them; those that it has learnt
    from (by the list that travels with it) are left out, since it agrees with what it learnt by heart.
    """
    moment = moment or now()
    for card in cards:
        last, (event, prediction) = storage.run_of(card.name), storage.newest_event_and_prediction()
        if last is not None and last.version == card.version:
            recent = moment - last.created_at < EVERY and not at_once
            if recent or (last.last_event, last.last_prediction) == (event, prediction):
                continue
        _judge(
            registry,
            card,
            SuspicionRun(
                model=card.name, last_event=event, last_prediction=prediction, created_at=moment
            ),
        )


def last_look(model: str) -> SuspicionRun | None:
    """When a model last went through the ground truths, and what it saw."""
    return storage.run_of(model)


def suspects(
    wanted: GalleryFilter, *, who: Who, other: str = "", cursor: str = "", limit: int = PAGE
) -> Suspects:
    """A page of what the queue "suspected" asks with this filter, which names a model; `other` is the label that is suspected instead.

    Raises `BadRequestError` for a cursor that this list never gave out.
    """
    moment = now()
    scope = queue.Scope("suspected", wanted, who.user_id or 0, moment, moment - SITTING)
    place = read_cursor(cursor, "suspected")[0]
    after = None if place is None or place.key is None else (place.key, place.number)
    rows = queue.suspects(scope, other=other, after=after, limit=limit + 1)
    items = [Suspect(photo, doubt) for photo, doubt in rows[:limit]]
    end = (
        make_cursor("suspected", items[-1].doubt.margin, items[-1].photo.id, "after")
        if len(rows) > limit
        else ""
    )
    number, exact = queue.count_open(scope, seconds=COUNTING, other=other)
    return Suspects(items, end, max(number, len(items)), more=not exact)


def _judge(registry: Registry, card: ModelCard, run: SuspicionRun) -> None:
    """Find a version's doubts and keep them with the run."""
    split = read_split(registry.version_folder(card.name, card.version), card)
    card = current_card(card)
    names = list(outputs(card))
    place = {
        truth: names.index(answer)
        for truth, answer in right_answers(card).items()
        if answer in names
    }
    answers = storage.labelled_answers(card.name, card.version, MOST)
    found = [
        row
        for row in answers
        if row.ground_truth in place and len(row.distribution) == 4 * len(card.labels)
    ]
    rows = [row for row in found if not split or split.get(row.sha256, HELD_OUT) == HELD_OUT]
    run.version, run.judged, run.learnt, run.learnt_known = (
        card.version,
        len(rows),
        len(found) - len(rows),
        split is not None,
    )
    said = sum_merged(
        np.frombuffer(b"".join(row.distribution for row in rows), "<f4").reshape(
            len(rows), len(card.labels)
        ),
        card,
    )
    given = np.array([place[row.ground_truth] for row in rows], dtype=np.intp)
    kept = [
        {
            "photo_id": rows[one.row].id,
            "model": card.name,
            "given": rows[one.row].ground_truth,
            "other": names[one.other],
            "probability": one.probability,
            "other_probability": one.other_probability,
            "margin": one.margin,
        }
        for one in doubts(said, given)[:MOST_KEPT]
    ]
    with writing():
        storage.replace(run, kept)
