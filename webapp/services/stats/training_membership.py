"""Which photos of the history a version was trained on: its list, copied into the database."""

from contextlib import suppress

from webapp.errors import ModelError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.registry import Registry
from webapp.storage.database import writing
from webapp.storage.stats import counters
from webapp.storage.stats import stats as storage

_CHUNK = 2_000  # cars that are counted anew in one transaction


def knows_training_photos(registry: Registry, card: ModelCard) -> bool:
    """True when it is known what a version was trained on; its list is copied the first time.

    False when the version carries no list, or one that is not its card's.
    """
    if storage.training_list_length(card.name, card.version) is not None:
        return True
    try:
        split = read_split(registry.version_folder(card.name, card.version), card)
    except ModelError:
        return False
    if split is None:
        return False
    files = [sha256 for sha256, part in split.items() if part != HELD_OUT]
    with writing():
        cars = storage.add_training_files(card.name, card.version, files)
    for start in range(0, len(cars), _CHUNK):
        with writing():
            counters.recount(cars[start : start + _CHUNK])
    with writing():  # not before: a process that stops in between begins again
        storage.end_training_list(card.name, card.version, len(files))
    return True


def read_lists(registry: Registry, *names: str) -> None:
    """Copy the lists of all versions of these models, or of all models."""
    for name in names or registry.names():
        for version in registry.versions(name):
            with suppress(ModelError):
                knows_training_photos(registry, registry.card(name, version))
