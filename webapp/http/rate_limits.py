"""Rate limits of requests and photos: who is counted, what the headers tell, when it is refused.

Every request counts once, every photo that a model has to classify counts again. A key has counts
of its own, everybody else those of their address. Why not Flask-Limiter, and what several workers
mean: docs/decisions/0014-rate-limits-and-caching.md.
"""

from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Flask, Response, g, request

from webapp.errors import TooManyRequestsError
from webapp.extensions import get_config, get_rates
from webapp.storage.rate_limits import MINUTE, RateUse

FREE = {
    "static",
    "health.ping",
    "health.live",
    "health.ready",
    "legacy.healthcheck",
    "layout.favicon",
    "layout.robots",
}  # endpoints that are never counted: monitors always get an answer
_by_key: set[str] = set()


def init_app(app: Flask) -> None:
    """Count requests before forms are read; tell in each answer what is left."""
    app.before_request(_count_by_address)
    app.after_request(_add_headers)


def counts_by_key(bp: Blueprint) -> None:
    """Let `bp` call `count_request` itself, when it has read the key of a request."""
    _by_key.add(bp.name)


def count_request(key_id: int | None = None) -> None:
    """Count this request, for a key or else for the address. Raises `TooManyRequestsError`."""
    if not get_config().rate_limits or request.endpoint in FREE:
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
    uses: dict[str, RateUse] = g.get("rate_uses", {})
    if uses:
        policies = [f'"{name}";q={use.limit};w={MINUTE}' for name, use in uses.items()]
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
