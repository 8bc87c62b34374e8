"""Whether there is what a filter asks for."""

from webapp.errors import ModelNotFoundError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.registry import Registry
from webapp.storage.cars.predictions import has_answered


def check_model(wanted: GalleryFilter, registry: Registry) -> None:
    """Raise `ModelNotFoundError` when a filter names a model, or a version of it, that is not
    installed and has answered about no car here."""
    name, version = wanted.model, wanted.version
    if not name:
        return
    names = registry.names()
    versions = registry.versions(name) if name in names else []
    known = version in versions if version is not None else versions
    if known or has_answered(name, version):
        return
    if versions:
        raise ModelNotFoundError(f"There is no version {version} of {name!r}.")
    if registry.is_detector(name):
        registry.published_card(name)  # says that it names no cars
    listed = f" Name one of {', '.join(names)}." if names else ""
    raise ModelNotFoundError(f"There is no model called {name[:80]!r}.{listed}")
