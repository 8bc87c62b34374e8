"""Photos of things that a model does not know: some it learns from, the others fit and measure."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.decoding.images import decode_photo
from webapp.inference.models.held_out import LabelledPhoto
from webapp.training.data_files import files_in
from webapp.training.dataset import fit_photo
from webapp.training.job import say
from webapp.training.recipe import Recipe

_LEARNT = 3  # every third photo is learned from, where the recipe has an exposure
_T = TypeVar("_T")


def exposed(folder: Path, recipe: Recipe, max_side: int) -> list[NDArray[np.uint8]]:
    """The photos of other things that the network learns from, none without an exposure: uint8 RGB,
    at most `max_side` pixels on their longest side. Raises `TrainingError` where there are none."""

    def decode(path: Path) -> NDArray[np.uint8]:
        return decode_photo(path.read_bytes(), max_side=max_side).pixels

    if not recipe.exposure:
        return []
    photos = _read(files_in(folder)[_LEARNT - 1 :: _LEARNT], decode)
    if not photos:
        raise TrainingError(f"There are too few photos of other things in {folder} to learn from.")
    return photos


def kept_apart(folder: Path, recipe: Recipe) -> NDArray[np.uint8]:
    """The photos of other things that the network did not learn from, as it sees them: uint8 RGB of
    shape (photos, height, width, 3). Raises `TrainingError` for under two."""
    paths = files_in(folder)
    if recipe.exposure:
        del paths[_LEARNT - 1 :: _LEARNT]
    photos = _read(paths, lambda path: fit_photo(LabelledPhoto(path, ""), recipe.input))
    if len(photos) < 2:
        raise TrainingError(f"There are no photos of other things in {folder}.")
    return np.stack(photos)


def _read(paths: list[Path], decode: Callable[[Path], _T]) -> list[_T]:
    photos = []
    for path in paths:
        try:
            photos.append(decode(path))
        except PhotoRefusedError as error:
            say(f"left out {path.name}: {error}")
    return photos
