"""The tool cupboard: what a process owns once, made on first need and handed out to the doors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from webapp.config import Config
from webapp.errors import ModelUnavailableError
from webapp.inference.card import ModelCard
from webapp.inference.classifier import Classifier, self_test
from webapp.inference.litert_classifier import COMPILED_FILE, LiteRTClassifier
from webapp.inference.registry import Registry, check_files
from webapp.inference.serving import Serving
from webapp.inference.turnstile import Turnstile
from webapp.storage import promotions
from webapp.storage.files import DatabaseFiles, FileStore

NAME = "marque"
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
        self._serving = Serving(self.registry, self._load, _live_before)

    def classifier(self) -> Classifier:
        """What answers photos: the live version of the site's model, loaded and self-tested on first need.

        While that cannot be used, the last good version of the model. Raises `ModelUnavailableError` when there is none.
        """
        return self._given if self._given is not None else self._serving.classifier(self.site_model())

    def card(self) -> ModelCard | None:
        """The card of what answers, None when there is no usable one."""
        if self._given is not None:
            return self._given.card
        try:
            return self._serving.card(self.site_model())
        except ModelUnavailableError:
            return None

    def trouble(self) -> str:
        """A sentence when the live version of the site's model cannot be used, and what answers instead; "" when all is well."""
        if self._given is not None:
            return ""
        try:
            return self._serving.trouble(self.site_model())
        except ModelUnavailableError as error:
            return str(error)

    def site_model(self) -> str:
        """The name of the model that answers: the one that was chosen in the settings, else the first with a live version.

        Raises `ModelUnavailableError` when nothing is live.
        """
        wanted = self.config.model
        for name in [wanted] if wanted else self.registry.names():
            if self.registry.versions(name) and self.registry.claims_live(name):
                return name
        raise ModelUnavailableError(
            f"The model {wanted!r} has no live version." if wanted else "No model is installed: nothing in the models folder is live."
        )

    def live(self) -> tuple[str, int]:
        """Name and version of what should serve. Raises `ModelUnavailableError` when nothing is live."""
        name = self.site_model()
        version = self.registry.live_version(name)
        if version is None:
            raise ModelUnavailableError(self.trouble())
        return name, version

    def _load(self, name: str, version: int) -> Classifier:
        return load_classifier(self.registry, name, version, self.config.engine)


def _live_before(name: str) -> list[int]:
    """Versions of a model that were live earlier, the latest first; none when the history cannot be read."""
    try:
        return promotions.versions_that_served(name)
    except SQLAlchemyError:
        return []


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


def get_trouble() -> str:
    """See `Cupboard.trouble`."""
    return get_cupboard().trouble()


def get_registry() -> Registry:
    """Which models there are."""
    return get_cupboard().registry


def get_files() -> FileStore:
    """Where the bytes live."""
    return get_cupboard().files


def get_turnstile() -> Turnstile:
    """The queue in front of the model."""
    return get_cupboard().turnstile
