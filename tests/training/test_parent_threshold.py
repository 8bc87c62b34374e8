"""The threshold from which on a parent is named, where no label is probable enough."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from webapp.training.calibration import Calibration, fit_parent_threshold

pytestmark = pytest.mark.tensorflow
GROUPS = {"Audi": [0, 1], "BMW": [2, 3]}
THRESHOLD = 0.6  # of a label


def torn(parent: float, count: int) -> np.ndarray:
    """Photos that are Audis with this probability, torn between both, and else a BMW."""
    row = [parent / 2, parent / 2, 1 - parent, 0.0]
    return np.tile(np.array(row, dtype=np.float32), (count, 1))


def test_it_is_the_smallest_at_which_parents_are_right() -> None:
    probabilities = np.concatenate([torn(0.95, 60), torn(0.8, 60), torn(0.7, 60)])
    truths = np.zeros(180, dtype=np.int64)
    truths[120:] = 2  # those at 0.7 are BMWs
    threshold = fit_parent_threshold(probabilities, truths, THRESHOLD, GROUPS)
    assert threshold == pytest.approx(0.8, abs=2e-4)


def test_three_in_a_hundred_may_be_wrong() -> None:
    truths = np.zeros(100, dtype=np.int64)
    truths[:3] = 2
    assert fit_parent_threshold(torn(0.9, 100), truths, THRESHOLD, GROUPS) is not None
    truths[3] = 2
    assert fit_parent_threshold(torn(0.9, 100), truths, THRESHOLD, GROUPS) is None


def test_a_parent_has_at_least_one_half() -> None:
    row = np.array([0.23, 0.23, 0.2, 0.2, 0.14], dtype=np.float32)  # Audis 0.46, always right
    truths = np.zeros(100, dtype=np.int64)
    assert fit_parent_threshold(np.tile(row, (100, 1)), truths, THRESHOLD, GROUPS) is None


def test_photos_whose_label_is_sure_do_not_count_when_enough_are_left() -> None:
    sure = np.tile(np.array([0.99, 0.01, 0, 0], dtype=np.float32), (1000, 1))
    probabilities = np.concatenate([sure, torn(0.9, 120)])
    truths = np.concatenate([np.zeros(1000), np.full(120, 2)]).astype(np.int64)
    assert fit_parent_threshold(probabilities, truths, THRESHOLD, GROUPS) is None


def test_without_parents_there_is_none() -> None:
    assert fit_parent_threshold(torn(0.9, 9), np.zeros(9, dtype=np.int64), THRESHOLD, {}) is None


def test_what_no_label_is_sure_of_is_answered_by_its_parent() -> None:
    outputs = np.concatenate([torn(0.9, 1), torn(0.75, 1), [[0.1, 0.1, 0.1, 0.7]]])
    calibration = Calibration(1.0, THRESHOLD, None, 0.8, GROUPS)
    judged = calibration.judge({"probabilities": outputs.astype(np.float32)})
    assert judged.parents.tolist() == [0, -1, -1]
    assert judged.decided.tolist() == [False, False, True]
    assert judged.named.tolist() == [True, False, True]
