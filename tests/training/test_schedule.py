"""Learning rates."""

import numpy as np
import pytest

from webapp.training.schedule import STEP, cosine, plateau, rates_of_epoch


def test_the_cosine_of_each_epoch_is_a_part_of_the_whole() -> None:
    parts = [rates_of_epoch("cosine", 0.1, 4, 10, [1.0] * done) for done in range(4)]
    np.testing.assert_array_equal(np.concatenate(parts), cosine(0.1, 40)[:40])
    assert parts[0].max() == pytest.approx(0.1, rel=0.01)
    assert parts[3][-1] == pytest.approx(0.002, rel=0.2)


def test_a_plateau_lowers_the_rate_by_a_step() -> None:
    assert plateau(0.1, [3.0, 2.0, 1.0]) == 0.1
    assert plateau(0.1, [1.0, 1.1, 1.2]) == pytest.approx(0.1 * STEP)
    assert plateau(0.1, [1.0, 1.1, 0.9, 1.0]) == 0.1
    assert plateau(0.1, [1.0] * 5) == pytest.approx(0.1 * STEP**2)


def test_a_plateau_schedule_warms_up_once() -> None:
    first, second = (rates_of_epoch("plateau", 0.1, 4, 10, [1.0] * done) for done in (0, 1))
    assert first[0] == pytest.approx(0.05)
    assert first[1] == second[0] == second[-1] == 0.1
