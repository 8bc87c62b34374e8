"""The views that a detector learns from."""

import numpy as np
import pytest

from webapp.training.detector.scenes import CAR, IGNORED, MOST_BOXES, Scene, SceneMaker

SIZE = (64, 96)
RED = np.array([220, 10, 10], np.uint8)


def picture_with_block(left: int, top: int, right: int, bottom: int) -> Scene:
    pixels = np.full((100, 100, 3), 120, np.uint8)
    pixels[top:bottom, left:right] = RED
    box = np.array([[left, top, right, bottom]], np.float32) / 100
    return Scene(pixels, box, np.array([CAR], np.int8))


def maker(scene: Scene) -> SceneMaker:
    ground = np.full((50, 50, 3), 120, np.uint8)
    return SceneMaker([scene], [np.full((40, 60, 3), RED, np.uint8)], [ground], SIZE)


def redness(pixels: np.ndarray) -> np.ndarray:
    colours = pixels.astype(int)
    return colours[..., 0] - colours[..., 1:].max(axis=-1)


@pytest.mark.parametrize("seed", range(40))
def test_the_boxes_of_a_view_lie_around_what_is_red(seed: int) -> None:
    view = maker(picture_with_block(30, 40, 70, 80)).view(np.random.default_rng(seed))
    inside = np.zeros(SIZE, bool)
    for box in view.boxes * np.array([SIZE[1], SIZE[0]] * 2):
        left, top, right, bottom = (round(float(edge)) for edge in box)
        inside[max(0, top - 3) : bottom + 4, max(0, left - 3) : right + 4] = True
    red = redness(view.pixels) > 40
    assert not (red & ~inside).any()


@pytest.mark.parametrize("seed", range(20))
def test_a_view_has_the_size_and_the_types_that_batches_need(seed: int) -> None:
    view = maker(picture_with_block(10, 10, 90, 90)).view(np.random.default_rng(seed))
    assert view.pixels.shape == (*SIZE, 3)
    assert view.pixels.dtype == np.uint8
    assert view.boxes.shape == (len(view.kinds), 4)
    assert len(view.kinds) <= MOST_BOXES
    assert set(view.kinds.tolist()) <= {CAR, IGNORED}
    assert ((view.boxes >= 0) & (view.boxes <= 1)).all()


def test_the_same_seed_gives_the_same_view() -> None:
    first, second = (
        maker(picture_with_block(30, 40, 70, 80)).view(np.random.default_rng(7)) for _ in range(2)
    )
    assert (first.pixels == second.pixels).all()
    assert (first.boxes == second.boxes).all()
