"""From which score a box counts."""

import numpy as np

from webapp.inference.metrics.box_metrics import PhotoBoxes
from webapp.training.detector.measure import Measured, choose_threshold, unknown_metrics

CAR = np.array([[0.1, 0.1, 0.5, 0.5]])
ELSEWHERE = np.array([[0.6, 0.6, 0.9, 0.9]])
NONE = np.zeros((0, 4))


def photo(score: float, *, right: bool = True) -> PhotoBoxes:
    return PhotoBoxes(CAR if right else ELSEWHERE, np.array([score]), CAR, NONE)


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_wrong_boxes_raise_the_threshold_above_them() -> None:
    photos = [photo(0.9) for _ in range(10)] + [photo(0.3, right=False) for _ in range(5)]
    assert choose_threshold(Measured({"photos": photos})) == 0.9


def test_right_boxes_of_a_low_score_lower_it() -> None:
    photos = [photo(0.9), photo(0.5), photo(0.2)]
    assert choose_threshold(Measured({"photos": photos})) == 0.2


def test_what_is_found_in_other_things_raises_it() -> None:
    others = [scores(0.1) for _ in range(98)] + [scores(0.6), scores(0.7, 0.2)]
    photos = [photo(0.2, right=False), *(photo(0.7) for _ in range(20))]
    threshold = choose_threshold(Measured({"photos": photos}), others)
    assert 0.6 < threshold < 0.61


def test_other_things_do_not_raise_it_above_the_cars() -> None:
    photos = [photo(0.4), photo(0.5), photo(0.9)]
    assert choose_threshold(Measured({"photos": photos}), [scores(0.8)] * 9) == 0.4


def test_false_alarms_are_counted_by_box_and_by_photo() -> None:
    figures = unknown_metrics([scores(0.9, 0.8), scores(0.1), scores()], 0.5)
    assert (figures["n"], figures["false_alarms"], figures["without"]) == (3, 2, 0.6667)
