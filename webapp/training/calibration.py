"""Temperature, thresholds and familiarity, fitted on photos that the network was not trained on."""

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from webapp.inference.classifier import scale
from webapp.inference.familiarity import Familiarity, Space, add_up
from webapp.inference.models.card import Groups
from webapp.inference.models.label_set import sum_parents
from webapp.training.evaluation.metrics import (
    Floats,
    JudgedPhotos,
    area_under_curve,
    negative_log_likelihood,
    parent_codes,
)

# which scores may make up the familiarity
_CANDIDATES = (
    *(("probability",), ("energy",), ("logit",), ("distance",)),
    *((name, "distance") for name in ("probability", "energy", "logit")),
)
_MOST_DIMENSIONS = 256
_LEAST_AREA = 0.7  # a measure that separates less would silence known photos for nothing
# share of the fitted photos that are named, so that 95 % of new ones are: they fare a little worse
_KNOWN_KEPT = 0.97
# where the familiarity finds other things: share of the fitted photos that are familiar, and of
# those with a right first label that reach the threshold
_FAMILIAR_KEPT, _RIGHT_KEPT = 0.98, 0.99
_HIGHEST_THRESHOLD = 0.9  # what the model gives nine in ten is always named
# share of the photos answered by a parent that it is right for, and the least it must have
_PARENT_RIGHT, _LEAST_PARENT = 0.97, 0.5
_LEAST_PARENT_PHOTOS = 100
_Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What was fitted; `familiarity` is None when nothing measures it, `parent_threshold` when
    parents are not to be trusted or there are none; `groups` are their labels' places."""

    temperature: float
    threshold: float
    familiarity: Familiarity | None
    parent_threshold: float | None = None
    groups: Groups = field(default_factory=dict)

    def judge(self, outputs: dict[str, Floats]) -> JudgedPhotos:
        """Decide a network's outputs `probabilities` and `embedding`."""
        raw = outputs["probabilities"]
        probabilities = scale(raw, self.temperature)
        confidences = probabilities.max(axis=1)
        score, familiar = confidences.astype(np.float64), np.ones(len(raw), dtype=bool)
        if self.familiarity is not None:
            score = self.familiarity.of(outputs["embedding"])
            familiar = score >= self.familiarity.rule["threshold"]
        decided = familiar & (confidences >= self.threshold)
        parents = np.full(len(raw), -1)
        if self.parent_threshold is not None:
            sums = sum_parents(probabilities, self.groups)
            by_parent = familiar & ~decided & (sums.max(axis=1) >= self.parent_threshold)
            parents[by_parent] = sums.argmax(axis=1)[by_parent]
        return JudgedPhotos(raw, probabilities, decided, score, parents)


def calibrate(
    known: dict[str, Floats],
    truths: NDArray[np.int64],
    unknown: Floats | None,
    space: Space,
    groups: Groups,
) -> Calibration:
    """Fit temperature, thresholds and familiarity on outputs for photos not trained on; `groups`
    are the places of the labels that each parent has.

    Without embeddings of `unknown` things that a measure separates, the confidence alone decides.
    """
    temperature = fit_temperature(known["probabilities"], truths)
    probabilities = scale(known["probabilities"], temperature)
    confidences, familiar = probabilities.max(axis=1), np.ones(len(truths), dtype=bool)
    if unknown is None or not (rule := fit_rule(space, known["embedding"], unknown, temperature)):
        threshold = min(_HIGHEST_THRESHOLD, keeping(confidences, _KNOWN_KEPT))
        familiarity = None
    else:
        right = probabilities.argmax(axis=1) == truths
        sure = confidences[right] if right.any() else confidences
        threshold = min(_HIGHEST_THRESHOLD, keeping(sure, _RIGHT_KEPT))
        familiarity = Familiarity(space, temperature, rule)
        inside = familiarity.of(known["embedding"])
        rule["threshold"] = keeping(inside, _FAMILIAR_KEPT)
        familiar = inside >= rule["threshold"]
    parent_threshold = fit_parent_threshold(
        probabilities[familiar], truths[familiar], threshold, groups
    )
    return Calibration(temperature, threshold, familiarity, parent_threshold, groups)


def fit_parent_threshold(
    probabilities: Floats, truths: NDArray[np.int64], threshold: float, groups: Groups
) -> float | None:
    """The smallest threshold, at least one half, from which on the most probable parent is right
    for 97 in 100 of the photos that no label reaches the `threshold` of; None when there is none.

    Those are few: the least sure 100 photos judge where they are fewer.
    """
    if not groups:
        return None
    confidences = probabilities.max(axis=1)
    least_sure = np.argsort(confidences, kind="stable")
    pool = least_sure[: max(_LEAST_PARENT_PHOTOS, int((confidences < threshold).sum()))]
    sums = sum_parents(probabilities[pool], groups)
    scores, codes = sums.max(axis=1), parent_codes(groups, probabilities.shape[1])
    right = codes[truths[pool]] == sums.argmax(axis=1)
    for limit in sorted({_round_down(score) for score in scores}):
        if limit >= _LEAST_PARENT and right[scores >= limit].mean() >= _PARENT_RIGHT:
            return limit
    return None


def fit_temperature(raw: Floats, truths: NDArray[np.int64]) -> float:
    """The temperature in 0.25..5 with the smallest negative log-likelihood (Guo et al. 2017)."""

    def cost(power: float) -> float:
        return negative_log_likelihood(scale(raw, math.exp(power)), truths)

    bounds = (math.log(0.25), math.log(5.0))
    best = minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return round(math.exp(best.x), 4)


def _round_down(number: float) -> float:
    return math.floor(float(number) * 1e4) / 1e4


def keeping(scores: NDArray[Any], share: float) -> float:
    """The largest threshold that `share` of the photos reach, to four places."""
    return _round_down(np.sort(scores)[::-1][math.ceil(share * len(scores) - 1e-9) - 1])


# ---- familiarity ----


def build_space(network: keras.Model, embeddings: Floats) -> Space:
    """The last layer, and the main directions of training embeddings (photos, features)."""
    weights, bias = network.get_layer("probabilities").get_weights()
    wide = embeddings.astype(np.float64)
    unit = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    mean = unit.mean(axis=0)
    # few photos span little
    count = max(1, min(_MOST_DIMENSIONS, unit.shape[1] // 2, len(unit) // 4))
    directions = np.linalg.svd(unit - mean, full_matrices=False)[2][:count]
    arrays = (weights, bias, mean, directions)
    return Space(*(np.asarray(array, dtype=np.float32) for array in arrays))


def fit_rule(
    space: Space, known: Floats, unknown: Floats, temperature: float
) -> dict[str, Any] | None:
    """The card's rule without its threshold: the candidate with the largest area under the curve.

    From embeddings of known photos and other things; None when all candidates separate badly.
    """
    inside, outside = space.scores(known, temperature), space.scores(unknown, temperature)
    rules: list[dict[str, Any]] = []
    for names in _CANDIDATES:
        means = [float(inside[name].mean()) for name in names]
        spreads = [max(float(inside[name].std()), 1e-6) for name in names]
        rule = {"scores": list(names), "means": means, "spreads": spreads}
        rules.append(rule | {"slope": 1.0, "offset": 0.0})
    areas = [area_under_curve(add_up(inside, rule), add_up(outside, rule)) for rule in rules]
    best = int(np.argmax(areas))
    if areas[best] < _LEAST_AREA:
        return None
    slope, offset = fit_logistic(add_up(inside, rules[best]), add_up(outside, rules[best]))
    candidates = {
        " + ".join(names): round(area, 4) for names, area in zip(_CANDIDATES, areas, strict=True)
    }
    return rules[best] | {"slope": slope, "offset": offset, "candidates": candidates}


def fit_logistic(known: _Doubles, unknown: _Doubles) -> tuple[float, float]:
    """Slope (over 0) and offset of the logistic curve that tells known from unknown numbers.

    Both weigh alike, with targets a little inside 0 and 1 for a finite slope (Platt 1999, 2.2).
    """
    sure, unsure = (len(known) + 1) / (len(known) + 2), 1 / (len(unknown) + 2)

    def cost(line: _Doubles) -> float:
        high, low = np.exp(line[0]) * known + line[1], np.exp(line[0]) * unknown + line[1]
        known_cost = (np.logaddexp(0, high) - sure * high).mean()
        return float(known_cost + (np.logaddexp(0, low) - unsure * low).mean())

    options = {"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000}
    power, offset = minimize(cost, np.zeros(2), method="Nelder-Mead", options=options).x
    return round(math.exp(power), 6), round(float(offset), 6)
