"""Batches that threads make ahead."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from webapp.training.batches import Feed


def test_batches_come_in_order_whoever_makes_them() -> None:
    second_is_made = threading.Event()

    def make(number: int) -> int:
        if number == 0:
            assert second_is_made.wait(10)
        second_is_made.set()
        return number

    assert list(Feed(make, 20, makers=2)) == list(range(20))


def test_several_threads_make_what_one_makes() -> None:
    def make(number: int) -> float:
        return float(np.random.default_rng([1, number]).random())

    assert list(Feed(make, 12, makers=4)) == list(Feed(make, 12, makers=1))


def test_it_makes_no_more_than_it_may_keep() -> None:
    made: list[int] = []
    feed = iter(Feed(lambda number: made.append(number) or number, 50, makers=2))
    next(feed)
    assert len(made) <= 3
    feed.close()


def test_an_error_in_a_thread_is_raised_at_its_batch() -> None:
    def make(number: int) -> int:
        if number == 2:
            raise ValueError("a broken photo")
        return number

    feed = iter(Feed(make, 5, makers=2))
    assert [next(feed), next(feed)] == [0, 1]
    with pytest.raises(ValueError, match="a broken photo"):
        next(feed)


def test_no_thread_is_left_when_the_reader_goes_away() -> None:
    feed = iter(Feed(lambda number: number, 1000, makers=2))
    next(feed)
    feed.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("feed")]


def test_it_tells_how_long_the_reader_waited() -> None:
    started = threading.Event()
    feed = Feed(lambda number: started.wait(0.05), 1, makers=1)
    list(feed)
    assert 0.04 < feed.waited < 2
