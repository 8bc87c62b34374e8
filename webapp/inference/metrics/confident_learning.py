"""Confident learning: which given labels a model has reason to doubt. Numbers in, numbers out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Doubt:
    """A given label that is probably wrong. `row` is the photo's place in what was asked, `other` the label's place that it should be.

    `probability` and `other_probability` are the model's for the given label and for the other one. `margin` is the normalised margin:
    probability of the given label minus the highest of any other, in [-1, 1]; the lower, the more suspected.
    """

    row: int
    other: int
    probability: float
    other_probability: float
    margin: float


def thresholds(probabilities: NDArray[np.float32], given: NDArray[np.intp]) -> NDArray[np.float64]:
    """For each label the mean probability that the photos which were given it have for it; infinity for a label that none was given.

    `probabilities` has the shape (photos, labels), each row sums to 1; `given` the shape (photos,): places of labels.
    """
    labels = probabilities.shape[1]
    own = probabilities[np.arange(len(given)), given].astype(np.float64)
    number = np.bincount(given, minlength=labels)
    total = np.bincount(given, weights=own, minlength=labels)
    found = np.full(labels, np.inf)
    found[number > 0] = total[number > 0] / number[number > 0]
    return found


def doubts(probabilities: NDArray[np.float32], given: NDArray[np.intp]) -> list[Doubt]:
    """The given labels that are probably wrong, the most suspected first. Shapes as in `thresholds`.

    With p(j; x) the probability of label j for photo x and t(j) the mean of p(j; x) over the photos that were given j, a photo counts as
    really being argmax p(j; x) over the labels with p(j; x) >= t(j). It is suspected when that is another label than the given one i: it
    stands outside the diagonal of the confident joint. The order is by normalised margin, p(i; x) - max p(j; x) over j != i, then by
    self-confidence p(i; x), both ascending. The thresholds are of each class, so a label of which the model is never very sure is
    not suspected for that alone.

    Honest only for probabilities that the model gave about photos which it has not learnt from: it agrees with what it learnt by heart.

    Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
    Intelligence Research 70 (2021), equations 1 and 2, and section 3.2 for the order.
    """
    if len(given) == 0:
        return []
    rows = np.arange(len(given))
    confident = np.where(
        probabilities >= thresholds(probabilities, given) - 1e-7, probabilities, -1.0
    )
    other = confident.argmax(axis=1)
    own = probabilities[rows, given]
    rest = probabilities.copy()
    rest[rows, given] = -1.0
    margin = own - rest.max(axis=1)
    suspected = np.flatnonzero((confident.max(axis=1) >= 0) & (other != given))
    order = suspected[np.lexsort((suspected, own[suspected], margin[suspected]))]
    return [
        Doubt(
            int(at),
            int(other[at]),
            float(own[at]),
            float(probabilities[at, other[at]]),
            float(margin[at]),
        )
        for at in order
    ]
