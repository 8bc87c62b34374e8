"""How much each sender asked for in the running minute: counted in this process, or in Redis for all processes."""

import logging
import threading
import time

from limits import RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from webapp.domain import Standing
from webapp.errors import ConfigError

MINUTE = 60
PATIENCE = 1.0
"""Seconds to wait for Redis. A request that waits longer is counted in this process instead."""

PAUSE = 30.0
"""Seconds during which a Redis that failed is not asked again."""

log = logging.getLogger(__name__)


class Rates:
    """Counts for each name and sender, in windows of a minute that begin with the first request. Safe to use from many threads.

    Without a `url` every process counts for itself. With one (redis://…) they share the counts; while that cannot be reached, each
    counts for itself. Raises `ConfigError` when the URL is of no use.
    """

    def __init__(self, url: str = "") -> None:
        self._here = FixedWindowRateLimiter(MemoryStorage())
        self._shared = FixedWindowRateLimiter(_shared_storage(url)) if url else None
        self._turn = threading.Lock()
        self._away_until = 0.0

    def take(self, name: str, sender: str, amount: int, cost: int = 1) -> Standing:
        """Count `cost` of `amount` in a minute for a sender. A cost above the whole amount counts as the amount, or it could never be."""
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return _take(self._shared, name, sender, amount, cost)
            except StorageError as error:
                self._away_until = time.monotonic() + PAUSE
                log.warning(
                    "Rate limits: for %d seconds this process counts alone. %s", PAUSE, error
                )
        with self._turn:
            return _take(self._here, name, sender, amount, cost)

    def check(self) -> None:
        """Raise `ConfigError` when counts should be shared and what keeps them does not answer."""
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
    limiter: FixedWindowRateLimiter, name: str, sender: str, amount: int, cost: int
) -> Standing:
    item = RateLimitItemPerMinute(amount, namespace="marque")
    fits = limiter.hit(item, name, sender, cost=min(cost, amount))
    window = limiter.get_window_stats(item, name, sender)
    resets_in = min(MINUTE, max(1, round(window.reset_time - time.time())))
    return Standing(amount, window.remaining, resets_in, not fits)


def _shared_storage(url: str) -> Storage:
    try:
        storage = storage_from_string(
            url, wrap_exceptions=True, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
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
