"""The tool extensions: what a process owns once, made on first need and handed out to the doors."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from flask import Flask, current_app, g, has_app_context
from sqlalchemy.exc import SQLAlchemyError

from webapp.config import Config, available_cores
from webapp.domain import ALL_MODELS
from webapp.errors import MarqueError, ModelNotFoundError, ModelRefusedError, ModelUnavailableError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import fold, seen
from webapp.inference.models.loading import load_classifier
from webapp.inference.models.registry import Registry
from webapp.inference.models.serving import MOST_LOADED, Serving
from webapp.inference.process_pool import Alone, Pool
from webapp.services.jobs.job_type import Tools
from webapp.storage.file_stores.database import DatabaseFiles, FileStore
from webapp.storage.labels import label_sets as label_set
from webapp.storage.models import promotions
from webapp.storage.rate_limits import Rates

NAME = "marque"
Describe = Callable[[Any, Registry], Mapping[str, Any]]
"""A photo in the shape of the JSON door; the factory lays it in, which knows that door."""
SPARE_THREADS = 4
"""Threads of a worker that never wait for the model: they keep answering pings, pages and the gallery."""

WORTH_A_PROCESS = 32
"""Photos that make up for the start of a process."""


class LabelSets:
    """Cards with their labels as people see them. Made again only when somebody changed a label, which is asked once for a page."""

    def __init__(self) -> None:
        self._kept: tuple[int, dict[int, tuple[ModelCard, ModelCard]]] = (0, {})

    def seen(self, card: ModelCard) -> ModelCard:
        """The card as people see it: as it is outside of an app, and while the history cannot be read."""
        if not has_app_context():
            return card
        try:
            if "last_label_change" not in g:
                g.last_label_change = label_set.last_change()
            return self._seen(card, g.last_label_change) if g.last_label_change else card
        except SQLAlchemyError:
            return card

    def _seen(self, card: ModelCard, number: int) -> ModelCard:
        now, kept = self._kept
        if now != number:
            now, kept = self._kept = (number, {})
        if id(card) not in kept:
            changes = [
                (row.label, row.kind, row.value)
                for row in label_set.changes_of(card.name)
                if row.id <= number
            ]
            made = seen(card, fold(changes)) if changes else card
            kept[id(card)] = (card, made)  # the card is kept too, so that its id stays its own
            kept[id(made)] = (made, made)
        return kept[id(card)][1]


class Extensions:
    """The tools of one process. `given` classifiers may come from outside (tests); then no network is read from the models folder."""

    def __init__(
        self,
        config: Config,
        given: Iterable[Classifier] = (),
        describe: Describe = lambda _item, _registry: {},
    ) -> None:
        self.config = config
        self._label_sets = LabelSets()
        self.registry = Registry(config.models, self._label_sets.seen)
        self.files: FileStore = DatabaseFiles()
        slots = max(1, (os.cpu_count() or 1) // config.workers)
        self.rates = Rates(config.rate_url if config.rate_limits else "")
        self.limiter = AdmissionLimiter(
            slots, waiting=max(1, config.threads - slots - SPARE_THREADS)
        )
        self.describe = describe
        self._given = tuple(given)
        self._serving = Serving(self.registry, self._load, _live_before)

    def classifier(self, name: str = "") -> Classifier:
        """What answers for a model (for the site's, without a name): its live version, loaded and self-tested on first need.

        While that cannot be used, the last good version of the model. Raises `ModelUnavailableError` when there is none, and
        `ModelNotFoundError` when no live model has this name.
        """
        if self._given:
            return next(one for one in self._given if one.card.name == self._known(name))
        return self._serving.classifier(self._known(name))

    def classifiers(self, choice: str) -> list[Classifier]:
        """Who looks at a photo, the one whose answer is shown first: `choice` is a model, "" for the site's, or `ALL_MODELS`.

        Of all, those that cannot be used just now are left out. Raises like `classifier`, and when none can be used.
        """
        if choice != ALL_MODELS:
            return [self.classifier(choice)]
        found, trouble = [], None
        for name in self.live_models():
            try:
                found.append(self.classifier(name))
            except ModelUnavailableError as error:
                trouble = trouble or error
        if trouble is not None and not found:
            raise trouble
        return found or [self.classifier()]

    def card(self, name: str = "") -> ModelCard | None:
        """The card of what answers for a model (for the site's, without a name), its labels as people see them.

        None when there is no usable one.
        """
        try:
            card = (
                self.classifier(name).card if self._given else self._serving.card(self._known(name))
            )
        except (ModelNotFoundError, ModelUnavailableError):
            return None
        return self._label_sets.seen(card) if card else None

    def trouble(self) -> str:
        """Sentences about live versions that cannot be used, and what answers instead; "" when all is well."""
        if self._given:
            return ""
        try:
            names = self.live_models() or [self._known("")]
        except ModelUnavailableError as error:
            return str(error)
        return " ".join(filter(None, (self._serving.trouble(name) for name in names[:MOST_LOADED])))

    def live_models(self) -> list[str]:
        """The names of all models that have a live version, the site's own first."""
        if self._given:
            return list(dict.fromkeys(one.card.name for one in self._given))
        names = [name for name in self.registry.names() if self.registry.claims_live(name)]
        return sorted(names, key=lambda name: name != self.config.model)

    def version(self, name: str, version: int) -> Classifier:
        """One version, live or not, loaded and self-tested: what fails here may not serve. Raises a `ModelError` that says why."""
        given = next(
            (one for one in self._given if (one.card.name, one.card.version) == (name, version)),
            None,
        )
        try:
            return given or self._load(name, version)
        except MarqueError:
            raise
        except Exception as error:  # a damaged file breaks in any way; each means the same here
            raise ModelRefusedError(f"{name} {version} cannot be used: {error}") from error

    def pool(
        self,
        classifiers: Sequence[Classifier],
        processes: int | None,
        *,
        photos: int,
        store: bool,
        top: int | None,
    ) -> Alone | Pool:
        """Who looks at the photos of a folder with these versions: so many processes, without a number one for each core.

        For few photos, or one process, this one. The rest is as for `classify_file`. Raises `ModelUnavailableError`.
        """
        most = min(
            processes or available_cores(), photos if processes else photos // WORTH_A_PROCESS
        )
        if most <= 1 or self._given:
            return Alone(classifiers, store=store, top=top)
        folders = [
            self.registry.version_folder(one.card.name, one.card.version) for one in classifiers
        ]
        return Pool(most, folders, engine=self.config.engine, store=store, top=top)

    def live(self, name: str = "") -> tuple[str, int]:
        """Name and version of what serves. Raises `ModelUnavailableError` when nothing is live, `ModelNotFoundError` for a strange name."""
        name = self._known(name)
        version = self.registry.live_version(name)
        if version is None:
            raise ModelUnavailableError(
                self._serving.trouble(name) or f"The model {name!r} has no live version."
            )
        return name, version

    def _known(self, name: str) -> str:
        """The name of a live model, the site's own for ""."""
        names = self.live_models()
        if name:
            if name not in names:
                raise ModelNotFoundError(
                    f"There is no live model called {name[:80]!r}. Live: {', '.join(names) or 'none'}."
                )
            return name
        if self.config.model and not self._given:
            return self.config.model
        if not names:
            raise ModelUnavailableError(
                "No model is installed: nothing in the models folder is live."
            )
        return names[0]

    def _load(self, name: str, version: int) -> Classifier:
        return load_classifier(self.registry, name, version, self.config.engine)


def _live_before(name: str) -> list[int]:
    """Versions of a model that were live earlier, the latest first; none when the history cannot be read."""
    try:
        return promotions.versions_that_served(name)
    except SQLAlchemyError:
        return []


def init_app(app: Flask, config: Config, given: Iterable[Classifier], describe: Describe) -> None:
    """Hang the extensions into the app. `describe` tells a photo as the JSON door does."""
    app.extensions[NAME] = Extensions(config, given, describe)


def get_extensions() -> Extensions:
    """The extensions of the running app."""
    return cast(Extensions, current_app.extensions[NAME])


def get_config() -> Config:
    """The settings of the running app."""
    return get_extensions().config


def get_classifier(name: str = "") -> Classifier:
    """See `Extensions.classifier`."""
    return get_extensions().classifier(name)


def get_classifiers(choice: str) -> list[Classifier]:
    """See `Extensions.classifiers`."""
    return get_extensions().classifiers(choice)


def load_version(name: str, version: int) -> Classifier:
    """See `Extensions.version`."""
    return get_extensions().version(name, version)


def get_card(name: str = "") -> ModelCard | None:
    """See `Extensions.card`."""
    return get_extensions().card(name)


def get_cards() -> list[ModelCard]:
    """The cards of all live models that have a readable one, the site's own first."""
    cards = [get_card(name) for name in get_extensions().live_models()]
    return [card for card in cards if card is not None]


def get_version_card(name: str, version: int | None = None) -> ModelCard:
    """The card of a version; of what answers for the model, without a version. Raises `ModelNotFoundError` or `BadCardError`."""
    answering = get_card(name)
    return (
        answering
        if answering is not None and version in (None, answering.version)
        else get_registry().card(name, version)
    )


def live_models() -> list[str]:
    """See `Extensions.live_models`."""
    return get_extensions().live_models()


def get_trouble() -> str:
    """See `Extensions.trouble`."""
    return get_extensions().trouble()


def get_registry() -> Registry:
    """Which models there are."""
    return get_extensions().registry


def get_files() -> FileStore:
    """Where the bytes live."""
    return get_extensions().files


def get_limiter() -> AdmissionLimiter:
    """The queue in front of the model."""
    return get_extensions().limiter


def get_tools() -> Tools:
    """What jobs work with in the running app."""
    config = get_config()
    return Tools(
        get_files(),
        get_limiter(),
        get_registry(),
        get_classifiers,
        load_version,
        config.data,
        config.for_child(),
        describe_photo,
        config.webhooks == "any",
    )


def describe_photo(item: Any) -> Mapping[str, Any]:
    """A photo as the JSON door tells it."""
    return get_extensions().describe(item, get_registry())


def get_rates() -> Rates:
    """How much each sender asked for in the running minute."""
    return get_extensions().rates
