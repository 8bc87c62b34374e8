"""From what the cells of a detector answer to the cars of a photo."""

from dataclasses import dataclass

import numpy as np
import pytest

from webapp.inference.detector import Detector, Floats, clean_up, make_grid
from webapp.inference.models.card import InputSpec
from webapp.inference.models.detector_card import DetectorCard

SIZE = (64, 96)
CENTRES, STRIDES = make_grid(SIZE)


def card(threshold: float = 0.4) -> DetectorCard:
    return DetectorCard(
        name="cars",
        version=1,
        title="Cars",
        summary="",
        input=InputSpec(height=SIZE[0], width=SIZE[1]),
        threshold=threshold,
    )


@dataclass
class Box:
    """A box that the cell nearest to its middle answers."""

    edges: tuple[float, float, float, float]
    score: float


class BoxDetector(Detector):
    """Answers the given boxes whatever the photo."""

    def __init__(self, *boxes: Box) -> None:
        super().__init__(card())
        self.given = boxes

    def _run(self, batch: Floats) -> tuple[Floats, Floats]:
        scores = np.zeros(len(CENTRES), np.float32)
        distances = np.zeros((len(CENTRES), 4), np.float32)
        for box in self.given:
            edges = np.array(box.edges, np.float32)
            away = np.abs(CENTRES - (edges[:2] + edges[2:]) / 2).sum(axis=1)
            away[scores > 0] = 9
            cell = int(away.argmin())
            scores[cell] = box.score
            reach = np.concatenate([CENTRES[cell] - edges[:2], edges[2:] - CENTRES[cell]])
            distances[cell] = np.log(reach / np.tile(STRIDES[cell], 2))
        return scores, distances


def find(*boxes: Box) -> list[tuple[float, float, float, float]]:
    pixels = np.zeros((50, 70, 3), np.uint8)
    return [car.box for car in BoxDetector(*boxes).find(pixels)]


def test_the_grids_cover_the_picture_row_by_row() -> None:
    assert len(CENTRES) == 8 * 12 + 4 * 6 + 2 * 3
    assert CENTRES[0] == pytest.approx((0.5 / 12, 0.5 / 8))
    assert CENTRES[1] == pytest.approx((1.5 / 12, 0.5 / 8))
    assert STRIDES[-1] == pytest.approx((1 / 3, 1 / 2))


def test_a_box_comes_out_as_the_cell_says() -> None:
    assert find(Box((0.2, 0.3, 0.6, 0.8), 0.9)) == [pytest.approx((0.2, 0.3, 0.4, 0.5), abs=1e-3)]


def test_a_box_below_the_threshold_does_not_count() -> None:
    assert find(Box((0.2, 0.3, 0.6, 0.8), 0.3)) == []


def test_the_largest_clear_car_is_the_main_one() -> None:
    small, large = Box((0.0, 0.0, 0.2, 0.2), 0.95), Box((0.4, 0.3, 0.9, 0.9), 0.6)
    assert find(small, large)[0] == pytest.approx((0.4, 0.3, 0.5, 0.6), abs=1e-3)


def test_a_large_but_doubtful_box_is_not_the_main_car() -> None:
    clear, doubtful = Box((0.1, 0.1, 0.4, 0.4), 0.95), Box((0.5, 0.3, 1.0, 1.0), 0.42)
    assert find(clear, doubtful)[0] == pytest.approx((0.1, 0.1, 0.3, 0.3), abs=1e-3)


def test_two_boxes_of_one_car_become_one() -> None:
    boxes = find(Box((0.2, 0.2, 0.6, 0.6), 0.8), Box((0.2, 0.2, 0.6, 0.62), 0.7))
    assert len(boxes) == 1


def test_two_cars_side_by_side_stay_two() -> None:
    assert len(find(Box((0.0, 0.2, 0.5, 0.8), 0.9), Box((0.45, 0.2, 0.95, 0.8), 0.85))) == 2


def test_a_part_of_a_car_is_no_car() -> None:
    assert len(find(Box((0.1, 0.1, 0.9, 0.9), 0.9), Box((0.2, 0.2, 0.45, 0.5), 0.5))) == 1


def test_a_clear_car_in_front_of_another_one_stays() -> None:
    assert len(find(Box((0.1, 0.1, 0.9, 0.9), 0.8), Box((0.3, 0.4, 0.7, 0.85), 0.85))) == 2


def test_overlapping_boxes_are_averaged_by_score() -> None:
    boxes = np.array([[0.2, 0.2, 0.6, 0.6], [0.2, 0.2, 0.6, 0.64]], np.float32)
    means, scores = clean_up(boxes, np.array([0.9, 0.45], np.float32))
    assert means[0] == pytest.approx((0.2, 0.2, 0.6, 0.6 + 0.04 / 3), abs=1e-5)
    assert scores == pytest.approx([0.9])
