"""One POST to an address that is checked first: no private network, no redirects, soon over."""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import HTTPException
from socket import getaddrinfo
from urllib.parse import SplitResult, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from webapp.errors import NotDeliveredError, WebhookError

# Seconds for a connection, and for each wait for bytes.
_CONNECT = 4.0
# Seconds for all of it, up to the status: a receiver that sends a byte now and then is cut off.
LONGEST = 10.0
_LONGEST_URL = 500
_GONE = 410
_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, *, private: bool) -> str:
    """The address as it is stored.

    Raises `WebhookError` for a malformed address and one that leads to a private network. A name
    that is not known just now is accepted: it is looked up again with each delivery.
    """
    url = url.strip()
    parts = _split(url)
    try:
        addresses = _resolve(parts)
    except NotDeliveredError:
        return url
    if not private and (refusal := _refusal(addresses)):
        raise WebhookError(refusal)
    return url


def post(url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> int:
    """Send `body` and return the status, 200 to 299.

    The name is looked up once, and the connection goes to an address that was checked.

    Raises:
        NotDeliveredError: Another status came back, also a redirect, or nothing did.
    """
    parts = _split(url)
    addresses = _resolve(parts)
    if not private and (refusal := _refusal(addresses)):
        raise NotDeliveredError(refusal)
    status = _send(parts, addresses, body, {**headers, "Host": parts.netloc})
    if not 200 <= status < 300:
        moved = "; redirects are not followed" if 300 <= status < 400 else ""
        raise NotDeliveredError(f"It answered {status}{moved}.", gone=status == _GONE)
    return status


def is_public(address: _Address) -> bool:
    """True for an address of the internet.

    An IPv6 address that stands for an IPv4 one, or leads to one, is as public as that one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        private_6to4 = address.sixtofour and not is_public(address.sixtofour)
        if address.is_site_local or address in _LOCAL_NAT64 or private_6to4:
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


def _split(url: str) -> SplitResult:
    """The parts of an address. Raises `WebhookError` for a malformed one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookError(
            "This is not an address. It looks like https://example.org/marque."
        ) from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise WebhookError("A webhook is an address like https://example.org/marque.")
    if parts.username is not None or parts.password is not None:
        raise WebhookError("No name and password in the address: the signature proves who sends.")
    plain = url.isascii() and url.isprintable() and not any(map(str.isspace, url))
    if len(url) > _LONGEST_URL or not plain:
        raise WebhookError(
            f"An address has at most {_LONGEST_URL} characters, plain ones without spaces."
        )
    return parts


def _resolve(parts: SplitResult) -> list[_Address]:
    """The addresses of a host, each once. Raises `NotDeliveredError` when it has none."""
    host = parts.hostname or ""
    try:
        rows = getaddrinfo(host, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(row[4][0])) for row in rows))
    except (OSError, UnicodeError):
        addresses = []
    if not addresses:
        raise NotDeliveredError(f"The name {host[:100]} is not known.")
    return addresses


def _refusal(addresses: Iterable[_Address]) -> str:
    private = [address for address in addresses if not is_public(address)]
    if not private:
        return ""
    return (
        f"{private[0]} is not a public address, and webhooks go to public ones only "
        "(MARQUE_WEBHOOKS=any allows others)."
    )


class _Connection(HTTPConnection):
    """Keeps a second handle on its socket, with which a timer can cut it at any time.

    The socket itself is replaced in a TLS handshake, and each byte starts its timeout anew.
    """

    handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self.handle = connected.dup()
        return connected

    def cut(self) -> None:
        if self.handle is not None:
            with suppress(OSError):
                self.handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self.handle is not None:
            self.handle.close()


class _SecureConnection(_Connection, HTTPSConnection):
    pass


def _send(
    parts: SplitResult, addresses: list[_Address], body: bytes, headers: Mapping[str, str]
) -> int:
    """Send it to the first address that takes the connection; the status."""
    deadline = time.monotonic() + LONGEST
    trouble = "it took too long"
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        connection = _connection(parts, address, timeout=min(_CONNECT, left))
        timer = threading.Timer(left, connection.cut)
        timer.start()
        try:
            connection.connect()
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers, preload_content=False)
            return connection.getresponse().status
        except (NewConnectionError, ConnectTimeoutError) as error:
            trouble = getattr(error.__cause__, "strerror", None) or trouble
        except ssl.SSLCertVerificationError as error:
            reason = f"Its certificate is not good ({error.verify_message})."
            raise NotDeliveredError(reason) from error
        except TimeoutError as error:
            raise NotDeliveredError(f"No answer within {_CONNECT:.0f} seconds.") from error
        except (OSError, HTTPException, HTTPError, ValueError) as error:
            raise NotDeliveredError("The connection broke before an answer came.") from error
        finally:
            timer.cancel()
            connection.close()
    raise NotDeliveredError(f"Nobody takes the connection ({trouble}).")


def _connection(parts: SplitResult, address: _Address, *, timeout: float) -> _Connection:
    """A connection to exactly this address; the certificate is checked against the name."""
    port = parts.port or _PORTS[parts.scheme]
    if parts.scheme == "http":
        return _Connection(str(address), port, timeout=timeout)
    return _SecureConnection(
        str(address),
        port,
        timeout=timeout,
        server_hostname=parts.hostname,
        ssl_context=ssl.create_default_context(),
    )
