"""How far boxes cover each other. Boxes are (n, 4): left, top, right, bottom."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.floating[Any]]
Overlaps = NDArray[np.float64]


def areas(boxes: Boxes) -> Overlaps:
    """The area of each box: (n,)."""
    sides = np.clip(boxes[:, 2:].astype(np.float64) - boxes[:, :2], 0, None)
    return sides.prod(axis=1)


def intersections(boxes: Boxes, others: Boxes) -> Overlaps:
    """The area that each box shares with each of the others: (n, m)."""
    corners = np.concatenate(
        [
            np.maximum(boxes[:, np.newaxis, :2], others[np.newaxis, :, :2]),
            np.minimum(boxes[:, np.newaxis, 2:], others[np.newaxis, :, 2:]),
        ],
        axis=2,
    )
    return areas(corners.reshape(-1, 4)).reshape(len(boxes), len(others))


def iou(boxes: Boxes, others: Boxes) -> Overlaps:
    """Intersection over union of each box with each of the others: (n, m), in [0, 1]."""
    shared = intersections(boxes, others)
    union = areas(boxes)[:, np.newaxis] + areas(others)[np.newaxis] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
