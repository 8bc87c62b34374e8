"""Confident learning: which given labels a model has reason to doubt.

Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", Journal of Artificial Intelligence Research 70 (2021), equations 1 and 2; section 3.2 for
the order.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class _Doubt(NamedTuple):
    """A given label that is probably wrong."""

    row: int  # of the photo
    other: int  # the index of the more likely label
    probability: float  # the model's for the given label
    other_probability: float
    # `probability` minus the highest of any other label: the lower, the more suspected
    margin: float


def thresholds(probabilities: NDArray[np.float32], given: NDArray[np.intp]) -> NDArray[np.float64]:
    """For each label its mean probability over the photos that were given it; infinity without any.

    `probabilities` has the shape (photos, labels), each row sums to 1; `given` has the shape
    (photos,) and holds indices of labels.
    """
    labels = probabilities.shape[1]
    own = probabilities[np.arange(len(given)), given].astype(np.float64)
    counts = np.bincount(given, minlength=labels)
    totals = np.bincount(given, weights=own, minlength=labels)
    return np.divide(totals, counts, out=np.full(labels, np.inf), where=counts > 0)


def doubts(probabilities: NDArray[np.float32], given: NDArray[np.intp]) -> list[_Doubt]:
    """The given labels that are probably wrong, most suspected first. Shapes as in `thresholds`.

    With p(j; x) the probability of label j for photo x and t(j) the mean of p(j; x) over the photos
    that were given j, a photo counts as really being argmax p(j; x) over the labels with p(j; x) >=
    t(j). It is suspected when that is another label than the given one i, and a more probable one:
    it stands outside the diagonal of the confident joint, for a reason that is not the low
    threshold of a label with few photos. The order is by margin, then by self-confidence p(i; x),
    both ascending. The thresholds are per class, so a label of which the model is never very sure
    is not suspected for that alone.

    Meaningful only for photos that the model was not trained on.
    """
    if len(given) == 0:
        return []
    rows = np.arange(len(given))
    reached = probabilities >= thresholds(probabilities, given) - 1e-7
    confident = np.where(reached, probabilities, -1.0)
    other = confident.argmax(axis=1)
    own = probabilities[rows, given]
    rest = probabilities.copy()
    rest[rows, given] = -1.0
    margin = own - rest.max(axis=1)
    suspected = np.flatnonzero(confident.max(axis=1) > own)
    order = suspected[np.lexsort((suspected, own[suspected], margin[suspected]))]
    columns = (order, other[order], own[order], probabilities[order, other[order]], margin[order])
    return [_Doubt(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
