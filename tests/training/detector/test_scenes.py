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


class OnGrey(SceneMaker):
    """Never shows a ground of a random colour, which may be red."""

    def _ground(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        return np.full((*size, 3), rng.integers(118, 122), np.uint8)


def maker(scene: Scene) -> SceneMaker:
    ground = np.full((50, 50, 3), 120, np.uint8)
    crops = [np.full((40, 60, 3), RED, np.uint8)]
    return OnGrey([scene], crops, [ground], SIZE, np.array([1.0]))


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


def test_a_photo_of_three_times_the_weight_is_shown_three_times_as_often() -> None:
    ground = np.full((50, 50, 3), 120, np.uint8)
    empty = Scene(ground, np.zeros((0, 4), np.float32), np.zeros(0, np.int8))
    full = picture_with_block(0, 0, 100, 100)
    windows = SceneMaker([empty, full], [], [ground], SIZE, np.array([1.0, 4.0]))
    shown = sum(
        bool((redness(windows.view(np.random.default_rng(seed)).pixels) > 40).any())
        for seed in range(400)
    )
    assert 0.7 < shown / 400 < 0.8
