"""The queue in front of the models: a few photos at once, some waiting, the rest refused."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from webapp.errors import ServerBusyError

_BUSY = "The server is busy with other photos. Nothing was stored: try again in a few seconds."


class AdmissionLimiter:
    """First come, first served: at most `slots` at once, at most `waiting` in the queue.

    Nobody waits longer than `patience` seconds. Decoding and classifying both happen in a slot:
    this bounds a worker's memory and keeps threads free for everything else.
    """

    def __init__(self, slots: int, waiting: int, patience: float = 20.0) -> None:
        self._free = slots
        self._waiting = waiting
        self._patience = patience
        self._queue: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for the block. Raises `ServerBusyError`: queue full or wait too long."""
        self._enter()
        try:
            yield
        finally:
            with self._lock:
                if self._queue:
                    self._queue.popleft().set()
                else:
                    self._free += 1

    def _enter(self) -> None:
        with self._lock:
            if self._free > 0 and not self._queue:
                self._free -= 1
                return
            if len(self._queue) >= self._waiting:
                raise ServerBusyError(_BUSY)
            mine = threading.Event()
            self._queue.append(mine)
        if mine.wait(self._patience):
            return
        with self._lock:
            if mine.is_set():  # the slot came at the last moment
                return
            self._queue.remove(mine)
        raise ServerBusyError(_BUSY)
