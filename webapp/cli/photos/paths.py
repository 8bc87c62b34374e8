"""Photos that paths of the terminal mean, and their bytes."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from webapp.domain import PHOTO_ENDINGS
from webapp.inference.classifier import read_file
from webapp.services.photos.classify import Incoming


def find_photos(paths: Iterable[str]) -> Iterator[Path]:
    """The files that PATHS mean, in a stable order, each once.

    In folders only names that look like photos, and no links. A path that is named outright is
    taken whatever it is called; one that does not exist is kept, so that it is reported.
    """
    seen: set[Path] = set()
    for path in (path for text in paths for path in _expand(text)):
        if path not in seen:
            seen.add(path)
            yield path


def _expand(text: str) -> Iterable[Path]:
    path = Path(text)
    if path.is_dir():
        walk = sorted(os.walk(path))
        files = (Path(folder) / name for folder, _, names in walk for name in sorted(names))
        return [
            file for file in files if file.suffix.lower() in PHOTO_ENDINGS and not file.is_symlink()
        ]
    if path.exists() or not glob.has_magic(text):
        return [path]
    return sorted(filter(Path.is_file, map(Path, glob.glob(text, recursive=True))))  # noqa: PTH207


def read_photo(path: Path) -> Incoming:
    """A file with its name. Raises `BrokenPhotoError`: see `read_file`."""
    return Incoming(path.name, read_file(path))
