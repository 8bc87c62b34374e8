"""Which measure of familiarity parts known photos from other things, chosen and fitted on photos that taught the network nothing."""

import math
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from webapp.inference.familiarity import Space, add_up
from webapp.training.evaluation.metrics import area_under_curve

CANDIDATES = (
    ("probability",),
    ("energy",),
    ("logit",),
    ("distance",),
    ("probability", "distance"),
    ("energy", "distance"),
    ("logit", "distance"),
)
MOST_DIMENSIONS = 256
LEAST_AREA = 0.7  # a measure that parts less would silence known photos for nothing
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def build_space(network: keras.Model, embeddings: Floats) -> Space:
    """The last layer of `network`, and the main directions of the training photos' embeddings of shape (photos, features).

    A quarter of the photos' number, half of the features, and 256 bound the directions: few photos span little.
    """
    weights, bias = network.get_layer("probabilities").get_weights()
    wide = embeddings.astype(np.float64)
    unit = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    mean = unit.mean(axis=0)
    count = max(1, min(MOST_DIMENSIONS, unit.shape[1] // 2, len(unit) // 4))
    directions = np.linalg.svd(unit - mean, full_matrices=False)[2][:count]
    return Space(*(np.asarray(one, dtype=np.float32) for one in (weights, bias, mean, directions)))


def fit_rule(
    space: Space, known: Floats, unknown: Floats, temperature: float
) -> dict[str, Any] | None:
    """The card's rule without its threshold: the candidate with the largest area under the ROC curve, fitted. None when all part badly.

    `known` are embeddings of validation photos, `unknown` of other things. `candidates` in the rule holds every candidate's area.
    """
    inside, outside = space.scores(known, temperature), space.scores(unknown, temperature)
    rules = [_standardised(names, inside) for names in CANDIDATES]
    areas = [area_under_curve(add_up(inside, rule), add_up(outside, rule)) for rule in rules]
    best = int(np.argmax(areas))
    if areas[best] < LEAST_AREA:
        return None
    slope, offset = fit_logistic(add_up(inside, rules[best]), add_up(outside, rules[best]))
    candidates = {
        " + ".join(names): round(area, 4) for names, area in zip(CANDIDATES, areas, strict=True)
    }
    return rules[best] | {"slope": slope, "offset": offset, "candidates": candidates}


def fit_logistic(known: Doubles, unknown: Doubles) -> tuple[float, float]:
    """Slope (over 0) and offset of the logistic curve that says known or unknown from one number, both kinds weighed alike.

    Targets stay a little inside 0 and 1, so that two kinds that part cleanly have a finite slope (Platt 1999, part 2.2).
    """
    sure, unsure = (len(known) + 1) / (len(known) + 2), 1 / (len(unknown) + 2)

    def cost(line: Doubles) -> float:
        high, low = np.exp(line[0]) * known + line[1], np.exp(line[0]) * unknown + line[1]
        return float(
            (np.logaddexp(0, high) - sure * high).mean()
            + (np.logaddexp(0, low) - unsure * low).mean()
        )

    found = minimize(
        cost,
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000},
    )
    return round(math.exp(found.x[0]), 6), round(float(found.x[1]), 6)


def _standardised(names: tuple[str, ...], known: dict[str, Doubles]) -> dict[str, Any]:
    means = [float(known[name].mean()) for name in names]
    spreads = [max(float(known[name].std()), 1e-6) for name in names]
    return {"scores": list(names), "means": means, "spreads": spreads, "slope": 1.0, "offset": 0.0}
