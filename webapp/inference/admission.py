"""The queue in front of the model: so many photos at once, so many waiting, the rest are told to come back."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from webapp.errors import ServerBusyError


class AdmissionLimiter:
    """First come, first served. At most `slots` are inside and `waiting` in the line, none longer than `patience` seconds.

    Decoding and ranking both happen inside: this is what bounds a worker's memory and keeps threads free for everything else.
    """

    def __init__(self, slots: int, waiting: int, patience: float = 20.0) -> None:
        self._free = slots
        self._waiting = waiting
        self._patience = patience
        self._line: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @property
    def in_line(self) -> int:
        """How many wait."""
        return len(self._line)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a place and keep it for the block. Raises `ServerBusyError` when the line is full or the wait too long."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._free > 0 and not self._line:
                self._free -= 1
                return
            if len(self._line) >= self._waiting:
                raise ServerBusyError(
                    "The server is busy with other photos. Nothing was stored: try again in a few seconds."
                )
            mine = threading.Event()
            self._line.append(mine)
        if mine.wait(self._patience):
            return
        with self._lock:
            if mine.is_set():  # the place came in the last moment
                return
            self._line.remove(mine)
        raise ServerBusyError(
            "The server is busy with other photos. Nothing was stored: try again in a few seconds."
        )

    def _leave(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1
