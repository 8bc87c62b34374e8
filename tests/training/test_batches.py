"""Batches that threads make ahead."""

import threading

import numpy as np
import pytest

from webapp.training.batches import Batches


def test_batches_come_in_order_whichever_thread_makes_them() -> None:
    second_is_made = threading.Event()

    def make(number: int) -> int:
        if number == 0:
            assert second_is_made.wait(10)
        second_is_made.set()
        return number

    assert list(Batches(make, 20, threads=2)) == list(range(20))


def test_several_threads_make_what_one_makes() -> None:
    def make(number: int) -> float:
        return float(np.random.default_rng([1, number]).random())

    assert list(Batches(make, 12, threads=4)) == list(Batches(make, 12, threads=1))


def test_it_makes_no_more_than_it_may_keep() -> None:
    made: list[int] = []
    batches = iter(Batches(lambda number: made.append(number) or number, 50, threads=2))
    next(batches)
    assert len(made) <= 3
    batches.close()


def test_an_error_in_a_thread_is_raised_at_its_batch() -> None:
    def make(number: int) -> int:
        if number == 2:
            raise ValueError("a broken photo")
        return number

    batches = iter(Batches(make, 5, threads=2))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="a broken photo"):
        next(batches)


def test_no_thread_is_left_when_the_reader_goes_away() -> None:
    batches = iter(Batches(lambda number: number, 1000, threads=2))
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_it_tells_how_long_the_reader_waited() -> None:
    started = threading.Event()
    batches = Batches(lambda number: started.wait(0.05), 1, threads=1)
    list(batches)
    assert 0.04 < batches.waited < 2
