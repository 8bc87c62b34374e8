"""Two versions of a detector on the same photos: the verdict and its reasons."""

from collections.abc import Sequence

import numpy as np
import pytest

from webapp.errors import ModelRefusedError
from webapp.inference.metrics.box_metrics import PhotoBoxes
from webapp.inference.models.card import InputSpec
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.detector_gate import (
    DetectorComparison,
    SeenPhoto,
    compare_detectors,
)

CAR = (0.1, 0.1, 0.5, 0.5)
ELSEWHERE = (0.6, 0.6, 0.9, 0.9)
Found = Sequence[tuple[float, float, float, float]]


def cards() -> tuple[DetectorCard, DetectorCard]:
    first, second = (
        DetectorCard(
            name="car-detector",
            version=version,
            title="",
            summary="",
            input=InputSpec(64, 64),
            threshold=0.5,
        )
        for version in (1, 2)
    )
    return first, second


def boxes(found: Found, score: float) -> PhotoBoxes:
    predicted = np.array(found, np.float32).reshape(-1, 4)
    true, none = np.array([CAR], np.float32), np.zeros((0, 4), np.float32)
    return PhotoBoxes(predicted, np.full(len(found), score), true, none)


def compared(champion: Found, challenger: Found, n: int = 12, score: float = 0.9):
    """The comparison on `n` photos of one car each; a version finds the same boxes in all."""
    photos = [
        SeenPhoto(
            f"{number}.jpg", f"{number:064}", (boxes(champion, 0.9), boxes(challenger, score))
        )
        for number in range(n)
    ]
    return compare_detectors(cards(), photos)


def test_one_that_finds_more_cars_is_better() -> None:
    comparison = compared([], [CAR])
    assert (comparison.verdict, comparison.fixed, comparison.broken) == ("better", 12, 0)
    assert comparison.reasons[0] == ("Version 2 finds 12 of 12 cars in 12 photos, version 1 0.")
    assert "more than chance explains" in comparison.reasons[1]


def test_one_that_misses_cars_is_worse() -> None:
    assert compared([CAR], []).verdict == "worse"


def test_one_that_finds_the_same_is_no_better() -> None:
    assert compared([CAR], [CAR]).verdict == "same"


def test_one_that_finds_more_things_that_are_no_cars_is_worse() -> None:
    comparison = compared([CAR], [CAR, ELSEWHERE])
    assert comparison.verdict == "worse"
    assert "It draws 12 boxes where no car is, version 1 0." in comparison.reasons


def test_false_alarms_may_grow_with_the_cars_that_are_found() -> None:
    assert compared([], [CAR, ELSEWHERE]).verdict == "better"


def test_one_that_finds_fewer_things_that_are_no_cars_is_better() -> None:
    assert compared([CAR, ELSEWHERE], [CAR]).verdict == "better"


def test_one_whose_boxes_fit_less_closely_is_worse() -> None:
    comparison = compared([CAR], [(0.1, 0.1, 0.4, 0.5)])
    assert (comparison.verdict, comparison.broken) == ("worse", 0)
    assert "it loses more than it may" in comparison.reasons[3]


def test_boxes_under_the_threshold_of_the_card_do_not_count() -> None:
    assert compared([CAR], [CAR], score=0.4).broken == 12


def test_a_comparison_comes_back_from_its_json() -> None:
    comparison = compared([], [CAR])
    assert DetectorComparison.from_json(comparison.to_json()) == comparison


def test_it_refuses_to_compare_on_nothing() -> None:
    with pytest.raises(ModelRefusedError, match="no photo left"):
        compare_detectors(cards(), [])
