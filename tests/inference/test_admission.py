"""The queue in front of the model: bounded, fair, and never stuck."""

from __future__ import annotations

import threading

import pytest

from webapp.errors import ServerBusyError
from webapp.inference.admission import AdmissionLimiter


def test_it_lets_in_as_many_as_it_has_slots() -> None:
    limiter = AdmissionLimiter(slots=2, waiting=0)
    with limiter.slot(), limiter.slot():
        pass


def test_it_turns_away_when_the_line_is_full() -> None:
    limiter = AdmissionLimiter(slots=1, waiting=0)
    with limiter.slot(), pytest.raises(ServerBusyError, match="busy"), limiter.slot():
        pass


def test_it_gives_up_after_its_patience() -> None:
    limiter = AdmissionLimiter(slots=1, waiting=1, patience=0.01)
    with limiter.slot(), pytest.raises(ServerBusyError), limiter.slot():
        pass


def test_a_place_is_free_again_after_an_error() -> None:
    limiter = AdmissionLimiter(slots=1, waiting=0)
    with pytest.raises(ZeroDivisionError), limiter.slot():
        raise ZeroDivisionError
    with limiter.slot():
        pass


def test_those_who_wait_come_in_the_order_they_came() -> None:
    limiter = AdmissionLimiter(slots=1, waiting=5)
    order: list[int] = []

    def enter(number: int) -> None:
        with limiter.slot():
            order.append(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(5)]
    with limiter.slot():
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            while len(limiter._queue) < waiting:
                pass
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
