"""What counted answers say: precision, recall, F1, calibration error. Pure formulas on counts; the web and the training room share them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelMeasure:
    """One label, counted: `n` photos are it, `named` were called it, `hits` are both. Shares are in [0, 1]."""

    n: int
    named: int
    hits: int

    @property
    def precision(self) -> float | None:
        """Of the photos that were called it, the share that are it; None when none was called it."""
        return self.hits / self.named if self.named else None

    @property
    def recall(self) -> float | None:
        """Of the photos that are it, the share that was called it; None when none is it."""
        return self.hits / self.n if self.n else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both, 2 hits / (n + named) (van Rijsbergen 1979, "Information Retrieval", ch. 7); None when none is it."""
        return 2 * self.hits / (self.n + self.named) if self.n else None


def mean_f1(measures: Iterable[LabelMeasure], *, weighted: bool = False) -> float | None:
    """The mean F1 of all labels that some photo is; None without any.

    Each label counts the same, however many photos it has (macro F1), or by its photos when `weighted`.
    """
    counted = [(one.f1, one.n if weighted else 1) for one in measures if one.f1 is not None]
    return (
        sum(f1 * weight for f1, weight in counted) / sum(weight for _f1, weight in counted)
        if counted
        else None
    )


def calibration_error(bins: Iterable[tuple[int, float, float]]) -> float:
    """Expected calibration error (Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning", eq. 3).

    `bins` are (photos, mean confidence, share that was right): the mean distance of the last two, weighted by photos; 0 without photos.
    """
    rows = list(bins)
    total = sum(n for n, _confidence, _right in rows)
    return sum(n * abs(confidence - right) for n, confidence, right in rows) / max(1, total)
