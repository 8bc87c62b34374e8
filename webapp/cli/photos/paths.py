"""Photos that paths of the terminal mean, and their bytes."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from webapp.domain import PHOTO_ENDINGS
from webapp.inference.pipeline import read_file
from webapp.services.photos.classify import Incoming


def find_photos(paths: Iterable[str]) -> Iterator[Path]:
    """The files that PATHS mean, in a stable order, each once. In folders only names that look like photos, and no links.

    A path that is named outright is taken whatever it is called; one that does not exist is kept, so that it is reported.
    """
    seen: set[Path] = set()
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found = [
                Path(folder) / name
                for folder, _, names in sorted(os.walk(path))
                for name in sorted(names)
            ]
            candidates = [
                one for one in found if one.suffix.lower() in PHOTO_ENDINGS and not one.is_symlink()
            ]
        elif path.exists() or not glob.has_magic(text):
            candidates = [path]
        else:
            candidates = sorted(
                Path(one)
                for one in glob.glob(text, recursive=True)  # noqa: PTH207
                if Path(one).is_file()
            )
        for one in candidates:
            if one not in seen:
                seen.add(one)
                yield one


def read_photo(path: Path) -> Incoming:
    """The bytes of a regular file, never more than one over what one photo may have. Raises `BrokenPhotoError` for anything else."""
    return Incoming(path.name, read_file(path))
