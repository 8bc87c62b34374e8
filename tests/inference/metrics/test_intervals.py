"""Intervals of shares."""

import pytest

from webapp.inference.metrics.intervals import more_needed, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)],
)
def test_it_gives_the_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    """Source: Newcombe 1998, "Two-sided confidence intervals for the single proportion".

    The first three examples of table I, method 3.
    """
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_without_a_count_anything_is_plausible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_it_knows_how_many_more_are_needed() -> None:
    more = more_needed(18, 20)
    grown = 20 + more
    low, high = wilson(round(0.9 * grown), grown)
    assert more > 0
    assert (high - low) / 2 == pytest.approx(0.05, abs=0.002)


def test_enough_is_enough() -> None:
    assert more_needed(900, 1000) == 0


def test_without_a_count_the_hardest_share_is_taken() -> None:
    assert more_needed(0, 0) == pytest.approx(380, abs=6)
