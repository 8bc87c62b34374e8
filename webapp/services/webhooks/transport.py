"""One POST to an address that was looked at first: not followed elsewhere, not to a private network unless that is wanted, soon over."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import SplitResult, urlsplit

from webapp.errors import NotDeliveredError, WebhookError

CONNECT = 4.0
"""Seconds for a connection, and for each wait for bytes."""
LONGEST = 10.0
"""Seconds for all of it, from the first connection to the status: whoever sends a byte now and then is cut off."""
LONGEST_URL = 500
GONE = 410
NAT64 = ipaddress.ip_network("64:ff9b::/96")
LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
ADDRESS = "{} is not a public address, and webhooks go to public ones only (MARQUE_WEBHOOKS=any allows others)."

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[..., Iterable[tuple[Any, ...]]]


def check_url(url: str, *, private: bool) -> str:
    """The address as it is kept. Raises `WebhookError` when nothing can be sent there: a strange address, or one that leads to a private
    network. A name that nobody knows just now is taken: it is looked up again with each delivery."""
    url = url.strip()
    parts = _parts(url)
    with suppress(NotDeliveredError):
        addresses = resolve(parts, private=True)
        if not private and (bad := [one for one in addresses if not is_public(one)]):
            raise WebhookError(ADDRESS.format(bad[0]))
    return url


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    private: bool,
    lookup: Resolve = socket.getaddrinfo,
) -> int:
    """Send `body` and return the status, 200 to 299. The name is looked up once, and what was looked at is what is connected to.

    Raises `NotDeliveredError` for any other status, also for one that leads elsewhere, and when nothing came back.
    """
    parts = _parts(url)
    addresses = resolve(parts, private=private, lookup=lookup)
    deadline = time.monotonic() + LONGEST
    status = _ask(parts, addresses, body, headers, deadline)
    if not 200 <= status < 300:
        moved = "; it is not followed elsewhere" if 300 <= status < 400 else ""
        raise NotDeliveredError(f"It answered {status}{moved}.", gone=status == GONE)
    return status


def is_public(address: Address) -> bool:
    """True for an address of the internet. An IPv6 address that stands for an IPv4 one, or leads to one, is as public as that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if (
            address.is_site_local
            or address in LOCAL_NAT64
            or (address.sixtofour and not is_public(address.sixtofour))
        ):
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def resolve(
    parts: SplitResult, *, private: bool, lookup: Resolve = socket.getaddrinfo
) -> list[Address]:
    """The addresses of a host, each once. Raises `NotDeliveredError` when it has none, or, unless `private`, one that is not public."""
    host = parts.hostname or ""
    try:
        found = lookup(host, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDeliveredError(f"The name {host[:100]} is not known.") from error
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(one[4][0])) for one in found))
    if not addresses:
        raise NotDeliveredError(f"The name {host[:100]} is not known.")
    bad = [] if private else [one for one in addresses if not is_public(one)]
    if bad:
        raise NotDeliveredError(ADDRESS.format(bad[0]))
    return addresses


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookError(
            "This is not an address. It looks like https://example.org/marque."
        ) from error
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise WebhookError("A webhook is an address like https://example.org/marque.")
    if parts.username is not None or parts.password is not None:
        raise WebhookError("No name and password in the address: the signature proves who sends.")
    if (
        len(url) > LONGEST_URL
        or not url.isascii()
        or any(one.isspace() or not one.isprintable() for one in url)
    ):
        raise WebhookError(
            f"An address has at most {LONGEST_URL} characters, plain ones without spaces."
        )
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _ask(
    parts: SplitResult,
    addresses: list[Address],
    body: bytes,
    headers: Mapping[str, str],
    deadline: float,
) -> int:
    """Send it to the first address that takes the connection; the status."""
    connection = HTTPConnection(
        parts.hostname or "", _port(parts)
    )  # its host is what it writes into the request; it never dials itself
    connection.auto_open = 0
    connection.default_port = 443 if parts.scheme == "https" else 80
    connection.sock = _dial(addresses, _port(parts), deadline)
    watch = threading.Timer(max(0.1, deadline - time.monotonic()), _cut, [connection])
    watch.start()
    try:
        if parts.scheme == "https":
            secure = ssl.create_default_context().wrap_socket(
                connection.sock, server_hostname=parts.hostname, do_handshake_on_connect=False
            )
            connection.sock = secure
            secure.do_handshake()
        connection.request("POST", _target(parts), body, dict(headers))
        return connection.getresponse().status
    except ssl.SSLCertVerificationError as error:
        raise NotDeliveredError(f"Its certificate is not good ({error.verify_message}).") from error
    except TimeoutError as error:
        raise NotDeliveredError(f"No answer within {CONNECT:.0f} seconds.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NotDeliveredError("The connection broke before an answer came.") from error
    finally:
        watch.cancel()
        connection.close()


def _dial(addresses: list[Address], port: int, deadline: float) -> socket.socket:
    """A connection to the first address that takes it."""
    trouble = "it took too long"
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address), port), timeout=min(CONNECT, left))
        except OSError as error:
            trouble = error.strerror or trouble
    raise NotDeliveredError(f"Nobody takes the connection ({trouble}).")


def _cut(connection: HTTPConnection) -> None:
    """Time is over: whoever reads from the connection is woken."""
    with suppress(OSError):
        socket.socket.shutdown(
            connection.sock, socket.SHUT_RDWR
        )  # under TLS too: nothing leaves any more, not even in clear


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
