"""How good, how sure, how sure rightly: figures from probabilities and truths. Plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.inference.classifier import scale
from webapp.inference.intervals import wilson

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def confusion(probabilities: Floats, truths: Ints) -> NDArray[np.int64]:
    """Counts of shape (labels, labels): row = truth, column = first label of the ranking."""
    labels = probabilities.shape[1]
    table = np.zeros((labels, labels), dtype=np.int64)
    np.add.at(table, (truths, probabilities.argmax(axis=1)), 1)
    return table


def per_label(table: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, dict[str, float | int | None]]:
    """n, precision, recall and F1 of every label from a confusion table. None where nothing was counted."""
    rows: dict[str, dict[str, float | int | None]] = {}
    for place, name in enumerate(names):
        hits, n, named = int(table[place, place]), int(table[place].sum()), int(table[:, place].sum())
        rows[name] = {
            "n": n,
            "precision": _round(hits / named) if named else None,
            "recall": _round(hits / n) if n else None,
            "f1": _round(2 * hits / (n + named)) if n else None,
        }
    return rows


def calibration_error(probabilities: Floats, truths: Ints, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015): mean distance of confidence and accuracy over equally wide bins, by photos."""
    return float(
        sum(one["n"] * abs(one["confidence"] - one["accuracy"]) for one in reliability(probabilities, truths, bins)) / max(1, len(truths))
    )


def reliability(probabilities: Floats, truths: Ints, bins: int = 10) -> list[dict[str, Any]]:
    """Photos by confidence in equally wide bins: n, mean confidence, accuracy. Empty bins are left out."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truths
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for place in sorted(set(places.tolist())):
        inside = places == place
        rows.append(
            {
                "from": place / bins,
                "to": (place + 1) / bins,
                "n": int(inside.sum()),
                "confidence": _round(confidence[inside].mean()),
                "accuracy": _round(right[inside].mean()),
            }
        )
    return rows


def figures(
    raw: Floats,
    truths: Ints,
    names: tuple[str, ...],
    temperature: float,
    threshold: float,
    *,
    familiar: NDArray[np.bool_] | None = None,
    short: bool = False,
) -> dict[str, Any]:
    """All figures of one set of photos, as plain JSON. `raw` is the softmax before temperature, float32 of shape (photos, labels).

    A photo is decided when its confidence reaches `threshold` and it is `familiar` (photos,), if that was measured. `short` leaves out
    the confusion table and the labels. See docs/models.md for each key.
    """
    n = len(truths)
    if n == 0:
        return {"n": 0}
    scaled = np.stack([scale(one, temperature) for one in raw])
    right = scaled.argmax(axis=1) == truths
    top = np.argsort(-scaled, axis=1, kind="stable")[:, :5]
    decided = scaled.max(axis=1) >= threshold
    if familiar is not None:
        decided &= familiar
    table = confusion(scaled, truths)
    rows = per_label(table, names)
    counted = [float(row["f1"] or 0.0) for row in rows.values() if row["n"]]
    result: dict[str, Any] = {
        "n": n,
        "top1": _round(right.mean()),
        "top1_interval": [_round(bound) for bound in wilson(int(right.sum()), n)],
        "top5": _round((top == truths[:, np.newaxis]).any(axis=1).mean()),
        "macro_f1": _round(sum(counted) / len(counted)),
        "nll": _round(negative_log_likelihood(scaled, truths)),
        "ece_before": _round(calibration_error(raw, truths)),
        "ece_after": _round(calibration_error(scaled, truths)),
        "unclassified": _round(1 - decided.mean()),
        "top1_when_decided": _round(right[decided].mean()) if decided.any() else None,
    }
    if not short:
        result |= {"per_label": rows, "confusion": table.tolist(), "reliability": reliability(scaled, truths)}
    return result


def negative_log_likelihood(probabilities: Floats, truths: Ints) -> float:
    """Mean of -log(probability of the truth)."""
    chosen = probabilities[np.arange(len(truths)), truths].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def area_under_curve(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> float:
    """Area under the ROC curve: how often a known photo's score is above an unknown one's, ties half (Hanley and McNeil 1982)."""
    wins = (known[:, np.newaxis] > unknown).mean() + 0.5 * (known[:, np.newaxis] == unknown).mean()
    return float(wins)


def _round(value: float) -> float:
    return round(float(value), 4)
