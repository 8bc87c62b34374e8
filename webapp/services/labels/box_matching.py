"""Which of the cars here a box from elsewhere is about."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from webapp.domain import WHOLE
from webapp.inference.metrics.overlap import iou
from webapp.label_files.listed_photo import Edges, edges_of

_LEAST = 0.5  # intersection over union from which two boxes are of the same car


def match_boxes(boxes: Sequence[Edges], cars: Sequence[Any]) -> list[Any | None]:
    """The car of each box, None for a box of its own. Pairs are made one to one, those that overlap
    most first. `cars` have x, y, width, height and found_by; whole photos are no boxes."""
    boxed = [car for car in cars if car.found_by != WHOLE]
    places = [edges_of(car.x, car.y, car.width, car.height) for car in boxed]
    overlaps = iou(np.array(boxes).reshape(-1, 4), np.array(places).reshape(-1, 4))
    matched: list[Any | None] = [None] * len(boxes)
    while overlaps.size and overlaps.max() >= _LEAST:
        box, car = np.unravel_index(overlaps.argmax(), overlaps.shape)
        matched[box] = boxed[car]
        overlaps[box, :] = overlaps[:, car] = 0
    return matched
