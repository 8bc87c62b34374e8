"""The batches of an epoch, made by several threads while others are learnt, and how long the learner waited for them."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Made = TypeVar("Made")
MAKERS = min(8, os.cpu_count() or 1)
"""Threads that make batches. Resizing, most of the work, leaves Python's lock, so more than one is of use."""


class Feed(Generic[Made]):
    """Batches 0 to `count` - 1 as `make(number)` returns them, in order; at most `makers` + 1 are in the making or waiting.

    `make` is called from several threads and must not share dice between calls. What it raises is raised here. `waited` are the seconds
    that the reader has waited so far.
    """

    def __init__(self, make: Callable[[int], Made], count: int, makers: int = MAKERS) -> None:
        self.make, self.count, self.makers = make, count, makers
        self.waited = 0.0

    def __iter__(self) -> Iterator[Made]:
        pool = ThreadPoolExecutor(self.makers, thread_name_prefix="feed")
        coming: deque[Future[Made]] = deque()
        try:
            for number in range(self.count):
                coming.append(pool.submit(self.make, number))
                if len(coming) > self.makers:
                    yield self._wait(coming)
            while coming:
                yield self._wait(coming)
        finally:  # also when the reader goes away in the middle
            pool.shutdown(wait=True, cancel_futures=True)

    def _wait(self, coming: deque[Future[Made]]) -> Made:
        started = time.monotonic()
        try:
            return coming.popleft().result()
        finally:
            self.waited += time.monotonic() - started
