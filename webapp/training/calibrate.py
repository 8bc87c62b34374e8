"""Temperature and thresholds, fitted on validation photos."""

import math

import numpy as np
from numpy.typing import NDArray

from webapp.inference.classifier import scale
from webapp.training.evaluation.metrics import negative_log_likelihood

Floats = NDArray[np.float32]
GOLDEN_SECTION = (math.sqrt(5) - 1) / 2


def fit_temperature(raw: Floats, truths: NDArray[np.int64]) -> float:
    """The temperature between 0.5 and 5 with the smallest negative log-likelihood on these photos (Guo et al. 2017, part 4.2).

    Found by golden-section search on its logarithm. It never goes under 0.5: a few photos that are all right would ask for 0.
    """

    def cost(power: float) -> float:
        return negative_log_likelihood(scaled(raw, math.exp(power)), truths)

    low, high = math.log(0.5), math.log(5.0)
    for _ in range(40):
        left, right = high - GOLDEN_SECTION * (high - low), low + GOLDEN_SECTION * (high - low)
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return round(math.exp((low + high) / 2), 4)


def scaled(raw: Floats, temperature: float) -> Floats:
    """Temperature-scaled probabilities for raw ones of shape (photos, labels)."""
    return np.stack([scale(one, temperature) for one in raw])


def keeping(confidences: Floats, share: float) -> float:
    """The largest threshold (to four places, rounded down) that at least `share` of these confidences reach."""
    ordered = np.sort(confidences)
    allowed = math.floor((1 - share) * len(ordered) + 1e-9)
    return math.floor(float(ordered[allowed]) * 1e4) / 1e4


def keeping_both(
    familiarities: NDArray[np.float64], sure: NDArray[np.bool_], share: float
) -> float:
    """The largest familiarity (to four places, rounded down) that lets `share` of the photos through that are `sure` as well.

    0 when too few are sure in the first place.
    """
    ordered = np.sort(familiarities[sure])[::-1]
    wanted = math.ceil(share * len(sure) - 1e-9)
    return math.floor(float(ordered[wanted - 1]) * 1e4) / 1e4 if wanted <= len(ordered) else 0.0


def dividing(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """The number that best parts `unknown` photos (below) from `known` ones (Youden 1950, J), to four places."""
    ends = np.unique(np.concatenate([known, unknown]))
    candidates = (ends[1:] + ends[:-1]) / 2
    best = max(
        candidates.tolist(),
        key=lambda one: float((unknown < one).mean() - (known < one).mean()),
        default=0.0,
    )
    return math.floor(best * 1e4) / 1e4
