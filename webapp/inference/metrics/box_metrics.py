"""How well a detector finds the boxes that people drew; plain numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.inference.metrics.intervals import Share, share_of
from webapp.inference.metrics.overlap import Boxes, areas, intersections, iou

Floats = NDArray[np.float64]
PRECISION = 0.87  # at which the recall is told
LEAST_SCORE = 0.05  # of boxes that are measured
IOUS = tuple(percent / 100 for percent in range(50, 100, 5))  # COCO's
_RECALLS = np.linspace(0, 1, 101)
_SMALL, _LARGE = 0.02, 0.15  # shares of the photo's area


@dataclass(frozen=True, eq=False)
class PhotoBoxes:
    """Boxes of a photo as left, top, right, bottom, in shares of its width and height.

    `predicted` (p, 4) with `scores` (p,), `true` (t, 4). What a prediction finds in `ignored`
    (i, 4), such as a group of cars, is neither right nor a false alarm.
    """

    predicted: Boxes
    scores: NDArray[np.floating[Any]]
    true: Boxes
    ignored: Boxes


@dataclass(frozen=True, eq=False)
class Matches:
    """What the predictions of a photo found.

    Attributes:
        scores: (p,) float64, highest first.
        hits: (p,) bool: the prediction found a true box.
        alarms: (p,) bool: a false alarm. What is neither lies in an ignored box.
        found: (t,) float64: the score of the prediction that found a true box; -1 for a missed one.
        areas: (t,) float64: shares of the photo's area.
    """

    scores: Floats
    hits: NDArray[np.bool_]
    alarms: NDArray[np.bool_]
    found: Floats
    areas: Floats


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall over all predictions with at least a score, by falling score; float64
    (p,) each. `n` is the number of true boxes."""

    scores: Floats
    precision: Floats
    recall: Floats
    n: int


def match(photo: PhotoBoxes, least: float = 0.5) -> Matches:
    """Match predictions to true boxes one to one: each, by falling score, takes the box that it
    overlaps most of those that are left, with an intersection over union of at least `least`.

    One that takes none is ignored when at least that share of its own area lies in an ignored box.
    Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and its evaluation code,
    which treats crowds so.
    """
    order = np.argsort(-photo.scores, kind="stable")
    predicted, scores = photo.predicted[order], photo.scores[order].astype(np.float64)
    overlaps = iou(predicted, photo.true)
    found, hits = np.full(len(photo.true), -1.0), np.zeros(len(order), np.bool_)
    for number in range(len(order) if len(photo.true) else 0):
        left = np.where(found < 0, overlaps[number], -1.0)
        best = int(left.argmax())
        if left[best] >= least:
            found[best], hits[number] = scores[number], True
    within = intersections(predicted, photo.ignored).max(axis=1, initial=0)
    alarms = ~hits & (within < least * areas(predicted))
    return Matches(scores, hits, alarms, found, areas(photo.true))


def curve_of(matches: Sequence[Matches]) -> Curve:
    """Precision and recall of the predictions of all photos together."""
    hits = np.concatenate([photo.hits for photo in matches] or [np.zeros(0, np.bool_)])
    alarms = np.concatenate([photo.alarms for photo in matches] or [np.zeros(0, np.bool_)])
    scores = np.concatenate([photo.scores for photo in matches] or [np.zeros(0)])
    n = sum(len(photo.found) for photo in matches)
    counted = hits | alarms
    order = np.argsort(-scores[counted], kind="stable")
    right = np.cumsum(hits[counted][order], dtype=np.float64)
    precision = right / np.arange(1, len(right) + 1)
    return Curve(scores[counted][order], precision, right / max(1, n), n)


def average_precision(curve: Curve) -> float | None:
    """The mean over the recalls 0, 0.01, … 1 of the best precision at that recall or a higher one,
    0 where it is not reached; None without a true box. Source: Lin et al. 2014, as in COCO's
    evaluation code."""
    if curve.n == 0:
        return None
    best = np.append(np.maximum.accumulate(curve.precision[::-1])[::-1], 0.0)
    return float(best[np.searchsorted(curve.recall, _RECALLS, side="left")].mean())


def recall_at(curve: Curve, precision: float) -> tuple[float, float] | None:
    """The highest recall with at least this precision, and the least score of the predictions that
    give it; None when no score is enough. Predictions of one score stand or fall together."""
    last = np.append(curve.scores[1:] != curve.scores[:-1], True)[: len(curve.scores)]
    enough = np.flatnonzero(last & (curve.precision >= precision))
    if not len(enough):
        return None
    return float(curve.recall[enough[-1]]), float(curve.scores[enough[-1]])


def recall_by_size(matches: Sequence[Matches], score: float) -> dict[str, Share]:
    """How many true boxes predictions with at least this score found: `small` ones of under 2 % of
    the photo's area, `medium` ones of 2 to 15 %, `large` ones of over 15 %."""
    sizes = np.concatenate([photo.areas for photo in matches] or [np.zeros(0)])
    found = np.concatenate([photo.found for photo in matches] or [np.zeros(0)]) >= score
    small, large = sizes < _SMALL, sizes > _LARGE
    groups = {"small": small, "medium": ~small & ~large, "large": large}
    return {
        name: share_of(int(found[size].sum()), int(size.sum())) for name, size in groups.items()
    }


def main_found(matches: Sequence[Matches], score: float) -> Share:
    """In how many of the photos with a true box the largest was found with at least this score."""
    found = [photo.found[photo.areas.argmax()] >= score for photo in matches if len(photo.found)]
    return share_of(sum(map(bool, found)), len(found))


def false_alarms(matches: Sequence[Matches], score: float) -> tuple[int, Share]:
    """How many predictions with at least this score are false alarms, and how many photos have
    one."""
    alarms = [int((photo.alarms & (photo.scores >= score)).sum()) for photo in matches]
    return sum(alarms), share_of(sum(count > 0 for count in alarms), len(alarms))


def summary(photos: Sequence[PhotoBoxes], score: float) -> dict[str, Any]:
    """The figures of a set of photos as plain JSON, shares with their 95 % interval.

    `ap` is the mean average precision over the intersections over union 0.5, 0.55, … 0.95, `ap50`
    the one at 0.5. What depends on a score counts predictions with at least `score`.
    """
    matches = {least: [match(photo, least) for photo in photos] for least in IOUS}
    curves = {least: curve_of(matches[least]) for least in IOUS}
    means = [average_precision(curve) for curve in curves.values()]
    at_half, best = matches[0.5], recall_at(curves[0.5], PRECISION)
    alarms, photos_with = false_alarms(at_half, score)
    return {
        "photos": len(photos),
        "boxes": curves[0.5].n,
        "ap": _rounded(np.mean([mean or 0.0 for mean in means])) if curves[0.5].n else None,
        "ap50": _rounded(means[0]),
        "recall_at_precision": {
            "precision": PRECISION,
            "recall": _rounded(best[0]) if best else 0.0,
            "score": _rounded(best[1]) if best else None,
        },
        "recall": {name: _told(share) for name, share in recall_by_size(at_half, score).items()},
        "main_car": {
            name: _told(main_found(matches[least], score))
            for name, least in (("iou50", 0.5), ("iou80", 0.8))
        },
        "false_alarms": alarms,
        "photos_with_false_alarms": _told(photos_with),
    }


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 4)


def _told(share: Share) -> dict[str, Any]:
    interval = [_rounded(share.low), _rounded(share.high)]
    return {"n": share.n, "share": _rounded(share.share), "interval": interval}
