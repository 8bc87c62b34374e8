"""Photos with several cars, without a detector: what it would find is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from webapp.domain import Box, DetectedCar
from webapp.inference.classifier import ClassifiedPhoto
from webapp.inference.classifier import classify as classify_given
from webapp.services.photos import classify as service

LEFT: Box = (0.0, 0.1, 0.5, 0.8)
RIGHT: Box = (0.5, 0.2, 0.4, 0.6)


class GivenDetector:
    """Finds what a test says: `boxes`, the main car first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boxes: list[Box] = []
        self.version: int | None = 1
        monkeypatch.setattr(service, "classify", self._classify)

    def _classify(
        self,
        content: bytes,
        classifiers: Sequence[Any],
        detector: object = None,
        *,
        cars: Sequence[DetectedCar] = (),
        **options: Any,
    ) -> ClassifiedPhoto:
        version = None
        if not cars and self.version is not None:
            cars, version = [DetectedCar(box, 0.9, "detector") for box in self.boxes], self.version
        photo = classify_given(content, classifiers, cars=cars, **options)
        return ClassifiedPhoto(**(vars(photo) | {"detector_version": version}))
