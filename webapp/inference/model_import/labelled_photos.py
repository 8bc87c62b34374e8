"""Photos with known labels, on which an import tries how a network's photos were scaled."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.errors import ModelRefusedError, PhotoRefusedError
from webapp.inference.decoding.images import MAX_BYTES, decode_photo, fit_input, working_side
from webapp.inference.model_import.scaling import Floats
from webapp.inference.models.card import InputSpec

_MOST = 240


def find_photos(folder: Path | None, labels: tuple[str, ...]) -> list[tuple[str, int]]:
    """Paths of photos in folders named after labels, each with its label's place; at most 240,
    as many of each label as there are. Raises `ModelRefusedError` when no folder is a label."""
    if folder is None:
        return []
    places = {_plain(label): place for place, label in enumerate(labels)}
    photos = []
    for inside in sorted(path for path in folder.iterdir() if path.is_dir()):
        place = places.get(_plain(inside.name))
        if place is not None:
            files = sorted(path for path in inside.iterdir() if path.is_file())
            photos += [(str(path), place) for path in files[: max(1, _MOST // len(labels))]]
    if not photos:
        raise ModelRefusedError(
            f"No folder in {folder.name} has the name of a label, such as {labels[0]!r}."
        )
    return photos[:_MOST]


def read_photos(
    request: dict[str, Any], height: int, width: int
) -> tuple[Floats, NDArray[np.intp]]:
    """The photos of a request, float32 RGB in 0..255 of shape (photos, height, width, 3), and the
    places of their labels; files that are no photos are left out."""
    spec = InputSpec(height, width, request["resize"])
    photos, places = [], []
    for path, place in request["photos"]:
        file = Path(path)
        try:
            if file.stat().st_size > MAX_BYTES:
                continue
            pixels = decode_photo(file.read_bytes(), max_side=working_side(spec)).pixels
        except (OSError, PhotoRefusedError):
            continue
        photos.append(fit_input(pixels, spec).astype(np.float32))
        places.append(place)
    shape = (len(photos), height, width, 3)
    return np.asarray(photos, np.float32).reshape(shape), np.asarray(places, np.intp)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
