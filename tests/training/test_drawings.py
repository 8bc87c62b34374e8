"""Drawings: the same seed gives the same picture, every label is drawn, and each picture shows its livery."""

import numpy as np
import pytest

from webapp.errors import UnknownLabelError
from webapp.training.drawings import LABELS, draw_car

SMALL = (320, 200)


def test_the_same_label_and_seed_give_the_same_picture():
    assert draw_car("ferrari", 5, SMALL).tobytes() == draw_car("ferrari", 5, SMALL).tobytes()


def test_another_seed_gives_another_picture():
    first, second = (np.asarray(draw_car("ferrari", seed, SMALL), dtype=np.float64) for seed in (1, 2))
    assert np.abs(first - second).mean() > 5


@pytest.mark.parametrize("label", LABELS)
def test_every_label_is_drawn_in_rgb_at_the_size_asked_for(label):
    image = draw_car(label, 3, SMALL)
    assert (image.mode, image.size) == ("RGB", SMALL)
    assert np.asarray(image).std() > 15


def test_an_unknown_label_is_refused_by_name():
    with pytest.raises(UnknownLabelError, match="minardi.*mclaren"):
        draw_car("minardi", 1, SMALL)
