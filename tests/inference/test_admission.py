"""The queue in front of the model: bounded, fair, and never stuck."""

from __future__ import annotations

import threading

import pytest

from webapp.errors import ServerBusyError
from webapp.inference.admission import Turnstile


def test_it_lets_in_as_many_as_it_has_slots() -> None:
    turnstile = Turnstile(slots=2, waiting=0)
    with turnstile.turn(), turnstile.turn():
        pass


def test_it_turns_away_when_the_line_is_full() -> None:
    turnstile = Turnstile(slots=1, waiting=0)
    with turnstile.turn(), pytest.raises(ServerBusyError, match="busy"), turnstile.turn():
        pass


def test_it_gives_up_after_its_patience() -> None:
    turnstile = Turnstile(slots=1, waiting=1, patience=0.01)
    with turnstile.turn(), pytest.raises(ServerBusyError), turnstile.turn():
        pass


def test_a_place_is_free_again_after_an_error() -> None:
    turnstile = Turnstile(slots=1, waiting=0)
    with pytest.raises(ZeroDivisionError), turnstile.turn():
        raise ZeroDivisionError
    with turnstile.turn():
        pass


def test_those_who_wait_come_in_the_order_they_came() -> None:
    turnstile = Turnstile(slots=1, waiting=5)
    order: list[int] = []

    def enter(number: int) -> None:
        with turnstile.turn():
            order.append(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(5)]
    with turnstile.turn():
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            while turnstile.in_line < waiting:
                pass
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
