"""Finds the cars in a photo: what the detector's network answers, decoded and cleaned up."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webapp.domain import DETECTOR, DetectedCar
from webapp.errors import ModelUnavailableError
from webapp.inference.decoding.images import Picture, decode_photo, fit_input, working_side
from webapp.inference.metrics.overlap import areas, intersections, iou
from webapp.inference.models.detector_card import DetectorCard

STRIDES = (8, 16, 32)  # pixels between the cells of the three grids
GOLDEN_TOLERANCE = 0.02  # of a score, and of an edge as a share of the photo
_CANDIDATES = 200  # boxes with the highest scores, which are cleaned up
_SAME_CAR = 0.5  # overlap of two boxes of one car
_PART = 0.85  # share of a box inside another one, with a lower score, that makes it a part
_CLEARLY_LESS = 0.75  # of the other's score
_VOTES = 0.65  # overlap of boxes that are averaged
_CLEAR = 0.5  # share of the best score that a clear car reaches
Floats = NDArray[np.float32]


def make_grid(size: tuple[int, int]) -> tuple[Floats, Floats]:
    """The cells of a picture of `size` (height, width), row by row, the finest grid first.

    Returns their centres (cells, 2), x and y, and strides (cells, 2), across and down; both as
    shares of the picture's sides, float32.
    """
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
        centres.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.tile([1 / columns, 1 / rows], (rows * columns, 1)))
    return (
        np.concatenate(centres).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )


class Detector(ABC):
    """One version of a detector. Safe to share between threads."""

    def __init__(self, card: DetectorCard) -> None:
        self.card = card
        self._centres, self.strides = make_grid((card.input.height, card.input.width))

    def find(self, picture: Picture) -> list[DetectedCar]:
        """The cars in a decoded photo: the main one first, which is the largest clear one, then the
        others, the largest first."""
        boxes, scores = self.boxes(picture, self.card.threshold)
        clear = scores >= _CLEAR * scores.max(initial=0)
        order = np.lexsort((-areas(boxes), ~clear))
        return [_car(boxes[place], float(scores[place])) for place in order]

    def boxes(self, picture: Picture, threshold: float) -> tuple[Floats, Floats]:
        """Boxes (n, 4), left, top, right, bottom as shares, and scores (n,) from `threshold` on,
        one box for each car, the highest score first."""
        cells = self.cells(picture)
        cells = cells[cells[:, 0] >= threshold]
        cells = cells[np.argsort(-cells[:, 0], kind="stable")][:_CANDIDATES]
        return clean_up(cells[:, 1:], cells[:, 0])

    def cells(self, picture: Picture) -> Floats:
        """What each cell of `make_grid` answers, (cells, 5): score, left, top, right, bottom."""
        batch = fit_input(picture, self.card.input).astype(np.float32)[np.newaxis]
        scores, distances = self._run(batch)
        reach = np.exp(np.clip(distances, -4, 4)) * np.tile(self.strides, 2)
        low, high = self._centres - reach[:, :2], self._centres + reach[:, 2:]
        boxes = np.clip(np.concatenate([low, high], axis=1), 0, 1)
        return np.concatenate([scores[:, np.newaxis], boxes], axis=1)

    @abstractmethod
    def _run(self, batch: Floats) -> tuple[Floats, Floats]:
        """Scores (cells,) and distances (cells, 4) for float32 RGB in 0..255 of shape (1, height,
        width, 3): see `webapp.training.detector.network.build_detector`."""


def self_test(detector: Detector, folder: Path) -> float:
    """Look at the card's golden photos again; the largest difference in a score or an edge.

    Raises `ModelUnavailableError` when it is over `GOLDEN_TOLERANCE` or a golden photo is missing:
    this machine would give other answers.
    """
    card, worst = detector.card, 0.0
    for golden in card.golden:
        try:
            content = (folder / golden.file).read_bytes()
        except OSError as error:
            raise ModelUnavailableError(f"{card}: golden photo {golden.file} is missing") from error
        pixels = decode_photo(content, max_side=working_side(card.input)).pixels
        numbers = [row[0] for row in golden.cells]
        if max(numbers, default=0) >= len(detector.strides):
            raise ModelUnavailableError(f"{card}: {golden.file} names a cell that is not there")
        wanted = np.array([row[1:] for row in golden.cells], np.float32).reshape(-1, 5)
        given = detector.cells(pixels)[numbers]
        difference = np.nan_to_num(np.abs(given - wanted), nan=np.inf)
        worst = max(worst, float(difference.max(initial=0)))
        if worst > GOLDEN_TOLERANCE:
            place = int(difference.max(axis=1).argmax())
            raise ModelUnavailableError(
                f"{card} gives another answer on this machine: in {golden.file} it finds "
                f"{_rounded(given[place])}, the card says {_rounded(wanted[place])}"
            )
    return worst


def _rounded(cell: Floats) -> list[float]:
    return [round(number, 3) for number in cell.tolist()]


# ---- from cells to cars ----


def clean_up(boxes: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """One box for each car, from boxes (n, 4) with scores in falling order.

    A box that overlaps a better one, or that lies inside a clearly better one, is of the same car
    (greedy non-maximum suppression); what is kept is the mean of the boxes that overlap it most,
    weighted by score (Solovyev et al. 2021, "Weighted boxes fusion").
    """
    ious = iou(boxes, boxes)
    inside = intersections(boxes, boxes) / np.maximum(areas(boxes), 1e-9)[:, np.newaxis]
    kept: list[int] = []
    for place, score in enumerate(scores):
        same = ious[place, kept] >= _SAME_CAR
        part = (inside[place, kept] >= _PART) & (score < _CLEARLY_LESS * scores[kept])
        if not (same | part).any():
            kept.append(place)
    votes = (ious[kept] >= _VOTES) * scores
    votes[np.arange(len(kept)), kept] = np.maximum(scores[kept], 1e-9)
    means = votes @ boxes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)
    return means.astype(np.float32), scores[kept]


def _car(box: Floats, score: float) -> DetectedCar:
    left, top, right, bottom = (round(float(edge), 5) for edge in box)
    size = (round(right - left, 5), round(bottom - top, 5))
    return DetectedCar((left, top, *size), round(score, 4), DETECTOR)
