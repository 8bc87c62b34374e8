"""Photos with several cars: a detector that finds what a test says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from numpy.typing import NDArray

from webapp.domain import Box, DetectedCar
from webapp.extensions import Extensions
from webapp.inference.models.card import InputSpec

LEFT: Box = (0.0, 0.1, 0.5, 0.8)
RIGHT: Box = (0.5, 0.2, 0.4, 0.6)


class GivenDetector:
    """Finds what a test says: `boxes`, the main car first. It is live from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boxes: list[Box] = [LEFT, RIGHT]
        self.card = SimpleNamespace(name="car-detector", version=1, input=InputSpec(64, 64))
        monkeypatch.setattr(Extensions, "detector", lambda _extensions: self)
        monkeypatch.setattr(Extensions, "live_detector", lambda _extensions: self.card.name)

    def find(self, _pixels: NDArray) -> list[DetectedCar]:
        return [DetectedCar(box, 0.9, "detector") for box in self.boxes]
