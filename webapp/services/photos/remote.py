"""Photos for another Marque: sent over HTTP to `/api/v1`, several at once, patiently where it is busy."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from webapp.errors import MarqueError, PhotoRefusedError, ServerFailedError
from webapp.services.photos.classify import Incoming

REFUSED = (400, 410, 413, 415, 422)
"""What a server says about one photo; every other status but 200 and 201 is about the server or the key, and ends the work."""
BUSY = (429, 503)
LONGEST_WAIT = 30.0
"""Seconds between two tries, whatever the server asks for."""
PATIENCE = 10
"""Tries for one photo while the server is busy or the line breaks."""
MOST_AT_ONCE = 256
"""Connections that are kept open."""
TIMEOUT = urllib3.Timeout(connect=10.0, read=120.0)

Read = Callable[[Path], Incoming]


class Server:
    """A Marque at an address. Use it in a `with` block: its end stops what is on the way."""

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        store: bool = False,
        model: str = "",
        ground_truth: str = "",
    ) -> None:
        """With `store` the photos are remembered there. Raises `ServerFailedError` for an address that is none."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerFailedError(
                f"{url} is no address of a server. It looks like http://127.0.0.1:8000."
            )
        self.home = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._address = f"{self.home}/api/v1/{'photos' if store else 'classify'}"
        self._headers = {"Accept": "application/json"} | (
            {"Authorization": f"Bearer {key}"} if key else {}
        )
        self._fields = {
            name: value
            for name, value in (("model", model), ("ground_truth", ground_truth))
            if value
        }
        self._stopped = threading.Event()
        self._pool = urllib3.PoolManager(maxsize=MOST_AT_ONCE, retries=False, timeout=TIMEOUT)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.clear()

    def send_all(
        self, paths: Iterable[Path], read: Read, *, at_once: int
    ) -> Iterator[tuple[Path, dict[str, Any] | MarqueError]]:
        """Each path with the server's answer in the shape of a row, or with why it refused the photo; in their order.

        At most twice `at_once` photos are between disk and answer. Raises `ServerFailedError` when it cannot be reached, does not take
        the key, or stays busy.
        """
        on_the_way: deque[tuple[Path, Future[dict[str, Any] | MarqueError]]] = deque()
        with ThreadPoolExecutor(at_once) as pool:
            try:
                for path in paths:
                    on_the_way.append((path, pool.submit(self._try, path, read)))
                    if len(on_the_way) >= 2 * at_once:
                        yield _first(on_the_way)
                while on_the_way:
                    yield _first(on_the_way)
            finally:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _try(self, path: Path, read: Read) -> dict[str, Any] | MarqueError:
        try:
            return self._send(read(path))
        except ServerFailedError:
            raise
        except MarqueError as error:
            return error

    def _send(self, photo: Incoming) -> dict[str, Any]:
        """The server's answer, waiting where it is busy: as long as `Retry-After` says, at most `LONGEST_WAIT`."""
        words = ""
        for attempt in range(PATIENCE):
            pause = min(2.0**attempt / 4, LONGEST_WAIT)
            try:
                answer = self._pool.request(
                    "POST",
                    self._address,
                    headers=self._headers,
                    fields={**self._fields, "file": (photo.filename, photo.content)},
                )
            except urllib3.exceptions.HTTPError as error:
                words = f"{self.home} cannot be reached: {_reason(error)}."
                if attempt >= 2:
                    break
            else:
                if answer.status not in BUSY:
                    return self._understood(answer)
                words = f"{self.home} is busy: {_detail(answer) or answer.status}"
                asked = answer.headers.get("Retry-After", "")
                pause = min(float(asked), LONGEST_WAIT) if asked.isdecimal() else pause
            if self._stopped.wait(pause):
                break
        raise ServerFailedError(words)

    def _understood(self, answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
        """The answer as a row. Raises `PhotoRefusedError` for what is about the photo, `ServerFailedError` for all else."""
        if answer.status in (200, 201):
            body = _json(answer)
            if "prediction" not in body:
                raise ServerFailedError(f"{self.home} answers, but not like a Marque.")
            shape: dict[str, Any] = (
                {"photo": body["id"], "duplicate": body.get("duplicate", False)}
                if "id" in body
                else {}
            )
            return shape | {
                name: body[name] for name in ("prediction", "predictions") if name in body
            }
        detail = _detail(answer)
        if answer.status in REFUSED:
            raise PhotoRefusedError(detail or f"The server refused it with status {answer.status}.")
        if answer.status in (401, 403):
            raise ServerFailedError(
                f"{self.home} does not let us in: {detail or answer.status} Give a key with --key or MARQUE_KEY."
            )
        moved = answer.headers.get("Location", "")
        if 300 <= answer.status < 400:
            raise ServerFailedError(
                f"{self.home} sends us on to {moved}: name that address with --url."
            )
        raise ServerFailedError(
            f"{self.home} answered with status {answer.status}. {detail or 'Is it a Marque?'}"
        )


def _first(
    on_the_way: deque[tuple[Path, Future[dict[str, Any] | MarqueError]]],
) -> tuple[Path, dict[str, Any] | MarqueError]:
    path, future = on_the_way.popleft()
    return path, future.result()


def _json(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        body = json.loads(answer.data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _detail(answer: urllib3.BaseHTTPResponse) -> str:
    return str(_json(answer).get("detail", ""))


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """The last part of what urllib3 says: the part that is about the network."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "its name is not known"
    return str(error).rsplit(": ", 1)[-1].rstrip(".") or type(error).__name__
