"""Rate limits at the doors: who is counted and as what, what the headers tell, when it is refused.

Every request counts once, every photo that a model has to look at counts again. A key has counts of its own, everybody else those of
their address. Why not Flask-Limiter, and what several workers mean: docs/decisions/0014-rate-limits-and-caching.md.
"""

from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Flask, Response, g, request

from webapp.domain import Standing
from webapp.errors import TooManyRequestsError
from webapp.extensions import get_config, get_rates

FREE = (
    "static",
    "health.ping",
    "health.live",
    "health.ready",
    "legacy.healthcheck",
    "layout.favicon",
    "layout.robots",
)
"""Endpoints that are never counted: whoever asks whether the server is well gets an answer."""

MINUTE = 60
_by_key: set[str] = set()


def init_app(app: Flask) -> None:
    """Count what comes in, before forms are read; tell in each answer what is left."""
    app.before_request(_count_by_address)
    app.after_request(_tell)


def counts_by_key(bp: Blueprint) -> None:
    """The requests of `bp` are not counted by themselves: it calls `count_request` when it knows whose key came along."""
    _by_key.add(bp.name)


def count_request(key_id: int | None = None) -> None:
    """Count this request, for a key or else for the address. Raises `TooManyRequestsError` when that is too many in a minute."""
    if not get_config().rate_limits or request.endpoint in FREE:
        return
    g.sender = (
        f"key {key_id}" if key_id is not None else f"address {_network(request.remote_addr or '')}"
    )
    _take("requests", get_config().rate_requests, 1)


def count_photos(number: int = 1) -> None:
    """Count photos that a model is about to look at. Raises `TooManyRequestsError` before anything of them is done or stored."""
    if number and "sender" in g:
        _take("photos", get_config().rate_photos, number)


def _count_by_address() -> None:
    if request.blueprint not in _by_key:
        count_request()


def _take(name: str, amount: int, cost: int) -> None:
    with_key = g.sender.startswith("key ")
    standing = get_rates().take(
        name, g.sender, amount * get_config().rate_keys if with_key else amount, cost
    )
    _standings()[name] = standing
    if standing.exceeded:
        whose, more = (
            ("with this key", "")
            if with_key
            else ("from your address", " An API key may send more.")
        )
        raise TooManyRequestsError(
            f"More than {standing.amount:,} {name} a minute {whose} are too many. Nothing of this request was done: "
            f"send it again in {standing.resets_in} s.{more}",
            standing.resets_in,
        )


def _standings() -> dict[str, Standing]:
    found: dict[str, Standing] = g.setdefault("standings", {})
    return found


def _tell(response: Response) -> Response:
    """`RateLimit-Policy` and `RateLimit` as in draft-ietf-httpapi-ratelimit-headers-09: q and r are counts, w and t seconds."""
    found = g.get("standings")
    if found:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{name}";q={one.amount};w={MINUTE}' for name, one in found.items()
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{name}";r={one.left};t={one.resets_in}' for name, one in found.items()
        )
    return response


def _network(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 of an IPv6 one, which is what a single customer is given."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found)
