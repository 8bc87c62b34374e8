"""Counts of each sender's requests in the running minute: in this process, or in Redis for all."""

import logging
import threading
import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from webapp.errors import ConfigError

MINUTE = 60
TIMEOUT = 1.0  # seconds to wait for Redis; then this process counts the request
PAUSE = 30.0  # seconds during which a Redis that failed is not asked again

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RateUse:
    """A sender's use of a limit: `remaining` of `limit` in a minute that ends in `reset` seconds.

    `exceeded`: the request does not fit any more.
    """

    limit: int
    remaining: int
    reset: int
    exceeded: bool


class Rates:
    """Counts by name and sender, in windows of a minute that begin with the first request.

    Without a `url` every process counts for itself. With one (redis://…) they share the counts;
    while that cannot be reached, each counts for itself. Thread-safe. Raises `ConfigError` for a
    URL that cannot be used.
    """

    def __init__(self, url: str = "") -> None:
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._shared = FixedWindowRateLimiter(_shared_storage(url)) if url else None
        self._lock = threading.Lock()
        self._local_until = 0.0

    def take(self, name: str, sender: str, limit: int, cost: int = 1) -> RateUse:
        """Count `cost` of `limit` for a sender. A cost above the limit counts as the limit."""
        if self._shared is not None and time.monotonic() >= self._local_until:
            try:
                return _take(self._shared, name, sender, limit, cost)
            except StorageError as error:
                self._local_until = time.monotonic() + PAUSE
                log.warning(
                    "Rate limits: for %d seconds this process counts alone. %s", PAUSE, error
                )
        with self._lock:
            return _take(self._local, name, sender, limit, cost)

    def check(self) -> None:
        """Raise `ConfigError` when counts should be shared and Redis does not answer."""
        if self._shared is None:
            return
        try:
            answers = self._shared.storage.check()
        except StorageError:
            answers = False
        if not answers:
            raise ConfigError(
                "MARQUE_RATE_URL: no Redis answers there, so each process counts alone."
            )


def _take(
    limiter: FixedWindowRateLimiter, name: str, sender: str, limit: int, cost: int
) -> RateUse:
    item = RateLimitItemPerMinute(limit, namespace="marque")
    fits = limiter.hit(item, name, sender, cost=min(cost, limit))
    window = limiter.get_window_stats(item, name, sender)
    reset = min(MINUTE, max(1, round(window.reset_time - time.time())))
    return RateUse(limit, window.remaining, reset, not fits)


def _shared_storage(url: str) -> Storage:
    try:
        storage = storage_from_string(
            url, wrap_exceptions=True, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT
        )
    except ConfigurationError as error:
        raise ConfigError(
            f"MARQUE_RATE_URL: {error}. Redis is needed: pip install 'redis<8'."
        ) from error
    except ValueError as error:
        raise ConfigError(f"MARQUE_RATE_URL: {error}.") from error
    if not isinstance(storage, Storage):
        raise ConfigError("MARQUE_RATE_URL begins with redis://.")
    return storage
