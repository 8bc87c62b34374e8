"""Measures a detector on the photos of a split, and finds the score from which a box counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.errors import PhotoRefusedError
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.detector import Detector, Floats
from webapp.inference.metrics.box_metrics import (
    LEAST_SCORE,
    PRECISION,
    Matches,
    PhotoBoxes,
    curve_of,
    match,
    recall_at,
    summary,
)
from webapp.inference.metrics.intervals import share_of
from webapp.inference.models.detector_card import DetectorCard
from webapp.training.data_files import files_in
from webapp.training.detector.data import BoxData
from webapp.training.detector.scenes import CAR
from webapp.training.job import say

_ALARMS = 0.01  # share of photos of other things in which something may be found
_LOST = 0.01  # share of the main cars that may be lost for that


class NetworkDetector(Detector):
    """A detector whose network is being trained."""

    def __init__(self, card: DetectorCard, network: keras.Model) -> None:
        super().__init__(card)
        self._answer = tf.function(lambda batch: network(batch, training=False))

    def _run(self, batch: Floats) -> tuple[Floats, Floats]:
        outputs = self._answer(tf.constant(batch))
        return np.asarray(outputs["scores"])[0], np.asarray(outputs["distances"])[0]


@dataclass(frozen=True, eq=False)
class Measured:
    """What a detector finds in the photos of a part, by source."""

    photos: dict[str, list[PhotoBoxes]]

    def all(self) -> list[PhotoBoxes]:
        """The photos of every source."""
        return [photo for photos in self.photos.values() for photo in photos]


def look(detector: Detector, data: BoxData, part: str) -> Measured:
    """Let a detector look at the listed photos of a part, decoded as in serving."""
    photos: dict[str, list[PhotoBoxes]] = {}
    for example in data.listed(part):
        boxes, kinds = data.boxes_of(example.path)
        predicted, scores = detector.boxes(_decode(example.path, detector.card), LEAST_SCORE)
        line = PhotoBoxes(predicted, scores, boxes[kinds == CAR], boxes[kinds != CAR])
        photos.setdefault(example.source, []).append(line)
    return Measured(dict(sorted(photos.items())))


def choose_threshold(measured: Measured, others: Sequence[Floats] = ()) -> float:
    """The least score at which `PRECISION` of the boxes are cars, raised until at most `_ALARMS` of
    photos of other things reach it, but not so far that over `_LOST` of the main cars are lost;
    `others` are the scores in each of those photos."""
    matches = [match(photo) for photo in measured.all()]
    best = recall_at(curve_of(matches), PRECISION)
    threshold = best[1] if best else 0.5
    highest = sorted((float(scores.max(initial=0)) for scores in others), reverse=True)
    if highest:
        quiet = highest[int(_ALARMS * len(highest))] + 1e-4
        threshold = max(threshold, min(quiet, _still_found(matches, threshold)))
    return math.ceil(threshold * 1e4) / 1e4


def _still_found(matches: Sequence[Matches], score: float) -> float:
    """The highest score that all but `_LOST` of the main cars reach that are found with `score`."""
    main = [float(photo.found[photo.areas.argmax()]) for photo in matches if len(photo.found)]
    found = sorted(each for each in main if each >= score)
    return found[int(_LOST * len(found))] if found else score


def metrics_of(measured: Measured, threshold: float) -> dict[str, Any]:
    """The figures of a part and of each source in it."""
    sources = {name: summary(photos, threshold) for name, photos in measured.photos.items()}
    return summary(measured.all(), threshold) | {"sources": sources}


def look_at_others(detector: Detector, folder: Path) -> list[Floats]:
    """The scores of what a detector finds in each photo of other things."""
    found = []
    for path in files_in(folder):
        try:
            found.append(detector.boxes(_decode(path, detector.card), LEAST_SCORE)[1])
        except (OSError, PhotoRefusedError) as error:
            say(f"left out {path.name}: {error}")
    return found


def unknown_metrics(others: Sequence[Floats], threshold: float) -> dict[str, Any]:
    """False alarms on photos of other things: `n` photos, `false_alarms`, and the share of photos
    without one with its interval."""
    counts = [int((scores >= threshold).sum()) for scores in others]
    clean = share_of(sum(count == 0 for count in counts), len(counts))
    return {
        "n": len(counts),
        "false_alarms": sum(counts),
        "without": round(clean.share, 4),
        "interval": [round(clean.low, 4), round(clean.high, 4)],
    }


def _decode(path: Path, card: DetectorCard) -> NDArray[np.uint8]:
    return decode_photo(path.read_bytes(), max_side=working_side(card.input)).pixels
