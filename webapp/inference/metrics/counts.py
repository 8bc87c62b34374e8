"""Precision, recall, F1 and calibration error: formulas on counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, floor, lgamma, log


@dataclass(frozen=True)
class LabelMeasure:
    """Counts of one label: `n` photos have it, `named` were classified as it, `hits` are both."""

    n: int
    named: int
    hits: int

    @property
    def precision(self) -> float | None:
        """The share of the photos classified as it that have it; None without any."""
        return self.hits / self.named if self.named else None

    @property
    def recall(self) -> float | None:
        """The share of the photos that have it that were classified as it; None without any."""
        return self.hits / self.n if self.n else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall, 2 hits / (n + named); None without a photo.

        Source: van Rijsbergen 1979, "Information Retrieval", ch. 7.
        """
        return 2 * self.hits / (self.n + self.named) if self.n else None


def mean_f1(measures: Iterable[LabelMeasure], *, weighted: bool = False) -> float | None:
    """The mean F1 of all labels that have photos; None without any.

    Each label counts the same (macro F1), or by its photos when `weighted`.
    """
    terms = [
        (measure.f1, measure.n if weighted else 1) for measure in measures if measure.f1 is not None
    ]
    total = sum(weight for _f1, weight in terms)
    return sum(f1 * weight for f1, weight in terms) / total if terms else None


def calibration_error(bins: Iterable[tuple[int, float, float]]) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy; 0 without photos.

    `bins` are (photos, mean confidence, share that was right) and weigh by photos. Source: Naeini
    et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning", eq. 3.
    """
    rows = list(bins)
    total = sum(n for n, _confidence, _right in rows)
    return sum(n * abs(confidence - right) for n, confidence, right in rows) / max(1, total)


def calibration_error_by_chance(bins: Iterable[tuple[int, float]]) -> float:
    """The calibration error to expect of confidences that are exactly right; 0 without photos.

    `bins` are (photos, mean confidence). Of n photos that are right with probability p, the share
    that is right is on average 2 m C(n, m) p^m (1 - p)^(n - m + 1) / n away from p, with m the
    whole part of n p + 1. Source: De Moivre 1730; P. Diaconis, S. Zabell, "Closed Form Summation
    for Classical Distributions", Statistical Science 6 (1991), theorem 1.
    """
    rows = list(bins)
    total = sum(n for n, _confidence in rows)
    return sum(_mean_deviation(n, confidence) for n, confidence in rows) / max(1, total)


def _mean_deviation(n: int, p: float) -> float:
    """The mean absolute deviation of a binomial count from n p."""
    if not n or not 0 < p < 1:
        return 0.0
    m = floor(n * p) + 1
    chosen = lgamma(n + 1) - lgamma(m + 1) - lgamma(n - m + 1)
    return 2 * m * exp(chosen + m * log(p) + (n - m + 1) * log(1 - p))
