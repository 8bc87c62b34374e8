"""How far a long command is: a bar with rate and time left on stderr; without a terminal, a line
now and then."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import click

_SECONDS = 10.0
"""Between two lines where stderr is no terminal."""

T = TypeVar("T")


def watch(items: Iterable[T], length: int, label: str, *, quiet: bool = False) -> Iterator[T]:
    """Hand the items on and tell on stderr how many of `length` there were, how many a second, and
    how long the rest takes."""
    if quiet:
        yield from items
    elif sys.stderr.isatty():
        yield from _bar(items, length, label)
    else:
        yield from _lines(items, length, label)


def pace(number: int, seconds: float) -> str:
    """What was done in how long: "38 s, 158 a second"."""
    rate = number / max(seconds, 1e-3)
    return f"{_length_of(seconds)}, {rate:,.{0 if rate > 20 else 1}f} a second"


def _length_of(seconds: float) -> str:
    """Seconds for people: "0.4 s", "38 s", "2 min 5 s", "1 h 10 min"."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _bar(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    started, number = time.monotonic(), 0

    def rate(item: T | None) -> str:
        return "" if item is None else f"{number / max(time.monotonic() - started, 1e-3):,.1f}/s"

    # drawn for each photo, it would cost as much as a good part of its ranking
    steps = max(1, length // 500)
    bar = click.progressbar(
        items,
        length=length,
        label=label,
        file=sys.stderr,
        show_pos=True,
        item_show_func=rate,
        update_min_steps=steps,
    )
    with bar:
        for item in bar:
            number += 1
            yield item


def _lines(items: Iterable[T], length: int, label: str) -> Iterator[T]:
    started = printed = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - printed >= _SECONDS:
            printed, passed = now, now - started
            left = _length_of(passed / number * max(length - number, 0))
            click.echo(
                f"{label}: {number:,} of {length:,}, {number / passed:,.1f} a second, {left} left",
                err=True,
            )
