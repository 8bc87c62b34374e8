"""How good, how sure, how sure rightly: figures from probabilities and truths. Plain numpy, so that serving machines can measure too."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.inference.metrics.counts import LabelMeasure
from webapp.inference.metrics.counts import calibration_error as error_of_bins
from webapp.inference.metrics.counts import mean_f1 as mean_of_f1
from webapp.inference.metrics.intervals import wilson

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def confusion(probabilities: Floats, truths: Ints) -> NDArray[np.int64]:
    """Counts of shape (labels, labels): row = truth, column = first label of the ranking."""
    labels = probabilities.shape[1]
    table = np.zeros((labels, labels), dtype=np.int64)
    np.add.at(table, (truths, probabilities.argmax(axis=1)), 1)
    return table


def per_label(
    table: NDArray[np.int64], names: tuple[str, ...]
) -> dict[str, dict[str, float | int | None]]:
    """n, precision, recall and F1 of every label from a confusion table. None where nothing was counted."""
    return {
        name: {
            "n": one.n,
            "precision": _maybe(one.precision),
            "recall": _maybe(one.recall),
            "f1": _maybe(one.f1),
        }
        for name, one in zip(names, label_measures(table), strict=True)
    }


def label_measures(table: NDArray[np.int64]) -> list[LabelMeasure]:
    """The counts of every label, in the order of the table."""
    return [
        LabelMeasure(int(table[at].sum()), int(table[:, at].sum()), int(table[at, at]))
        for at in range(len(table))
    ]


def calibration_error(probabilities: Floats, truths: Ints, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015): mean distance of confidence and accuracy over equally wide bins, by photos."""
    return error_of_bins(
        (one["n"], one["confidence"], one["accuracy"])
        for one in reliability(probabilities, truths, bins)
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


def summary(
    raw: Floats,
    scaled: Floats,
    truths: Ints,
    names: tuple[str, ...],
    decided: Bools,
    *,
    short: bool = False,
) -> dict[str, Any]:
    """All figures of one set of photos, as plain JSON; only `n` of an empty one. See docs/models.md for each key.

    `raw` and `scaled` are the softmax before and after temperature, float32 of shape (photos, labels); `decided` tells which photos got a
    label and not "unclassified". `short` leaves out the confusion table and the labels.
    """
    n = len(truths)
    if n == 0:
        return {"n": 0}
    right = scaled.argmax(axis=1) == truths
    top = np.argsort(-scaled, axis=1, kind="stable")[:, :5]
    table = confusion(scaled, truths)
    rows = per_label(table, names)
    result: dict[str, Any] = {
        "n": n,
        "top1": _round(right.mean()),
        "top1_interval": [_round(bound) for bound in wilson(int(right.sum()), n)],
        "top5": _round((top == truths[:, np.newaxis]).any(axis=1).mean()),
        "macro_f1": _round(mean_f1(table)),
        "weighted_f1": _round(mean_f1(table, weighted=True)),
        "nll": _round(negative_log_likelihood(scaled, truths)),
        "ece_before": _round(calibration_error(raw, truths)),
        "ece_after": _round(calibration_error(scaled, truths)),
        "unclassified": _round(1 - decided.mean()),
        "top1_when_decided": _round(right[decided].mean()) if decided.any() else None,
    }
    if not short:
        result |= {
            "per_label": rows,
            "confusion": table.tolist(),
            "reliability": reliability(scaled, truths),
        }
    return result


def mean_f1(table: NDArray[np.int64], *, weighted: bool = False) -> float:
    """The mean F1 of the labels that have photos, from a confusion table with at least one photo; by their photos when `weighted`."""
    return mean_of_f1(label_measures(table), weighted=weighted) or 0.0


def mix_ups(table: NDArray[np.int64], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Which label was taken for which: truth, answer, how many photos (`n`), of how many of that truth. The commonest first."""
    found = [
        {
            "truth": names[truth],
            "answer": names[answer],
            "n": int(table[truth, answer]),
            "of": int(table[truth].sum()),
        }
        for truth, answer in np.argwhere(table)
        if truth != answer
    ]
    return sorted(
        found, key=lambda one: (-one["n"], -one["n"] / one["of"], one["truth"], one["answer"])
    )


def area_under_curve(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> float:
    """How well a score parts known photos (high) from others: the chance that one of `known` scores over one of `unknown`, ties half.

    The area under the ROC curve, which is the Mann-Whitney statistic over the number of pairs (Mann and Whitney 1947; Hanley and McNeil
    1982, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve"). Neither may be empty.
    """
    ordered = np.sort(unknown)
    below, up_to = (
        np.searchsorted(ordered, known, side="left"),
        np.searchsorted(ordered, known, side="right"),
    )
    return float((below + up_to).mean() / (2 * len(unknown)))


def negative_log_likelihood(probabilities: Floats, truths: Ints) -> float:
    """Mean of -log(probability of the truth)."""
    chosen = probabilities[np.arange(len(truths)), truths].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _round(value: float) -> float:
    return round(float(value), 4)


def _maybe(value: float | None) -> float | None:
    return None if value is None else _round(value)
