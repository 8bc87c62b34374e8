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

    @property
    def queue_length(self) -> int:
        """How many wait for a slot."""
        return len(self._queue)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot and hold it for the block.

        Raises `ServerBusyError` when the queue is full or the wait too long.
        """
        self._enter()
        try:
            yield
        finally:
            self._leave()

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

    def _leave(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._free += 1
