"""Rate limits of requests and photos: who is counted, what the headers tell, when it is refused.

Every request counts once, every photo that a model has to classify counts again. A key has counts
of its own, everybody else those of their address. Why not Flask-Limiter, and what several workers
mean: docs/decisions/0014-rate-limits-and-caching.md.
"""

import logging
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import cast

from flask import Blueprint, Flask, Response, current_app, g, request
from limits import RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from webapp.config import Config
from webapp.errors import ConfigError, TooManyRequestsError
from webapp.extensions import get_config

_FREE = {
    "static",
    "health.ping",
    "health.live",
    "health.ready",
    "legacy.healthcheck",
    "layout.favicon",
    "layout.robots",
}  # endpoints that are never counted: monitors always get an answer
_by_key: set[str] = set()


def init_app(app: Flask, config: Config) -> None:
    """Count requests before forms are read; tell in each answer what is left."""
    app.extensions["marque-rates"] = Rates(config.rate_url if config.rate_limits else "")
    app.before_request(_count_by_address)
    app.after_request(_add_headers)


def get_rates() -> "Rates":
    """How many requests each sender made in the running minute."""
    return cast(Rates, current_app.extensions["marque-rates"])


def counts_by_key(bp: Blueprint) -> None:
    """Let `bp` call `count_request` itself, when it has read the key of a request."""
    _by_key.add(bp.name)


def count_request(key_id: int | None = None) -> None:
    """Count this request, for a key or else for the address. Raises `TooManyRequestsError`."""
    if not get_config().rate_limits or request.endpoint in _FREE:
        return
    address = _network(request.remote_addr or "")
    g.sender = f"address {address}" if key_id is None else f"key {key_id}"
    _take("requests", get_config().rate_requests, 1)


def count_photos(number: int = 1) -> None:
    """Count photos that a model is about to classify. Raises `TooManyRequestsError`."""
    if number and "sender" in g:
        _take("photos", get_config().rate_photos, number)


def _count_by_address() -> None:
    if request.blueprint not in _by_key:
        count_request()


def _take(name: str, limit: int, cost: int) -> None:
    with_key = g.sender.startswith("key ")
    limit = limit * get_config().rate_keys if with_key else limit
    use = get_rates().take(name, g.sender, limit, cost)
    g.setdefault("rate_uses", {})[name] = use
    if use.exceeded:
        whose = "with this key" if with_key else "from your address"
        more = "" if with_key else " An API key may send more."
        raise TooManyRequestsError(
            f"More than {limit:,} {name} a minute {whose} are too many. "
            f"Nothing of this request was done: send it again in {use.reset} s.{more}",
            use.reset,
        )


def _add_headers(response: Response) -> Response:
    """`RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-09.

    q and r are counts, w and t seconds.
    """
    uses: dict[str, _RateUse] = g.get("rate_uses", {})
    if uses:
        policies = [f'"{name}";q={use.limit};w={_MINUTE}' for name, use in uses.items()]
        limits = [f'"{name}";r={use.remaining};t={use.reset}' for name, use in uses.items()]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(limits)
    return response


def _network(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return f"{IPv6Address(int(ip) >> 64 << 64)}/64"


# ---- counts ----

_MINUTE = 60
_TIMEOUT = 1.0  # seconds to wait for Redis; then this process counts the request
PAUSE = 30.0  # seconds during which a Redis that failed is not asked again

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _RateUse:
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

    def take(self, name: str, sender: str, limit: int, cost: int = 1) -> _RateUse:
        """Count `cost` of `limit` for a sender. A cost above the limit counts as the limit."""
        if self._shared is not None and time.monotonic() >= self._local_until:
            try:
                return _hit(self._shared, name, sender, limit, cost)
            except StorageError as error:
                self._local_until = time.monotonic() + PAUSE
                log.warning(
                    "Rate limits: for %d seconds this process counts alone. %s", PAUSE, error
                )
        with self._lock:
            return _hit(self._local, name, sender, limit, cost)

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


def _hit(
    limiter: FixedWindowRateLimiter, name: str, sender: str, limit: int, cost: int
) -> _RateUse:
    item = RateLimitItemPerMinute(limit, namespace="marque")
    fits = limiter.hit(item, name, sender, cost=min(cost, limit))
    window = limiter.get_window_stats(item, name, sender)
    reset = min(_MINUTE, max(1, round(window.reset_time - time.time())))
    return _RateUse(limit, window.remaining, reset, not fits)


def _shared_storage(url: str) -> Storage:
    try:
        storage = storage_from_string(
            url, wrap_exceptions=True, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT
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
