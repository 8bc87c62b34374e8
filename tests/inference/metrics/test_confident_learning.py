"""Confident learning, on numbers small enough to check by hand."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from webapp.inference.metrics.confident_learning import doubts, thresholds

PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0]],
    dtype=np.float32,
)
GIVEN = np.array([0, 0, 1, 1, 0])
CLEANLAB = [
    *(1255, 365, 1140, 844, 919, 1502, 113, 1135, 1011, 957),
    *(146, 13, 1526, 781, 935, 1094, 1246, 1776, 855, 873),
]


def test_a_threshold_is_the_mean_probability_of_a_label_among_photos_that_have_it() -> None:
    assert thresholds(PROBABILITIES, GIVEN) == pytest.approx(
        [(0.9 + 0.7 + 0.1) / 3, (0.8 + 0.6) / 2, np.inf]
    )


def test_a_label_is_doubted_where_another_one_reaches_its_own_threshold() -> None:
    suspected = doubts(PROBABILITIES, GIVEN)
    assert [(doubt.row, doubt.other) for doubt in suspected] == [(4, 1)]
    assert (
        suspected[0].probability,
        suspected[0].other_probability,
        suspected[0].margin,
    ) == pytest.approx((0.1, 0.9, -0.8))


def test_a_contradiction_below_the_threshold_is_no_reason_to_doubt() -> None:
    probabilities = np.array([[0.45, 0.55], [0.95, 0.05], [0.05, 0.95]], dtype=np.float32)
    assert doubts(probabilities, np.array([0, 0, 1])) == []


def test_a_less_probable_label_is_no_reason_to_doubt_however_low_its_threshold() -> None:
    probabilities = np.array([[0.86, 0.02, 0.12], [0.9, 0.0, 0.1], [0.01, 0.01, 0.98]])
    given = np.array([0, 0, 1])
    assert [doubt.row for doubt in doubts(probabilities.astype(np.float32), given)] == []


def test_the_lowest_margin_comes_first() -> None:
    probabilities = np.array([[0.3, 0.7], [0.1, 0.9], [0.3, 0.7], [0.9, 0.1]], dtype=np.float32)
    assert [doubt.row for doubt in doubts(probabilities, np.array([0, 0, 1, 0]))] == [1, 0]


def test_a_label_that_nobody_gave_is_never_the_suspected_one() -> None:
    assert doubts(np.array([[0.1, 0.9], [0.1, 0.9]], dtype=np.float32), np.array([0, 0])) == []


def test_no_photos_no_doubts() -> None:
    assert doubts(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.intp)) == []


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of scikit-learn's digits by a model that has not seen them, the labels that
    they were given, 5 % of them wrong, and which are."""
    pixels, truths = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong, given = rng.random(len(truths)) < 0.05, truths.copy()
    given[wrong] = (given[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    model = LogisticRegression(max_iter=300)
    probabilities = cross_val_predict(model, pixels / 16, given, cv=5, method="predict_proba")
    return probabilities.astype(np.float32), given, wrong


def test_the_doubts_are_those_of_cleanlab_on_digits(
    digits: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """As `cleanlab.filter.find_label_issues` 2.9 answers with filter_by="confident_learning" and
    the order "normalized_margin"; its first 20 of 81."""
    probabilities, given, wrong = digits
    rows = [doubt.row for doubt in doubts(probabilities, given)]
    assert (len(rows), rows[:20]) == (81, CLEANLAB)
    assert wrong[rows].sum() == 70


def test_no_label_is_doubted_that_the_first_answer_agrees_with(
    digits: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    probabilities, given, _wrong = digits
    rows = [doubt.row for doubt in doubts(probabilities, given)]
    assert not (probabilities.argmax(axis=1)[rows] == given[rows]).any()
