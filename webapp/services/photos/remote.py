"""Photos for another Marque: sent to its `/api/v1`, several at once, patiently where it is busy."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from webapp.errors import MarqueError, PhotoRefusedError, ServerFailedError
from webapp.services.photos.classify import Incoming

_REFUSED = (400, 410, 413, 415, 422)  # about one photo; others are about the server or the key
_BUSY = (429, 503)
_ANSWER = ("prediction", "predictions", "cars")
LONGEST_WAIT = 30.0  # seconds between two tries, whatever the server asks for
_TRIES = 10  # for one photo, while the server is busy or the connection breaks
_TIMEOUT = urllib3.Timeout(connect=10.0, read=120.0)

_Result = dict[str, Any] | MarqueError


class Server:
    """A Marque at an address. Use it in a `with` block: its end stops what is on the way."""

    def __init__(
        self, url: str, key: str = "", store: bool = False, fields: Mapping[str, str] | None = None
    ) -> None:
        """With `store` the photos are stored there; `fields` are sent with each of them.

        Raises `ServerFailedError` for what is no address of a server.
        """
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerFailedError(
                f"{url} is no address of a server. It looks like http://127.0.0.1:8000."
            )
        self.home = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._address = f"{self.home}/api/v1/{'photos' if store else 'classify'}"
        self._headers = {"Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._fields = {name: value for name, value in (fields or {}).items() if value}
        self._stopped = threading.Event()
        self._pool = urllib3.PoolManager(maxsize=256, retries=False, timeout=_TIMEOUT)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.clear()

    def send_all(
        self, paths: Iterable[Path], read: Callable[[Path], Incoming], *, at_once: int
    ) -> Iterator[tuple[Path, _Result]]:
        """Each path with the server's answer, or why it refused the photo; in order.

        At most twice `at_once` photos are between disk and answer. Raises `ServerFailedError` when
        the server cannot be reached, does not take the key, or stays busy.
        """
        waiting: deque[tuple[Path, Future[_Result]]] = deque()
        rest = iter(paths)
        with ThreadPoolExecutor(at_once) as pool:
            try:
                while True:
                    for path in islice(rest, 2 * at_once - len(waiting)):
                        waiting.append((path, pool.submit(self._try, path, read)))
                    if not waiting:
                        return
                    path, future = waiting.popleft()
                    yield path, future.result()
            finally:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _try(self, path: Path, read: Callable[[Path], Incoming]) -> _Result:
        try:
            return self._send(read(path))
        except ServerFailedError:
            raise
        except MarqueError as error:
            return error

    def _send(self, photo: Incoming) -> dict[str, Any]:
        """The server's answer; while it is busy, wait as long as `Retry-After` says."""
        trouble = ""
        fields: dict[str, Any] = {**self._fields, "file": (photo.filename, photo.content)}
        for attempt in range(_TRIES):
            pause = min(2.0**attempt / 4, LONGEST_WAIT)
            try:
                response = self._pool.request(
                    "POST", self._address, headers=self._headers, fields=fields
                )
            except urllib3.exceptions.HTTPError as error:
                trouble = f"{self.home} cannot be reached: {_reason(error)}."
                if attempt >= 2:
                    break
            else:
                if response.status not in _BUSY:
                    return self._parse(response)
                trouble = f"{self.home} is busy: {_detail(response) or response.status}"
                wanted = response.headers.get("Retry-After", "")
                pause = min(float(wanted) if wanted.isdecimal() else pause, LONGEST_WAIT)
            if self._stopped.wait(pause):
                break
        raise ServerFailedError(trouble)

    def _parse(self, response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
        """A response as a row. Raises `PhotoRefusedError` or `ServerFailedError`."""
        body, detail = _json(response), _detail(response)
        if response.status in (200, 201):
            if "prediction" not in body:
                raise ServerFailedError(f"{self.home} answers, but not like a Marque.")
            row = {name: body[name] for name in _ANSWER if name in body}
            if "id" in body:
                row |= {"photo": body["id"], "duplicate": body.get("duplicate", False)}
            return row
        if response.status in _REFUSED:
            raise PhotoRefusedError(
                detail or f"The server refused it with status {response.status}."
            )
        if response.status in (401, 403):
            raise ServerFailedError(
                f"{self.home} does not let us in: {detail or response.status} "
                "Give a key with --key or MARQUE_KEY."
            )
        if 300 <= response.status < 400:
            moved = response.headers.get("Location", "")
            raise ServerFailedError(
                f"{self.home} sends us on to {moved}: name that address with --url."
            )
        raise ServerFailedError(
            f"{self.home} answered with status {response.status}. {detail or 'Is it a Marque?'}"
        )


def _json(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        body = json.loads(response.data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _detail(response: urllib3.BaseHTTPResponse) -> str:
    return str(_json(response).get("detail", ""))


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """The last part of urllib3's message: the part about the network."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "its name is not known"
    return str(error).rsplit(": ", 1)[-1].rstrip(".") or type(error).__name__
