"""What the pipeline said about the cars of a photo, as rows to be stored."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm.attributes import set_committed_value

from webapp.domain import DETECTOR, WHOLE, Answer, ClassifiedCar, DetectedCar
from webapp.inference.classifier import ClassifiedPhoto, Classifier, make_answer
from webapp.inference.models.label_set import has_merges
from webapp.services.labels.label_mapping import current_cards
from webapp.storage.tables import Car, Prediction, TopLabel, now

_TOP = 5


def make_car(car: DetectedCar, position: int, detector_version: int | None = None) -> Car:
    """A new row for a car, without predictions."""
    x, y, width, height = car.box
    return Car(
        public_id=secrets.token_urlsafe(9),
        position=position,
        x=x,
        y=y,
        width=width,
        height=height,
        score=car.score,
        found_by=car.found_by,
        detector_version=detector_version if car.found_by == DETECTOR else None,
        created_at=now(),
    )


def make_cars(classified: ClassifiedPhoto) -> list[Car]:
    """New rows for the cars of a photo, the main one first, each with its `predictions`."""
    rows = []
    for position, car in enumerate(classified.cars):
        row = make_car(car.car, position, classified.detector_version)
        set_committed_value(row, "predictions", make_predictions(car))
        rows.append(row)
    return rows


def make_predictions(car: ClassifiedCar) -> list[Prediction]:
    """New rows for what models said about a car, the one that is shown first: each stands for its
    model."""
    rows = []
    for place, answer in enumerate(car.answers):
        row = make_prediction(answer)
        row.shown, row.current = place == car.chosen, True
        rows.append(row)
    return sorted(rows, key=lambda row: (not row.shown, row.model))


def make_prediction(answer: Answer) -> Prediction:
    """A new row for an answer."""
    top = answer.ranked[:_TOP]
    return Prediction(
        model=answer.model,
        version=answer.version,
        decision=answer.decision,
        label=top[0].label,
        confidence=answer.confidence,
        margin=answer.margin,
        familiarity=answer.output.familiarity,
        elapsed_ms=answer.elapsed_ms,
        distribution=answer.output.probabilities.astype("<f4").tobytes(),
        embedding=answer.output.embedding.astype("<f2").tobytes(),
        top=[
            TopLabel(rank=line.rank, label=line.label, probability=line.probability) for line in top
        ],
    )


def with_merges(
    cars: Sequence[ClassifiedCar], classifiers: Sequence[Classifier]
) -> list[ClassifiedCar]:
    """The cars with the probabilities of merged labels added up in the answers of these models;
    where they are stored, in the same transaction."""
    cards = current_cards([classifier.card for classifier in classifiers])
    if not any(map(has_merges, cards)):
        return list(cars)
    return [
        replace(
            car,
            answers=[
                make_answer(card, answer.output, answer.elapsed_ms) if has_merges(card) else answer
                for card, answer in zip(cards, car.answers, strict=True)
            ],
        )
        for car in cars
    ]


def count_cars(classified: ClassifiedPhoto) -> int | None:
    """How many cars the detector found, None when it has not looked."""
    if classified.detector_version is None:
        return None
    return sum(car.car.found_by != WHOLE for car in classified.cars)
