"""Real stand-ins for slow tools: they keep the contract, and tests can tell them what to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webapp.domain import DETECTOR, Box, DetectedCar, NetworkOutput
from webapp.inference.decoding.images import Picture
from webapp.inference.models.card import InputSpec, Label, ModelCard
from webapp.inference.models.detector_card import DetectorCard

TEAMS = {
    "alfa_romeo": ("Alfa Romeo Racing", "#960000"),
    "bwt": ("BWT", "#F596C8"),
    "ferrari": ("Ferrari", "#C00000"),
    "haas": ("Haas", "#787878"),
    "mclaren": ("McLaren", "#FF8700"),
    "mercedes": ("Mercedes", "#00D2BE"),
    "redbull": ("Red Bull Racing", "#0600EF"),
    "renault": ("Renault", "#FFF500"),
    "toro_rosso": ("Alpha Tauri", "#C8C8C8"),
    "williams": ("Williams", "#0082FA"),
}


def make_card(version: int = 1, **changes: object) -> ModelCard:
    """A card of ten teams, checked."""
    facts: dict[str, object] = {
        "name": "f1-teams",
        "version": version,
        "title": "Formula One teams",
        "noun": "team",
        "noun_plural": "teams",
        "question": "Whose car is it?",
        "summary": "Ten teams by their liveries.",
        "labels": tuple(Label(name, display, color) for name, (display, color) in TEAMS.items()),
        "input": InputSpec(64, 96),
        "temperature": 1.0,
        "threshold": 0.5,
        "limits": ("Road cars. It was not shown any.",),
        "metrics": {
            "test": {
                "reliability": [
                    {"from": 0.9, "to": 1.0, "n": 100, "confidence": 0.96, "accuracy": 0.98}
                ]
            }
        },
    }
    card = ModelCard(**{**facts, **changes})  # type: ignore[arg-type]
    card.check()
    return card


def familiarity_rule(**changes: object) -> dict[str, object]:
    """A card's rule for the familiarity, which names photos from 0.5 on."""
    return {
        "scores": ["logit"],
        "means": [0.0],
        "spreads": [1.0],
        "slope": 1.0,
        "offset": 0.0,
        "threshold": 0.5,
        **changes,
    }


def make_cars_card(version: int = 1) -> ModelCard:
    """A card with another label set: four road cars, one of whose names is a team's too."""
    cars = {
        "audi-s4": ("Audi S4", "#808890"),
        "bmw-m3": ("BMW M3", "#2040A0"),
        "ferrari": ("Ferrari 458", "#C00000"),
        "lada": ("Lada 2105", "#E0D8B0"),
    }
    labels = tuple(Label(name, display, color) for name, (display, color) in cars.items())
    return make_card(
        version,
        name="stanford-cars",
        title="Road cars",
        noun="car",
        noun_plural="cars",
        question="Which car?",
        labels=labels,
    )


def make_card_of_makes(version: int = 1, **changes: object) -> ModelCard:
    """A card of four road cars of which two are Audis, and named as such from 0.9 on."""
    cars = (
        ("audi-a4", "Audi A4", "Audi"),
        ("audi-a5", "Audi A5", "Audi"),
        ("bmw-m3", "BMW M3", "BMW"),
        ("lada", "Lada 2105", ""),
    )
    labels = tuple(Label(name, display, parent=parent) for name, display, parent in cars)
    facts = {"name": "makes", "title": "Makes", "noun": "car", "noun_plural": "cars"}
    return make_card(version, **facts, labels=labels, parent_threshold=0.9, **changes)


class FolderFiles:
    """Keeps bytes as files of a real folder: unlike the database, it does not roll back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, sha256: str, content: bytes) -> None:
        (self.folder / sha256).write_bytes(content)

    def get(self, sha256: str) -> bytes | None:
        path = self.folder / sha256
        return path.read_bytes() if path.is_file() else None

    def delete(self, sha256: str) -> None:
        (self.folder / sha256).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        return iter(sorted(path.name for path in self.folder.iterdir()))


class FakeClassifier:
    """Answers by the mean colour of the photo, or what `says` was told."""

    def __init__(self, card: ModelCard | None = None) -> None:
        self.card = card or make_card()
        self.ranked_photos = 0
        self.familiarity: float | None = None
        self.head: NDArray[np.float32] | None = None
        self._fixed: dict[str, float] = {}

    def says(self, **probabilities: float) -> None:
        """From now on these probabilities; the rest is shared among the other labels."""
        self._fixed = probabilities

    def predict(self, picture: Picture) -> NetworkOutput:
        self.ranked_photos += 1
        names = self.card.label_names
        if self._fixed:
            rest = (1 - sum(self._fixed.values())) / (len(names) - len(self._fixed))
            values = np.array([self._fixed.get(name, rest) for name in names])
        else:
            mean = np.asarray(picture).reshape(-1, 3).mean(axis=0)
            colors = np.array(
                [
                    [int(label.color[start : start + 2], 16) for start in (1, 3, 5)]
                    for label in self.card.labels
                ]
            )
            closeness = np.exp(-np.linalg.norm(colors - mean, axis=1) / 15)
            values = closeness / closeness.sum()
        feature_map = np.ones((2, 3, 8), dtype=np.float32) * values.max()
        return NetworkOutput(
            values.astype(np.float32), feature_map.mean(axis=(0, 1)), feature_map, self.familiarity
        )


class FakeDetector:
    """Finds the given boxes in every photo, or those it is told of later."""

    def __init__(self, *boxes: Box, score: float = 0.9) -> None:
        self.boxes, self.score = list(boxes), score
        self.card = DetectorCard(
            name="car-detector",
            version=1,
            title="Car detector",
            summary="",
            input=InputSpec(64, 96),
            threshold=0.4,
        )

    def find(self, _picture: Picture) -> list[DetectedCar]:
        return [DetectedCar(box, self.score, DETECTOR) for box in self.boxes]

    def is_version(self, version: int) -> None:
        """From now on it is this version of the detector."""
        self.card = replace(self.card, version=version)
