"""The batches of an epoch, made by threads ahead of the network."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_T = TypeVar("_T")
# resizing, most of the work, releases Python's lock, so more than one thread is of use
THREADS = min(8, os.cpu_count() or 1)


class Batches(Generic[_T]):
    """Batches 0 to `count` - 1 in order; at most `threads` + 1 are being made or are waiting.

    `make(number)` is called in several threads, which must share no random generator. What it
    raises is raised here. `waited` are the seconds that the reader has waited so far.
    """

    def __init__(self, make: Callable[[int], _T], count: int, threads: int = THREADS) -> None:
        self.make, self.count, self.threads = make, count, threads
        self.waited = 0.0

    def __iter__(self) -> Iterator[_T]:
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="batches")
        pending: deque[Future[_T]] = deque()
        try:
            for number in range(self.count):
                pending.append(pool.submit(self.make, number))
                if len(pending) > self.threads:
                    yield self._next(pending)
            while pending:
                yield self._next(pending)
        finally:  # also when the reader stops in the middle
            pool.shutdown(wait=True, cancel_futures=True)

    def _next(self, pending: deque[Future[_T]]) -> _T:
        started = time.monotonic()
        try:
            return pending.popleft().result()
        finally:
            self.waited += time.monotonic() - started
