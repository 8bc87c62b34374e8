"""Which photos of the history a version has learnt from: the list that travels with it, taken over into the database to count by."""

from contextlib import suppress

from webapp.errors import ModelError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import HELD_OUT, read_split
from webapp.inference.models.registry import Registry
from webapp.storage.database import writing
from webapp.storage.stats import counters as tally
from webapp.storage.stats import stats as storage

CHUNK = 2_000
"""Photos that are counted anew in one transaction."""


def knows_learnt(registry: Registry, card: ModelCard) -> bool:
    """True when it is known what a version has learnt from, or was chosen or calibrated by; its list is taken over the first time.

    False when it carries none, or one that is not its card's.
    """
    if storage.learnt_list(card.name, card.version) is not None:
        return True
    try:
        split = read_split(registry.version_folder(card.name, card.version), card)
    except ModelError:
        return False
    if split is None:
        return False
    files = [sha256 for sha256, part in split.items() if part != HELD_OUT]
    with writing():
        photos = storage.add_learnt_files(card.name, card.version, files)
    for start in range(0, len(photos), CHUNK):
        with writing():
            tally.recount(photos[start : start + CHUNK])
    with writing():  # not before: who stops in between begins again
        storage.end_learnt_list(card.name, card.version, len(files))
    return True


def read_lists(registry: Registry) -> None:
    """Take over the lists of all versions that are there."""
    for name in registry.names():
        for version in registry.versions(name):
            with suppress(ModelError):
                knows_learnt(registry, registry.card(name, version))
