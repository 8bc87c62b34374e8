"""One POST: to the checked address and no other, never to a private network, soon over."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.receiver import Receiver, receiving
from webapp.errors import NotDeliveredError, WebhookError
from webapp.services.webhooks import transport
from webapp.services.webhooks.transport import check_url, is_public, post


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def answers(*addresses: str) -> Any:
    """A name server that answers with these addresses, the next one with each lookup."""
    left = list(addresses)
    return lambda _host, port, **_more: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (left.pop(0), port))
    ]


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",  # noqa: S104
        ),
        *(
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "2001:db8::1",
            "2001:0:7f00:1::",
        ),
        *(
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "fec0::1",
            "ff02::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
        ),
        *(
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
        ),
    ],
)
def test_all_others_are_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "example.org",
            "ftp://example.org",
            "file:///etc/passwd",
            "https://",
            "https://a b.example",
            "https://u:p@example.org",
        ),
        *(
            "https://example.org:0",
            "https://example.org:99999",
            "https://[::1",
            "http://exämple.org",
            "https://e.org/" + "a" * 500,
        ),
        *(
            "https://e.org/\r\nX: y",
            "https://127.0.0.1",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/x",
            "http://2130706433/",
        ),
    ],
)
def test_it_refuses_strange_and_private_addresses(url: str) -> None:
    with pytest.raises(WebhookError):
        check_url(url, private=False)


def test_it_sends_the_body_and_the_headers(receiver: Receiver) -> None:
    assert post(receiver.url, b"hello", {"webhook-id": "msg_1"}, private=True) == 204
    headers, body = receiver.messages[0]
    assert (headers["webhook-id"], headers[":path"], headers["host"], body) == (
        "msg_1",
        "/in?x=1",
        f"127.0.0.1:{receiver.port}",
        b"hello",
    )


def test_it_sends_nothing_to_a_private_address(receiver: Receiver) -> None:
    with pytest.raises(NotDeliveredError, match=r"127\.0\.0\.1 is not a public address"):
        post(receiver.url, b"", {}, private=False)
    assert not receiver.messages


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lookup = lambda _host, port, **_more: [  # noqa: E731
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
        for address in ("8.8.8.8", "10.0.0.1")
    ]
    monkeypatch.setattr(transport, "getaddrinfo", lookup)
    with pytest.raises(NotDeliveredError, match=r"10\.0\.0\.1"):
        post("http://rebound.example/", b"", {}, private=False)


def test_the_name_is_asked_for_once_and_the_host_is_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "getaddrinfo", answers("127.0.0.1"))
    post(f"http://rebound.example:{receiver.port}/", b"", {}, private=True)  # asks but once
    assert receiver.messages[0][0]["host"] == f"rebound.example:{receiver.port}"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_other_answers_are_failures_and_nothing_is_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    with pytest.raises(NotDeliveredError, match=str(status)):
        post(receiver.url, b"", {}, private=True)
    assert len(receiver.messages) == 1


def test_a_closed_port_is_a_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NotDeliveredError, match="Nobody takes the connection"):
            post(f"http://127.0.0.1:{unused.getsockname()[1]}/", b"", {}, private=True)


def test_an_unknown_name_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_asked: object, **_more: object) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(transport, "getaddrinfo", unknown)
    with pytest.raises(NotDeliveredError, match="not known"):
        post("https://nowhere.example/", b"", {}, private=False)


@pytest.mark.parametrize(("scheme", "beginning"), [("http", b""), ("https", b"\x16\x03\x03\x40\0")])
def test_a_receiver_that_sends_a_byte_now_and_then_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, scheme: str, beginning: bytes
) -> None:
    monkeypatch.setattr(transport, "LONGEST", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            connection, _address = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(beginning)  # of a TLS handshake that never ends
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(NotDeliveredError, match=r"broke|No answer"):
                post(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/", b"", {}, private=True)
        finally:
            over.set()
            thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for car.example that nobody else trusts, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine")
    path = tmp_path / "both.pem"
    asked = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=car.example",
    ]
    asked += [
        "-addext",
        "subjectAltName=DNS:car.example",
        "-keyout",
        str(path),
        "-out",
        str(tmp_path / "cert.pem"),
    ]
    subprocess.run(asked, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "cert.pem").read_text())
    return path


def test_a_certificate_is_checked_against_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "getaddrinfo", answers(*["127.0.0.1"] * 3))
    with receiving(certificate) as receiver:
        address = f"https://car.example:{receiver.port}/"
        with pytest.raises(NotDeliveredError, match="certificate"):
            post(address, b"x", {}, private=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))
        assert post(address, b"x", {}, private=True) == 204
        with pytest.raises(NotDeliveredError, match="certificate"):
            post(address.replace("car.", "other."), b"x", {}, private=True)
        assert [body for _headers, body in receiver.messages] == [b"x"]
