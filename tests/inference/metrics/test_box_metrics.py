"""A detector is measured as COCO does it."""

from collections.abc import Sequence

import numpy as np
import pytest

from webapp.inference.metrics.box_metrics import (
    Curve,
    Matches,
    PhotoBoxes,
    average_precision,
    curve_of,
    false_alarms,
    main_found,
    match,
    recall_at,
    recall_by_size,
    summary,
)
from webapp.inference.metrics.overlap import iou

Box = tuple[float, float, float, float]
LEFT, RIGHT = (0.0, 0.0, 0.4, 0.4), (0.6, 0.0, 1.0, 0.4)
AWAY = (0.0, 0.6, 0.2, 0.9)


def photo(
    predicted: Sequence[tuple[Box, float]] = (),
    true: Sequence[Box] = (),
    ignored: Sequence[Box] = (),
) -> PhotoBoxes:
    def boxes(listed: Sequence[Box]) -> np.ndarray:
        return np.array(listed, np.float32).reshape(-1, 4)

    scores = np.array([score for _box, score in predicted], np.float32)
    return PhotoBoxes(
        boxes([box for box, _score in predicted]), scores, boxes(true), boxes(ignored)
    )


def matched(*photos: PhotoBoxes, least: float = 0.5) -> list[Matches]:
    return [match(each, least) for each in photos]


# ---- overlap ----


def test_boxes_overlap_by_intersection_over_union() -> None:
    boxes = np.array([[0, 0, 2, 2], [0, 0, 1, 1], [4, 4, 4, 4]], np.float32)
    others = np.array([[1, 0, 3, 2], [4, 4, 4, 4]], np.float32)
    assert np.allclose(iou(boxes, others), [[1 / 3, 0], [0, 0], [0, 0]])


def test_no_boxes_overlap_nothing() -> None:
    assert iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


# ---- matching ----


def test_the_second_box_on_one_car_is_a_false_alarm() -> None:
    (found,) = matched(photo([(LEFT, 0.6), (LEFT, 0.9)], [LEFT]))
    assert found.hits.tolist() == [True, False] and found.alarms.tolist() == [False, True]
    assert np.allclose(found.found, [0.9])


def test_a_prediction_takes_the_box_that_it_overlaps_most() -> None:
    near, exact = (0.0, 0.0, 0.4, 0.5), LEFT
    (found,) = matched(photo([(exact, 0.9), (near, 0.5)], [near, exact]))
    assert np.allclose(found.found, [0.5, 0.9])


def test_a_box_that_overlaps_too_little_is_not_found() -> None:
    half = (0.0, 0.0, 0.4, 0.3)  # an intersection over union of 0.75
    (loose,), (strict,) = (
        matched(photo([(half, 0.9)], [LEFT]), least=least) for least in (0.75, 0.8)
    )
    assert loose.hits.tolist() == [True] and strict.alarms.tolist() == [True]


def test_what_lies_in_an_ignored_box_is_neither_right_nor_wrong() -> None:
    group = (0.5, 0.0, 1.0, 1.0)
    (found,) = matched(photo([(LEFT, 0.9), (RIGHT, 0.8), (RIGHT, 0.7)], [LEFT], [group]))
    assert found.hits.tolist() == [True, False, False] and not found.alarms.any()


def test_a_true_box_is_found_in_an_ignored_one_too() -> None:
    (found,) = matched(photo([(LEFT, 0.9)], [LEFT], [(0, 0, 1, 1)]))
    assert found.hits.all()


# ---- curve and average precision ----


def test_precision_and_recall_follow_the_falling_score_over_all_photos() -> None:
    curve = curve_of(matched(photo([(LEFT, 0.9), (AWAY, 0.8)], [LEFT, RIGHT]), photo([(LEFT, 1)])))
    assert np.allclose(curve.scores, [1, 0.9, 0.8])
    assert np.allclose(curve.precision, [0, 1 / 2, 1 / 3])
    assert np.allclose(curve.recall, [0, 1 / 2, 1 / 2]) and curve.n == 2


def test_average_precision_has_101_points() -> None:
    """Right, wrong, right of two: precision 1 up to recall 0.5 (51 points), then 2/3 (50)."""
    (found,) = matched(photo([(LEFT, 0.9), (AWAY, 0.8), (RIGHT, 0.7)], [LEFT, RIGHT]))
    assert average_precision(curve_of([found])) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_recall_that_is_not_reached_counts_as_precision_0() -> None:
    (found,) = matched(photo([(LEFT, 0.9)], [LEFT, RIGHT]))
    assert average_precision(curve_of([found])) == pytest.approx(51 / 101)


def test_without_a_prediction_average_precision_is_0() -> None:
    assert average_precision(curve_of(matched(photo(true=[LEFT])))) == 0


def test_without_a_true_box_there_is_no_average_precision() -> None:
    assert average_precision(curve_of(matched(photo([(LEFT, 0.9)])))) is None
    assert average_precision(curve_of([])) is None


def test_recall_at_a_precision_is_the_highest_there_is() -> None:
    curve = Curve(
        np.array([0.9, 0.8, 0.7, 0.6]),
        np.array([1, 1 / 2, 2 / 3, 3 / 4]),
        np.array([0.25, 0.25, 0.5, 0.75]),
        4,
    )
    assert recall_at(curve, 0.7) == (0.75, 0.6)
    assert recall_at(curve, 0.8) == (0.25, 0.9)


def test_predictions_of_one_score_are_not_torn_apart() -> None:
    curve = Curve(np.array([0.9, 0.9]), np.array([1, 1 / 2]), np.array([1.0, 1.0]), 1)
    assert recall_at(curve, 0.8) is None and recall_at(curve, 0.5) == (1.0, 0.9)


# ---- figures at a score ----


def test_recall_is_told_by_the_size_of_the_car() -> None:
    small, medium = (0.8, 0.8, 0.9, 0.9), (0.0, 0.6, 0.2, 0.9)
    photos = matched(photo([(small, 0.4), (LEFT, 0.9)], [small, medium, LEFT]))
    found = recall_by_size(photos, 0.5)
    assert {name: (share.hits, share.n) for name, share in found.items()} == {
        "small": (0, 1),
        "medium": (0, 1),
        "large": (1, 1),
    }
    assert recall_by_size(photos, 0.4)["small"].hits == 1


def test_the_main_car_is_the_largest() -> None:
    photos = matched(
        photo([(AWAY, 0.9)], [LEFT, AWAY]),
        photo([(LEFT, 0.9)], [LEFT, AWAY]),
        photo([(LEFT, 0.9)]),
    )
    assert (main_found(photos, 0.5).hits, main_found(photos, 0.5).n) == (1, 2)


def test_false_alarms_are_counted_by_box_and_by_photo() -> None:
    photos = matched(photo([(LEFT, 0.9), (AWAY, 0.8), (RIGHT, 0.3)]), photo([(LEFT, 0.9)], [LEFT]))
    count, share = false_alarms(photos, 0.5)
    assert (count, share.hits, share.n) == (2, 1, 2)


def test_a_summary_is_plain_json_of_any_set() -> None:
    figures = summary([photo([(LEFT, 0.9)], [LEFT]), photo([(AWAY, 0.8)])], 0.5)
    assert (figures["ap"], figures["ap50"], figures["false_alarms"]) == (1.0, 1.0, 1)
    assert figures["recall_at_precision"] == {"precision": 0.87, "recall": 1.0, "score": 0.9}
    assert summary([], 0.5)["ap50"] is None
