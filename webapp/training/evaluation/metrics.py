"""Figures from probabilities and truths; plain numpy, so that serving machines measure too."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.inference.metrics import counts
from webapp.inference.metrics.counts import LabelMeasure, mean_f1
from webapp.inference.metrics.intervals import wilson
from webapp.inference.models.card import Groups

Floats = NDArray[np.float32]
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class JudgedPhotos:
    """What a network answers for some photos, decided; arrays by photo."""

    raw: Floats  # the softmax before temperature, (photos, labels)
    scaled: Floats  # and after it
    decided: NDArray[np.bool_]  # which got a label
    score: NDArray[np.float64]  # the familiarity, or the confidence where nothing measures that
    parents: _Ints  # the place of the parent that is the answer, -1 where it is none

    @property
    def named(self) -> NDArray[np.bool_]:
        """Which got a label or a parent."""
        return self.decided | (self.parents >= 0)

    def only(self, inside: NDArray[np.bool_]) -> "JudgedPhotos":
        """Those of the photos that are `inside`."""
        return JudgedPhotos(*(array[inside] for array in vars(self).values()))


def summary(
    judged: JudgedPhotos,
    truths: _Ints,
    names: tuple[str, ...],
    groups: Groups,
    *,
    short: bool = False,
) -> dict[str, Any]:
    """All figures of a set of photos, as plain JSON; only `n` of an empty one.

    docs/models.md explains each key. `groups` are the places of the labels in `names` that each
    parent has. `short` leaves out the confusion matrix and the labels.
    """
    n, scaled, decided = len(truths), judged.scaled, judged.decided
    if n == 0:
        return {"n": 0}
    right = scaled.argmax(axis=1) == truths
    top = np.argsort(-scaled, axis=1, kind="stable")[:, :5]
    table = confusion(scaled, truths)
    measures = label_measures(table)
    result: dict[str, Any] = {
        "n": n,
        "top1": _round(right.mean()),
        "top1_interval": [_round(bound) for bound in wilson(int(right.sum()), n)],
        "top5": _round((top == truths[:, np.newaxis]).any(axis=1).mean()),
        "macro_f1": _round(mean_f1(measures) or 0.0),
        "weighted_f1": _round(mean_f1(measures, weighted=True) or 0.0),
        "nll": _round(negative_log_likelihood(scaled, truths)),
        "ece_before": _round(calibration_error(judged.raw, truths)),
        "ece_after": _round(calibration_error(scaled, truths)),
        "unclassified": _round(1 - judged.named.mean()),
        "top1_when_decided": _round(right[decided].mean()) if decided.any() else None,
    }
    if groups:
        result["parent"] = _parent_figures(judged, parent_codes(groups, len(names))[truths])
    if not short:
        result["per_label"] = per_label(measures, names)
        result["confusion"] = table.tolist()
        result["reliability"] = _reliability(scaled, truths)
    return result


def parent_codes(groups: Groups, labels: int) -> _Ints:
    """For each of `labels` labels the place of its parent in `groups`; -1 for no parent there."""
    codes = np.full(labels, -1)
    for place, own in enumerate(groups.values()):
        codes[own] = place
    return codes


def _parent_figures(judged: JudgedPhotos, truths: _Ints) -> dict[str, Any]:
    """The photos answered by a parent; `truths` are the places of the right parents."""
    answered = judged.parents >= 0
    n, right = int(answered.sum()), int((judged.parents == truths)[answered].sum())
    return {"n": n, "right": right, "interval": [_round(bound) for bound in wilson(right, n)]}


def confusion(probabilities: Floats, truths: _Ints) -> _Ints:
    """Counts of shape (labels, labels): row = truth, column = first label of the ranking."""
    labels = probabilities.shape[1]
    table = np.zeros((labels, labels), dtype=np.int64)
    np.add.at(table, (truths, probabilities.argmax(axis=1)), 1)
    return table


def label_measures(table: _Ints) -> list[LabelMeasure]:
    """The counts of each label in a confusion matrix."""
    totals = zip(table.sum(axis=1), table.sum(axis=0), table.diagonal(), strict=True)
    return [LabelMeasure(int(n), int(named), int(hits)) for n, named, hits in totals]


def per_label(
    measures: list[LabelMeasure], names: tuple[str, ...]
) -> dict[str, dict[str, float | int | None]]:
    """n, precision, recall and F1 of every label; None where nothing was counted."""
    rows: dict[str, dict[str, float | int | None]] = {}
    for name, label in zip(names, measures, strict=True):
        figures = {"precision": label.precision, "recall": label.recall, "f1": label.f1}
        rows[name] = {"n": label.n}
        rows[name] |= {key: None if x is None else _round(x) for key, x in figures.items()}
    return rows


def mix_ups(table: _Ints, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Which label was taken for which: `n` photos, of all with that truth. The commonest first."""
    pairs = []
    for truth, answer in np.argwhere(table):
        if truth != answer:
            n, of = int(table[truth, answer]), int(table[truth].sum())
            pairs.append({"truth": names[truth], "answer": names[answer], "n": n, "of": of})
    return sorted(
        pairs, key=lambda row: (-row["n"], -row["n"] / row["of"], row["truth"], row["answer"])
    )


def calibration_error(probabilities: Floats, truths: _Ints, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) over equally wide bins, by photos."""
    rows = _reliability(probabilities, truths, bins)
    return counts.calibration_error((row["n"], row["confidence"], row["accuracy"]) for row in rows)


def _reliability(probabilities: Floats, truths: _Ints, bins: int = 10) -> list[dict[str, Any]]:
    """Photos by confidence in equally wide bins: n, mean confidence, accuracy; no empty bins."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truths
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "from": place / bins,
            "to": (place + 1) / bins,
            "n": int((places == place).sum()),
            "confidence": _round(confidence[places == place].mean()),
            "accuracy": _round(right[places == place].mean()),
        }
        for place in np.unique(places).tolist()
    ]


def area_under_curve(known: NDArray[np.floating], unknown: NDArray[np.floating]) -> float:
    """The chance that a score of `known` is over one of `unknown`: AUROC (Hanley, McNeil 1982)."""
    ordered = np.sort(unknown)
    below = np.searchsorted(ordered, known, side="left")
    up_to = np.searchsorted(ordered, known, side="right")
    return float((below + up_to).mean() / (2 * len(unknown)))


def negative_log_likelihood(probabilities: Floats, truths: _Ints) -> float:
    """Mean of -log(probability of the truth)."""
    chosen = probabilities[np.arange(len(truths)), truths].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _round(value: float) -> float:
    return round(float(value), 4)
