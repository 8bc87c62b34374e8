"""The calibration error, and how much of it chance alone makes."""

import numpy as np
import pytest

from webapp.inference.metrics.counts import calibration_error_by_chance


def test_chance_alone_makes_what_photos_do_that_are_right_as_often_as_was_said() -> None:
    rng = np.random.default_rng(0)
    bins = [(40, 0.55), (60, 0.85), (200, 0.98)]
    hits = [rng.binomial(n, confidence, 20_000) / n for n, confidence in bins]
    errors = sum(
        n * abs(share - confidence) for (n, confidence), share in zip(bins, hits, strict=True)
    )
    assert calibration_error_by_chance(bins) == pytest.approx(errors.mean() / 300, rel=0.01)


@pytest.mark.parametrize("bins", [[], [(10, 1.0)], [(10, 0.0)], [(0, 0.5)]])
def test_where_nothing_can_vary_chance_makes_none(bins: list[tuple[int, float]]) -> None:
    assert calibration_error_by_chance(bins) == 0


def test_one_photo_of_even_chance_is_off_by_half() -> None:
    assert calibration_error_by_chance([(1, 0.5)]) == pytest.approx(0.5)


def test_large_numbers_of_photos_leave_little_to_chance() -> None:
    assert calibration_error_by_chance([(10_000_000, 0.5)]) == pytest.approx(0.000126, rel=0.01)
