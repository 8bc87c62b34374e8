"""What a process owns once: file store, registry of models, classifiers, limiters."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, has_app_context
from sqlalchemy.exc import SQLAlchemyError

from webapp.config import Config, available_cores
from webapp.domain import ALL_MODELS
from webapp.errors import MarqueError, ModelNotFoundError, ModelRefusedError, ModelUnavailableError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.detector import Detector
from webapp.inference.models.card import ModelCard, VersionCard
from webapp.inference.models.label_set import apply_edits, resolve_edits
from webapp.inference.models.loading import load_classifier, load_detector
from webapp.inference.models.registry import Registry
from webapp.inference.models.serving import MOST_LOADED, Serving
from webapp.inference.process_pool import Alone, Pool
from webapp.services.jobs.job_type import Tools
from webapp.services.labels.label_mapping import current_card
from webapp.services.photos.classify import Pipeline
from webapp.storage.database import last_id
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.labels import edits
from webapp.storage.models import versions_that_served
from webapp.storage.tables import LabelEdit

_SPARE_THREADS = 4  # of a worker, never wait for a model: they answer pings, pages and the gallery
_WORTH_A_PROCESS = 32  # photos make up for the start of a process
_Describe = Callable[[Any, Registry], Mapping[str, Any]]

_Version = TypeVar("_Version")


class _LabelSets:
    """Cards with their labels as people see them.

    They are made again only after a label was changed, which is looked up once in a request.
    """

    def __init__(self) -> None:
        self._kept: tuple[int, dict[int, tuple[ModelCard, ModelCard]]] = (0, {})

    def current(self, card: ModelCard) -> ModelCard:
        """The card as people see it; as it is outside of an app or without a database."""
        if not has_app_context():
            return card
        try:
            if "last_label_edit" not in g:
                g.last_label_edit = last_id(LabelEdit)
            last, kept = self._kept
            if last != g.last_label_edit:
                last, kept = self._kept = (g.last_label_edit, {})
            if id(card) not in kept:
                rows = edits.edits_of(card.name) if last else ()
                values = [(row.label, row.kind, row.value) for row in rows if row.id <= last]
                current = apply_edits(card, resolve_edits(values))
                kept[id(card)] = (card, current)  # the card too, so that its id stays its own
                kept[id(current)] = (current, current)
            return kept[id(card)][1]
        except SQLAlchemyError:
            return card


class Extensions:
    """What one process owns, made on first need.

    `given` classifiers (of tests) replace the models folder. `describe` makes the JSON of a photo.
    """

    def __init__(
        self,
        config: Config,
        given: Iterable[Classifier] = (),
        describe: _Describe = lambda _photo, _registry: {},
    ) -> None:
        self.config = config
        self._label_sets = _LabelSets()
        self.registry = Registry(config.models, self._label_sets.current)
        self.files: FileStore = DatabaseFiles()
        slots = max(1, (os.cpu_count() or 1) // config.workers)
        waiting = max(1, config.threads - slots - _SPARE_THREADS)
        self.limiter = AdmissionLimiter(slots, waiting)
        self.describe = describe
        self._given = tuple(given)
        self._serving = Serving(self.registry, self._load, _live_before)
        self._detectors = Serving(self.registry, self._load_detector, _live_before)

    def classifier(self, name: str = "") -> Classifier:
        """The live version of a model, the site's own by default; self-tested on first need.

        While that cannot be used, the last good version of the model. Raises
        `ModelUnavailableError` when there is none, `ModelNotFoundError` for an unknown name.
        """
        return self._live(self._resolve(name))

    def _live(self, name: str) -> Classifier:
        if self._given:
            return next(given for given in self._given if given.card.name == name)
        return self._serving.live(name)

    def classifiers(self, choice: str) -> list[Classifier]:
        """The models that a choice stands for.

        `choice` is a model's name, `ALL_MODELS`, or "" for the site's own: all as well, unless the
        settings name one. Of all, those that cannot be used now are left out. Raises like
        `classifier`, and when none can be used.
        """
        if choice != ALL_MODELS and (choice or self.config.model):
            return [self.classifier(choice)]
        usable, trouble = [], None
        for name in self.live_models():
            try:
                usable.append(self._live(name))
            except ModelUnavailableError as error:
                trouble = trouble or error
        if trouble is not None and not usable:
            raise trouble
        return usable or [self.classifier()]

    def card(self, name: str = "") -> ModelCard | None:
        """The card of the version that answers for a model, its labels as people see them.

        None when no version can be used.
        """
        try:
            if self._given:
                return self._label_sets.current(self.classifier(name).card)
            card = self._serving.card(self._resolve(name))
            if not isinstance(card, ModelCard):
                return None
        except (ModelNotFoundError, ModelUnavailableError):
            return None
        return self._label_sets.current(card)

    def trouble(self) -> str:
        """Sentences about live versions that cannot be used; "" when all is well."""
        if self._given:
            return ""
        try:
            names = self.live_models() or [self._resolve("")]
        except ModelUnavailableError as error:
            return str(error)
        troubles = [self._serving.trouble(name) for name in names[:MOST_LOADED]]
        if detector := self.live_detector():
            troubles.append(self._detectors.trouble(detector))
        return " ".join(filter(None, troubles))

    def live_models(self) -> list[str]:
        """The names of all models with a live version, the site's own first."""
        if self._given:
            return list(dict.fromkeys(given.card.name for given in self._given))
        names = [name for name in self.registry.names() if self.registry.claims_live(name)]
        return sorted(names, key=lambda name: name != self.config.model)

    def version(self, name: str, version: int) -> Classifier:
        """One version, live or not, loaded and self-tested. Raises a `ModelError` that says why."""
        for given in self._given:
            if (given.card.name, given.card.version) == (name, version):
                return given
        return _usable(self._load, name, version)

    def one_version(self, name: str, version: int) -> Classifier:
        """The same; the one that serves, when that is asked for."""
        if self.registry.live_version(name) == version:
            serving = self.classifier(name)
            if serving.card.version == version:
                return serving
        return self.version(name, version)

    def pool(self, pipeline: Pipeline, processes: int | None, photos: int) -> Alone | Pool:
        """Processes that classify the files of a folder: `processes`, or one for each core.

        This process alone does it for few photos. Raises `ModelUnavailableError`.
        """
        enough = photos if processes else photos // _WORTH_A_PROCESS
        count = min(processes or available_cores(), enough)
        if count <= 1 or self._given:
            return Alone(pipeline.classifiers, pipeline.detector)
        folders = [self._folder(classifier.card) for classifier in pipeline.classifiers]
        detector = self._folder(pipeline.detector.card) if pipeline.detector else None
        return Pool(count, folders, self.config.engine, detector)

    def _folder(self, card: VersionCard) -> Path:
        return self.registry.version_folder(card.name, card.version)

    def live(self, name: str = "") -> tuple[str, int]:
        """Name and version of a live model.

        Raises `ModelUnavailableError` when nothing is live, `ModelNotFoundError` for an unknown
        name.
        """
        name = self._resolve(name)
        version = self.registry.live_version(name)
        if version is None:
            trouble = self._serving.trouble(name)
            raise ModelUnavailableError(trouble or f"The model {name!r} has no live version.")
        return name, version

    def _resolve(self, name: str) -> str:
        """The name of a live model, the site's own for ""."""
        if not name and self.config.model and not self._given:
            return self.config.model
        names = self.live_models()
        if name and name not in names:
            live = ", ".join(names) or "none"
            raise ModelNotFoundError(f"There is no live model called {name[:80]!r}. Live: {live}.")
        if not names:
            raise ModelUnavailableError(
                "No model is installed: nothing in the models folder is live."
            )
        return name or names[0]

    def detector(self) -> Detector | None:
        """The live detector, None when it is off, there is none, or no version of it can be used:
        photos then count as one car each, and `trouble` says why. Self-tested on first need."""
        name = self.live_detector()
        with suppress(ModelUnavailableError):
            return self._detectors.live(name) if name else None
        return None

    def live_detector(self) -> str | None:
        """The name of the detector with a live version, None when it is off or there is none."""
        if self._given or not self.config.detector:
            return None
        names = (name for name in self.registry.detectors() if self.registry.claims_live(name))
        return next(names, None)

    def detector_version(self, name: str, version: int) -> Detector:
        """One version of a detector, live or not, loaded and self-tested. Raises a `ModelError`
        that says why."""
        return _usable(self._load_detector, name, version)

    def _load_detector(self, name: str, version: int) -> Detector:
        return load_detector(self.registry.version_folder(name, version), self.config.engine)

    def _load(self, name: str, version: int) -> Classifier:
        return load_classifier(self.registry, name, version, self.config.engine)


def _usable(load: Callable[[str, int], _Version], name: str, version: int) -> _Version:
    """A version as `load` gives it. Raises a `ModelError` that says why it cannot."""
    try:
        return load(name, version)
    except MarqueError:
        raise
    except Exception as error:  # a damaged file breaks in any way
        raise ModelRefusedError(f"{name} {version} cannot be used: {error}") from error


def _live_before(name: str) -> list[int]:
    """Versions of a model that were live earlier, latest first; none without a database."""
    try:
        return versions_that_served(name)
    except SQLAlchemyError:
        return []


def init_app(app: Flask, config: Config, given: Iterable[Classifier], describe: _Describe) -> None:
    """Give the app its extensions."""
    app.extensions["marque"] = Extensions(config, given, describe)


def get_extensions() -> Extensions:
    """The extensions of the running app."""
    return cast(Extensions, current_app.extensions["marque"])


def get_config() -> Config:
    """The settings of the running app."""
    return get_extensions().config


def get_classifier(name: str = "") -> Classifier:
    """See `Extensions.classifier`."""
    return get_extensions().classifier(name)


def get_pipeline(choice: str = "") -> Pipeline:
    """What a photo passes for the models of a choice: see `Extensions.classifiers`. The detector
    finds its cars, when one is live."""
    extensions = get_extensions()
    classifiers = extensions.classifiers(choice)
    return Pipeline(classifiers, extensions.files, extensions.limiter, extensions.detector())


def load_version(name: str, version: int) -> Classifier:
    """See `Extensions.version`."""
    return get_extensions().version(name, version)


def load_any_version(name: str, version: int) -> Classifier | Detector:
    """One version of a classifier or a detector, loaded and self-tested. Raises a `ModelError`."""
    extensions = get_extensions()
    detector = extensions.registry.is_detector(name)
    load = extensions.detector_version if detector else extensions.version
    return load(name, version)


def get_card(name: str = "") -> ModelCard | None:
    """See `Extensions.card`."""
    return get_extensions().card(name)


def get_cards() -> list[ModelCard]:
    """The readable cards of all live models, the site's own first."""
    return [card for name in get_extensions().live_models() if (card := get_card(name))]


def get_label_cards(model: str) -> list[ModelCard]:
    """The cards of models whose labels may be given: that of `model`, else those of all live ones.

    Raises `ModelNotFoundError` or `ModelUnavailableError`.
    """
    cards = [] if model else get_cards()
    return cards or [current_card(get_classifier(model).card)]


def get_version_card(name: str, version: int | None = None) -> ModelCard:
    """The card of a version, by default of the one that answers.

    Raises `ModelNotFoundError` or `BadCardError`.
    """
    card = get_card(name)
    return card if card and version in (None, card.version) else get_registry().card(name, version)


def get_registry() -> Registry:
    """Which models there are."""
    return get_extensions().registry


def get_files() -> FileStore:
    """Where the bytes of photos live."""
    return get_extensions().files


def get_limiter() -> AdmissionLimiter:
    """The queue in front of the models."""
    return get_extensions().limiter


def get_tools() -> Tools:
    """What jobs work with in the running app."""
    return get_extensions()
