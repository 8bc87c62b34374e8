"""Starting the servers that are measured, and sending photos to them."""

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
import urllib3

ROOT = Path(__file__).resolve().parent.parent
_BOUNDARY = "marque-benchmark"
# cars of ten teams, 960 x 600, each file named after its label
CAR_PHOTOS = sorted((ROOT / "tests" / "pictures" / "cars").glob("*.jpg"))


@contextmanager
def marque(data: Path, port: int, root: Path = ROOT) -> Iterator[psutil.Process]:
    """A running Marque with an empty history in `data`, this one or another checkout; yields
    gunicorn's master."""
    env = {
        **os.environ,
        "MARQUE_DATA": str(data),
        "MARQUE_PORT": str(port),
        "MARQUE_ADMIN_PASSWORD": "benchmark-only",
        "MARQUE_RATE_LIMITS": "off",  # all requests come from one address
    }
    prepare = [sys.executable, "-m", "flask", "--app", "wsgi", "prepare"]
    subprocess.run(prepare, cwd=root, env=env, check=True)
    command = [sys.executable, "-m", "gunicorn"]
    with _running(command, env, port, "/health/ready", root) as process:
        yield process


@contextmanager
def rival(port: int, workers: int) -> Iterator[psutil.Process]:
    """The rival: see `benchmarks.rival`."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.rival:app", "--log-level", "error"]
    command += ["--port", str(port), "--workers", str(workers)]
    with _running(command, dict(os.environ), port, "/ping") as process:
        yield process


@contextmanager
def _running(
    command: list[str], env: dict[str, str], port: int, path: str, root: Path = ROOT
) -> Iterator[psutil.Process]:
    process = psutil.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not _is_ready(f"http://127.0.0.1:{port}{path}"):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"the server on port {port} did not become ready")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def processor_seconds(process: psutil.Process) -> float:
    """What a server and its workers have taken of the processors so far."""
    tree = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (each.cpu_times() for each in tree))


def _is_ready(address: str) -> bool:
    try:
        return urllib3.request("GET", address, timeout=5, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@dataclass(frozen=True)
class Load:
    """Where photos go, over how many connections, how long; `first` is the first one's number."""

    port: int
    path: str
    connections: int
    seconds: float
    first: int


@dataclass(frozen=True)
class _Measured:
    """Answers under load, and the wait for one in milliseconds (median and 99th percentile)."""

    answers: int
    seconds: float
    p50: float
    p99: float
    failures: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:>10.1f}{self.p50:>9.1f}{self.p99:>9.1f}{self.failures:>8}"


def _form(photo: bytes, number: int) -> bytes:
    """A multipart form with one photo; `number` behind its end makes its bytes unique."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{number}.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    end = f"\r\n--{_BOUNDARY}--\r\n"
    return head.encode() + photo + number.to_bytes(8, "big") + end.encode()


def load(wanted: Load, photos: list[bytes]) -> _Measured:
    """Send photos over kept-alive connections.

    Plain sockets: an HTTP library takes ten times as much of a small machine from the server.
    """
    waits: list[float] = []
    failures: list[int] = []
    stop = time.perf_counter() + wanted.seconds

    def send(number: int) -> None:
        connection = socket.create_connection(("127.0.0.1", wanted.port), timeout=60)
        while (started := time.perf_counter()) < stop:
            body = _form(photos[number % len(photos)], number)
            head = (
                f"POST {wanted.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
                f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            status, stays = _receive(connection)
            if status in (200, 201):
                waits.append((time.perf_counter() - started) * 1000)
            else:
                failures.append(status)
            if not stays:
                connection.close()
                connection = socket.create_connection(("127.0.0.1", wanted.port), timeout=60)
            number += wanted.connections
        connection.close()

    numbers = range(wanted.first, wanted.first + wanted.connections)
    threads = [threading.Thread(target=send, args=(number,)) for number in numbers]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - started
    waits.sort()
    p50, p99 = (waits[int(len(waits) * share)] if waits else float("nan") for share in (0.5, 0.99))
    return _Measured(len(waits), passed, p50, p99, len(failures))


def _receive(connection: socket.socket) -> tuple[int, bool]:
    """The status of an answer with a Content-Length, and whether the connection stays open."""
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
