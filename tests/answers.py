"""Answers to checked photos, laid into the database without a network: what the stats count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from webapp.domain import AUDIT, UNCLASSIFIED, WHOLE, WHOLE_PHOTO
from webapp.inference.classifier import rank_labels
from webapp.inference.models.card import ModelCard
from webapp.storage.cars import state
from webapp.storage.database import db, writing
from webapp.storage.labels import events as labels
from webapp.storage.stats import counters, stats
from webapp.storage.tables import Car, LabelEvent, Photo, Prediction, TopLabel

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Checked:
    """A photo with the network's answer and its true label, "" while nobody has checked it."""

    truth: str
    probabilities: NDArray[np.float32]
    place: str = "gallery"
    created_at: datetime = MARCH


def remember(
    card: ModelCard, answers: Sequence[Checked], *, again: bool = False, start: int = 1
) -> None:
    """Store photos from number `start` on, a version's answers to them, and their label events.

    With `again`, the photos are there already, and these are another version's answers to them.
    """
    with writing():
        connection = db.session.connection()
        parents = {label.name: label.parent for label in card.labels}
        labels.remember_label_set(card.name, card.version, parents)
        if not again:
            connection.execute(
                insert(Photo),
                [_photo(number, checked) for number, checked in enumerate(answers, start)],
            )
            connection.execute(
                insert(Car),
                [_car(number, checked, card) for number, checked in enumerate(answers, start)],
            )
            events = [
                _event(number, checked, card)
                for number, checked in enumerate(answers, start)
                if checked.truth
            ]
            if events:
                connection.execute(insert(LabelEvent), events)
        for number, checked in enumerate(answers, start):
            key = connection.execute(
                insert(Prediction), _prediction(number, checked, card, current=not again)
            ).inserted_primary_key
            lines = rank_labels(checked.probabilities, card)[:5]
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
        numbers = [number for number, _checked in enumerate(answers, start)]
        state.refresh(numbers)
        counters.recount(numbers)


def trained_on(card: ModelCard, files: Sequence[str]) -> None:
    """Store that the version was trained on these files, by their SHA-256."""
    with writing():
        counters.recount(stats.add_training_files(card.name, card.version, files))
        stats.end_training_list(card.name, card.version, len(files))


def certain(card: ModelCard, label: str, confidence: float = 0.9) -> NDArray[np.float32]:
    """Probabilities with this confidence in `label`; the other labels share the rest."""
    rest = np.linspace(1.1, 0.9, len(card.labels))
    rest[card.label_names.index(label)] = 0
    values = rest / rest.sum() * (1 - confidence)
    values[card.label_names.index(label)] = confidence
    return values.astype(np.float32)


def _photo(number: int, checked: Checked) -> dict[str, object]:
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
        "created_at": checked.created_at,
    }


def _car(number: int, checked: Checked, card: ModelCard) -> dict[str, object]:
    """The whole photo as its main car."""
    return {
        "id": number,
        "public_id": f"car-{number}",
        "photo_id": number,
        "position": 0,
        **dict(zip(("x", "y", "width", "height"), WHOLE_PHOTO, strict=True)),
        "found_by": WHOLE,
        "ground_truth": checked.truth or None,
        "truth_model": card.name if checked.truth else None,
    }


def _event(number: int, checked: Checked, card: ModelCard) -> dict[str, object]:
    where = {
        "car_id": number,
        "photo_ref": f"photo-{number}",
        "place": checked.place,
        "batch": f"batch-{number}",
        "who": "Anna",
    }
    return where | {
        "to_label": checked.truth,
        "to_model": card.name,
        "why": "",
        "created_at": checked.created_at,
    }


def _prediction(
    number: int, checked: Checked, card: ModelCard, *, current: bool
) -> dict[str, object]:
    first, second = rank_labels(checked.probabilities, card)[:2]
    return {
        "car_id": number,
        "photo_id": number,
        "model": card.name,
        "version": card.version,
        "decision": first.label if first.probability >= card.threshold else UNCLASSIFIED,
        "label": first.label,
        "confidence": first.probability,
        "margin": first.probability - second.probability,
        "elapsed_ms": 9.0,
        "distribution": checked.probabilities.astype("<f4").tobytes(),
        "embedding": b"",
        "shown": current,
        "current": current,
        "created_at": checked.created_at,
    }


__all__ = ["AUDIT", "MARCH", "Checked", "certain", "remember", "trained_on"]
