"""The tool cupboard: what a process owns once, made on first need and handed out to the doors."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import cast

from flask import Flask, current_app

from webapp.config import Config
from webapp.errors import BadCardError, ModelNotFoundError, ModelUnavailableError
from webapp.inference.card import ModelCard
from webapp.inference.classifier import Classifier, self_test
from webapp.inference.litert_classifier import COMPILED_FILE, LiteRTClassifier
from webapp.inference.registry import Registry, check_files
from webapp.inference.turnstile import Turnstile
from webapp.storage.files import DatabaseFiles, FileStore

NAME = "marque"
RETRY_AFTER = 15.0
"""Seconds before a version that failed to load is tried again: it may have been mended on disk."""
SPARE_THREADS = 4
"""Threads of a worker that never wait for the model: they keep answering pings, pages and the gallery."""


class Cupboard:
    """The tools of one process. `classifier` may be given from outside (tests); then no model folder is read."""

    def __init__(self, config: Config, classifier: Classifier | None = None) -> None:
        self.config = config
        self.registry = Registry(config.models)
        self.files: FileStore = DatabaseFiles()
        slots = max(1, (os.cpu_count() or 1) // config.workers)
        self.turnstile = Turnstile(slots, waiting=max(1, config.threads - slots - SPARE_THREADS))
        self._given = classifier
        self._ready: dict[tuple[str, int], Classifier] = {}
        self._failed: dict[tuple[str, int], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def classifier(self) -> Classifier:
        """The live version of the site's model, loaded and self-tested on first need. Raises `ModelUnavailableError`.

        The `LIVE` file is read each time: when another version becomes live, every worker follows with its next photo.
        """
        if self._given is not None:
            return self._given
        name, version = self.live()
        ready = self._ready.get((name, version))
        if ready is not None:
            return ready
        with self._lock:
            if (name, version) not in self._ready:
                self._ready = {(name, version): self._load(name, version)}
            return self._ready[name, version]

    def card(self) -> ModelCard | None:
        """The card of the live version, None when there is no usable one."""
        if self._given is not None:
            return self._given.card
        try:
            return self.registry.card(*self.live())
        except (ModelNotFoundError, ModelUnavailableError, BadCardError):
            return None

    def live(self) -> tuple[str, int]:
        """Name and version of what serves. Raises `ModelUnavailableError` when nothing is live."""
        wanted = self.config.model
        for name in [wanted] if wanted else self.registry.names():
            version = self.registry.live_version(name)
            if version is not None:
                return name, version
        raise ModelUnavailableError(
            f"The model {wanted!r} has no live version." if wanted else "No model is installed: nothing in the models folder is live."
        )

    def _load(self, name: str, version: int) -> Classifier:
        failed_at, words = self._failed.get((name, version), (-RETRY_AFTER, ""))
        if time.monotonic() - failed_at < RETRY_AFTER:
            raise ModelUnavailableError(words)
        try:
            return load_classifier(self.registry, name, version, self.config.engine)
        except (ModelUnavailableError, BadCardError, ModelNotFoundError) as error:
            words = f"The model {name} {version} cannot be used: {error}"
            self._failed[name, version] = (time.monotonic(), words)
            raise ModelUnavailableError(words) from error


def load_classifier(registry: Registry, name: str, version: int, engine: str) -> Classifier:
    """Load one version with `engine` ("litert" or "keras") after checking its files' SHA-256, and let it pass its golden self-test.

    Raises `ModelUnavailableError`, `ModelNotFoundError` or `BadCardError`.
    """
    folder = registry.version_folder(name, version)
    card = ModelCard.read(folder)
    classifier = _keras(folder, card) if engine == "keras" else _litert(folder, card)
    self_test(classifier, folder)
    return classifier


def _litert(folder: Path, card: ModelCard) -> Classifier:
    check_files(folder, card, (COMPILED_FILE,))
    return LiteRTClassifier(folder, card)


def _keras(folder: Path, card: ModelCard) -> Classifier:
    try:  # TensorFlow takes seconds and 600 MB: only who asks for it pays
        from webapp.inference.keras_classifier import KERAS_FILE, KerasClassifier
    except ImportError as error:
        raise ModelUnavailableError("MARQUE_ENGINE=keras needs TensorFlow: pip install -r requirements.txt") from error
    check_files(folder, card, (KERAS_FILE,))
    return KerasClassifier(folder, card)


def init_app(app: Flask, config: Config, classifier: Classifier | None) -> None:
    """Hang the cupboard into the app."""
    app.extensions[NAME] = Cupboard(config, classifier)


def get_cupboard() -> Cupboard:
    """The cupboard of the running app."""
    return cast(Cupboard, current_app.extensions[NAME])


def get_config() -> Config:
    """The settings of the running app."""
    return get_cupboard().config


def get_classifier() -> Classifier:
    """See `Cupboard.classifier`."""
    return get_cupboard().classifier()


def get_card() -> ModelCard | None:
    """See `Cupboard.card`."""
    return get_cupboard().card()


def get_registry() -> Registry:
    """Which models there are."""
    return get_cupboard().registry


def get_files() -> FileStore:
    """Where the bytes live."""
    return get_cupboard().files


def get_turnstile() -> Turnstile:
    """The queue in front of the model."""
    return get_cupboard().turnstile
