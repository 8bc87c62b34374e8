"""Intervals of shares."""

from __future__ import annotations

import pytest

from webapp.inference.intervals import wilson


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)])
def test_it_gives_the_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    """The first three examples of Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_without_a_count_anything_is_plausible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
