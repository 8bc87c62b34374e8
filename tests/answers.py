"""Answers to checked photos, laid into the database without a network: what the stats count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from webapp.domain import AUDIT, UNCLASSIFIED
from webapp.inference.classifier import rank_labels
from webapp.inference.models.card import ModelCard
from webapp.storage.database import db, writing
from webapp.storage.labels import events as labels
from webapp.storage.photos import photos
from webapp.storage.stats import counters as tally
from webapp.storage.stats import stats
from webapp.storage.tables import LabelEvent, Photo, Prediction, TopLabel

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Checked:
    """A photo that somebody checked: what it is ("" when nobody has), what the network said, where it was checked, when it came."""

    truth: str
    probabilities: NDArray[np.float32]
    place: str = "gallery"
    at: datetime = MARCH


def remember(
    card: ModelCard, answers: Sequence[Checked], *, again: bool = False, start: int = 1
) -> None:
    """Photos `start` and following with these answers of the version, and their label events; `again` for another version's answers to
    the same."""
    with writing():
        connection = db.session.connection()
        labels.remember_label_set(card.name, card.version, card.label_names)
        if not again:
            connection.execute(
                insert(Photo),
                [_photo(number, one, card) for number, one in enumerate(answers, start)],
            )
            events = [
                _event(number, one, card) for number, one in enumerate(answers, start) if one.truth
            ]
            if events:
                connection.execute(insert(LabelEvent), events)
        for number, one in enumerate(answers, start):
            key = connection.execute(
                insert(Prediction), _prediction(number, one, card, current=not again)
            ).inserted_primary_key
            lines = rank_labels(one.probabilities, card)[:5]
            tops = [
                {
                    "prediction_id": key[0],
                    "rank": line.rank,
                    "label": line.label,
                    "probability": line.probability,
                }
                for line in lines
            ]
            connection.execute(insert(TopLabel), tops)
        photos.refresh_outcomes([number for number, _one in enumerate(answers, start)])
        for number, _one in enumerate(answers, start):
            photos.refresh_shown(number)


def learn(card: ModelCard, files: Sequence[str]) -> None:
    """Let it be known that the version has learnt from these files, by their SHA-256."""
    with writing():
        tally.recount(stats.add_learnt_files(card.name, card.version, files))
        stats.end_learnt_list(card.name, card.version, len(files))


def certain(card: ModelCard, label: str, confidence: float = 0.9) -> NDArray[np.float32]:
    """Probabilities that give `label` this much and share the rest among the others, the first ones a little more."""
    rest = np.linspace(1.1, 0.9, len(card.labels))
    rest[card.label_names.index(label)] = 0
    values = rest / rest.sum() * (1 - confidence)
    values[card.label_names.index(label)] = confidence
    return values.astype(np.float32)


def _photo(number: int, one: Checked, card: ModelCard) -> dict[str, object]:
    return {
        "id": number,
        "public_id": f"photo-{number}",
        "filename": f"{number}.jpg",
        "sha256": f"{number:064x}",
        "width": 120,
        "height": 80,
        "bytes": 1000,
        "format": "JPEG",
        "has_metadata": False,
        "created_at": one.at,
        "ground_truth": one.truth or None,
        "truth_model": card.name if one.truth else None,
    }


def _event(number: int, one: Checked, card: ModelCard) -> dict[str, object]:
    where = {
        "photo_id": number,
        "photo_ref": f"photo-{number}",
        "place": one.place,
        "batch": f"batch-{number}",
        "who": "Anna",
    }
    return where | {"to_label": one.truth, "to_model": card.name, "why": "", "created_at": one.at}


def _prediction(number: int, one: Checked, card: ModelCard, *, current: bool) -> dict[str, object]:
    first, second = rank_labels(one.probabilities, card)[:2]
    return {
        "photo_id": number,
        "model": card.name,
        "version": card.version,
        "decision": first.label if first.probability >= card.threshold else UNCLASSIFIED,
        "label": first.label,
        "confidence": first.probability,
        "margin": first.probability - second.probability,
        "elapsed_ms": 9.0,
        "distribution": one.probabilities.astype("<f4").tobytes(),
        "embedding": b"",
        "shown": current,
        "current": current,
        "created_at": one.at,
    }


__all__ = ["AUDIT", "MARCH", "Checked", "certain", "learn", "remember"]
