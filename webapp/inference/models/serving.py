"""Which version of a model answers: the live one, or the last good one while the live one cannot be used."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webapp.errors import ModelError, ModelUnavailableError
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import LIVE_FILE, Registry

RETRY_AFTER = 15.0
"""Seconds before a version that failed to load is tried again: it may have been mended on disk."""
MOST_LOADED = 8
"""Models that a process keeps loaded. When one more is asked for, the one that was loaded first makes room."""

Load = Callable[[str, int], Classifier]
Before = Callable[[str], Iterable[int]]


@dataclass(frozen=True)
class _Kept:
    """The loaded version of a model. `wanted` is the live version it stands for (None: LIVE is unreadable); `until` when that is tried."""

    classifier: Classifier
    version: int
    wanted: int | None
    until: float


class Serving:
    """Keeps one loaded version for each of a few models. Safe to share between threads.

    `load` loads and self-tests a version; whatever it raises means that the version cannot be used. `before` names the versions
    of a model that were live earlier, the latest first: they are the first choice when the live one cannot be used.
    """

    def __init__(self, registry: Registry, load: Load, before: Before) -> None:
        self._registry = registry
        self._load = load
        self._before = before
        self._kept: dict[str, _Kept] = {}
        self._failed: dict[tuple[str, int], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def classifier(self, name: str) -> Classifier:
        """The live version of `name`; while that cannot be used, another one that can. Raises `ModelUnavailableError` when none can.

        The `LIVE` file is read each time, so every process follows when another version becomes live.
        """
        wanted = self._registry.live_version(name)
        kept = self._usable(name, wanted)
        if kept is None:
            with self._lock:  # others wait here for the one that loads
                kept = self._usable(name, wanted) or self._find(name, wanted)
        return kept.classifier

    def card(self, name: str) -> ModelCard | None:
        """The card of the version that answers; of the live version while nothing is loaded; None when there is no readable one."""
        kept = self._usable(name, self._registry.live_version(name))
        if kept is not None:
            return kept.classifier.card
        try:
            return self._registry.card(name)
        except ModelError:
            pass
        try:
            return self.classifier(name).card
        except ModelUnavailableError:
            return None

    def trouble(self, name: str) -> str:
        """What keeps the live version from answering, and which version answers instead; "" when all is well."""
        wanted = self._registry.live_version(name)
        try:
            answering = self.classifier(name).card.version
        except ModelUnavailableError as error:
            return str(error)
        return (
            ""
            if answering == wanted
            else f"{self._blame(name, wanted)}; version {answering} answers."
        )

    def _usable(self, name: str, wanted: int | None) -> _Kept | None:
        kept = self._kept.get(name)
        return (
            kept
            if kept is not None and kept.wanted == wanted and time.monotonic() < kept.until
            else None
        )

    def _find(self, name: str, wanted: int | None) -> _Kept:
        """Load the wanted version, else the best of the others. The lock is held."""
        kept = self._kept.get(name)
        for version in self._choices(name, wanted, kept):
            classifier = (
                kept.classifier
                if kept is not None and kept.version == version
                else self._try(name, version)
            )
            if classifier is not None:
                until = math.inf if version == wanted else time.monotonic() + RETRY_AFTER
                others = [(other, one) for other, one in self._kept.items() if other != name]
                self._kept = dict(
                    [*others[1 - MOST_LOADED :], (name, _Kept(classifier, version, wanted, until))]
                )
                return self._kept[name]
        self._kept.pop(name, None)
        raise ModelUnavailableError(f"The model {self._blame(name, wanted)}.")

    def _choices(self, name: str, wanted: int | None, kept: _Kept | None) -> list[int]:
        """The wanted version, then what answered until now, then what was live before, then the newest."""
        present = self._registry.versions(name)
        order = [kept.version] if kept is not None else []
        order += [one for one in self._before(name) if one in present]
        order += reversed(present)
        return list(dict.fromkeys(([] if wanted is None else [wanted]) + order))

    def _try(self, name: str, version: int) -> Classifier | None:
        """The loaded version, or None when it cannot be used; why is kept, and it is not tried again for a while."""
        failed_at, _words = self._failed.get((name, version), (-math.inf, ""))
        if time.monotonic() - failed_at < RETRY_AFTER:
            return None
        try:
            classifier = self._load(name, version)
        except Exception as error:  # a damaged file breaks in any way; each means the same here
            words = (
                str(error).removeprefix(f"{name} {version}").removeprefix(": ").strip().rstrip(".")
                or type(error).__name__
            )
            self._failed[name, version] = (time.monotonic(), words)
            return None
        self._failed.pop((name, version), None)
        return classifier

    def _blame(self, name: str, wanted: int | None) -> str:
        if wanted is None:
            return f"{name} cannot be used as it should: its {LIVE_FILE} file names no version"
        return f"{name} {wanted} cannot be used: {self._failed.get((name, wanted), (0.0, 'it is being loaded'))[1]}"
