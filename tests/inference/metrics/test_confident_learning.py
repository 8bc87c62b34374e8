"""Confident learning, on numbers small enough to check by hand."""

import numpy as np
import pytest

from webapp.inference.metrics.confident_learning import doubts, thresholds

PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0]],
    dtype=np.float32,
)
GIVEN = np.array([0, 0, 1, 1, 0])


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
