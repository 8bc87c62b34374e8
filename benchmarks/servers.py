"""Starting the servers that are measured, and sending photos to them."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
BOUNDARY = "marque-benchmark"
CAR_PHOTOS = sorted((ROOT / "tests" / "pictures" / "cars").glob("*.jpg"))
"""Cars of ten teams, 960 x 600, each file named after its label."""


@dataclass(frozen=True)
class Measured:
    """What one level of load gave: answers a second, and the wait for one in milliseconds (median and 99th percentile)."""

    connections: int
    answers: int
    seconds: float
    p50: float
    p99: float
    failures: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


@contextmanager
def marque(data: Path, port: int, **settings: str) -> Iterator[psutil.Process]:
    """A running Marque on `port` with an empty history in `data`; yields gunicorn's master."""
    env = {
        **os.environ,
        "MARQUE_DATA": str(data),
        "MARQUE_PORT": str(port),
        "MARQUE_ADMIN_PASSWORD": "benchmark-only",
        **settings,
    }
    env.setdefault("MARQUE_RATE_LIMITS", "off")  # one address asks for everything here
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "prepare"], cwd=ROOT, env=env, check=True
    )
    with _running([sys.executable, "-m", "gunicorn"], env, port, "/health/ready") as process:
        yield process


@contextmanager
def rival(port: int, workers: int = 1) -> Iterator[psutil.Process]:
    """The rival: see `benchmarks.rival`."""
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "benchmarks.rival:app",
        "--port",
        str(port),
        "--log-level",
        "error",
        "--workers",
        str(workers),
    ]
    with _running(command, dict(os.environ), port, "/ping") as process:
        yield process


@contextmanager
def _running(
    command: list[str], env: dict[str, str], port: int, ready: str
) -> Iterator[psutil.Process]:
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, ready, process)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(
    port: int, path: str, process: subprocess.Popen[bytes], patience: float = 120.0
) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"the server on port {port} did not become ready")


def request_head(path: str, length: int) -> bytes:
    """The head of a POST with a multipart body of `length` bytes."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode()


def form(photo: bytes, number: int) -> bytes:
    """A multipart form with one photo. `number` goes behind the picture's end, so that no two uploads have the same bytes."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head.encode() + photo + number.to_bytes(8, "big") + f"\r\n--{BOUNDARY}--\r\n".encode()


def load(
    port: int, path: str, photos: list[bytes], connections: int, seconds: float, first: int
) -> Measured:
    """Send photos over so many kept-alive connections at once for so many seconds. `first` is the number of the first upload.

    Plain sockets: on a small machine the sender takes its time from the server, and an HTTP library would take ten times as much.
    """
    waits: list[list[float]] = [[] for _ in range(connections)]
    failures = [0] * connections
    stop = time.perf_counter() + seconds

    def send(mine: int) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        number = first + mine
        while (started := time.perf_counter()) < stop:
            body = form(photos[number % len(photos)], number)
            connection.sendall(request_head(path, len(body)) + body)
            status, stays = _receive(connection)
            if status in (200, 201):
                waits[mine].append((time.perf_counter() - started) * 1000)
            else:
                failures[mine] += 1
            if not stays:
                connection.close()
                connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            number += connections
        connection.close()

    threads = [threading.Thread(target=send, args=(mine,)) for mine in range(connections)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - started
    everything = sorted(wait for mine in waits for wait in mine)
    return Measured(
        connections,
        len(everything),
        passed,
        _at(everything, 0.5),
        _at(everything, 0.99),
        sum(failures),
    )


def _receive(connection: socket.socket) -> tuple[int, bool]:
    """Read one answer with a Content-Length: its status, and whether the connection may be used again."""
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += _some(connection)
    head = answer[:end].lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    missing = end + 4 + length - len(answer)
    while missing > 0:
        missing -= len(_some(connection))
    return int(head[9:12]), b"connection: close" not in head


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise SystemExit("the server closed a connection in the middle of an answer")
    return received


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
