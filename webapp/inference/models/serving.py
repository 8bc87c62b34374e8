"""Which version of a model answers: the live one, or the last good one while that is unusable."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from webapp.errors import ModelError, ModelUnavailableError
from webapp.inference.models.card import VersionCard
from webapp.inference.models.registry import LIVE_FILE, Registry

# seconds before a version that failed to load is tried again: it may have been repaired on disk
RETRY_AFTER = 15.0
# models that a process keeps loaded; one more replaces the one that was loaded first
MOST_LOADED = 8


class Network(Protocol):
    """What serves: a version of a classifier or a detector."""

    @property
    def card(self) -> VersionCard:
        """The version's card."""


_Network = TypeVar("_Network", bound=Network)


@dataclass(frozen=True)
class _Loaded(Generic[_Network]):
    """A loaded version; it answers for the version `live` (None: unreadable LIVE) `until` then."""

    network: _Network
    version: int
    live: int | None
    until: float


class Serving(Generic[_Network]):
    """Keeps one loaded version for each of a few models. Safe to share between threads.

    `load` loads and self-tests a version; any exception means that the version cannot be used.
    `before` names the versions of a model that were live earlier, the latest first: they are the
    first choice when the live one cannot be used.
    """

    def __init__(
        self,
        registry: Registry,
        load: Callable[[str, int], _Network],
        before: Callable[[str], Iterable[int]],
    ) -> None:
        self._registry = registry
        self._load = load
        self._before = before
        self._loaded: dict[str, _Loaded[_Network]] = {}
        self._failed: dict[tuple[str, int], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def live(self, name: str) -> _Network:
        """The live version of `name`; while that cannot be used, another one that can.

        The `LIVE` file is read on each call, so every process notices when another version becomes
        live. Raises `ModelUnavailableError` when no version can be used.
        """
        live = self._registry.live_version(name)
        loaded = self._usable(name, live)
        if loaded is None:
            with self._lock:  # others wait here for the thread that loads
                loaded = self._usable(name, live) or self._load_best(name, live)
        return loaded.network

    def card(self, name: str) -> VersionCard | None:
        """The card of the version that answers, of the live one while none is loaded; or None."""
        live = self._registry.live_version(name)
        loaded = self._usable(name, live)
        if loaded is not None:
            return loaded.network.card
        with suppress(ModelError):
            return self._registry.any_card(name, live)
        with suppress(ModelUnavailableError):
            return self.live(name).card
        return None

    def trouble(self, name: str) -> str:
        """Why the live version cannot answer, and which version answers instead; "" when it can."""
        live = self._registry.live_version(name)
        try:
            answering = self.live(name).card.version
        except ModelUnavailableError as error:
            return str(error)
        if answering == live:
            return ""
        return f"{self._problem(name, live)}; version {answering} answers."

    def _usable(self, name: str, live: int | None) -> _Loaded[_Network] | None:
        loaded = self._loaded.get(name)
        current = loaded is not None and loaded.live == live and time.monotonic() < loaded.until
        return loaded if current else None

    def _load_best(self, name: str, live: int | None) -> _Loaded[_Network]:
        """Load the live version, else the best of the others: the one that is loaded, those that
        were live before, the newest. The lock is held."""
        loaded, present = self._loaded.get(name), self._registry.versions(name)
        order = [live, loaded.version if loaded else None]
        order += [version for version in self._before(name) if version in present]
        for version in dict.fromkeys([*order, *reversed(present)]):
            if version is None:
                continue
            if loaded is not None and loaded.version == version:
                network: _Network | None = loaded.network
            else:
                network = self._try(name, version)
            if network is not None:
                until = math.inf if version == live else time.monotonic() + RETRY_AFTER
                others = [item for item in self._loaded.items() if item[0] != name]
                loaded = _Loaded(network, version, live, until)
                self._loaded = dict([*others[1 - MOST_LOADED :], (name, loaded)])
                return loaded
        self._loaded.pop(name, None)
        raise ModelUnavailableError(f"The model {self._problem(name, live)}.")

    def _try(self, name: str, version: int) -> _Network | None:
        """The loaded version, or None when it cannot be used or failed a moment ago."""
        failed_at, _reason = self._failed.get((name, version), (-math.inf, ""))
        if time.monotonic() - failed_at < RETRY_AFTER:
            return None
        try:
            network = self._load(name, version)
        except Exception as error:  # a damaged file fails in any way
            reason = str(error).removeprefix(f"{name} {version}").removeprefix(": ")
            reason = reason.strip().rstrip(".") or type(error).__name__
            self._failed[name, version] = (time.monotonic(), reason)
            return None
        self._failed.pop((name, version), None)
        return network

    def _problem(self, name: str, live: int | None) -> str:
        if live is None:
            return f"{name} cannot be used as it should: its {LIVE_FILE} file names no version"
        _failed_at, reason = self._failed.get((name, live), (0.0, "it is being loaded"))
        return f"{name} {live} cannot be used: {reason}"
