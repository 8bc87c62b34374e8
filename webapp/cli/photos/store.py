"""Photos of a folder into the history: classified by several processes, stored by this one."""

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from webapp.cli.history import TERMINAL
from webapp.cli.photos.paths import read_photo
from webapp.errors import MarqueError
from webapp.extensions import get_extensions
from webapp.inference.classifier import read_file
from webapp.inference.process_pool import Task
from webapp.services.photos.classify import (
    Origin,
    Pipeline,
    StoredPhoto,
    classify_photo,
    is_stored,
)
from webapp.storage.labels.events import new_batch


def store_photos(
    paths: Sequence[Path], pipeline: Pipeline, truth: str = "", processes: int | None = None
) -> Generator[tuple[Path, StoredPhoto | MarqueError]]:
    """Each path with its stored photo, or why it was refused; in order, a transaction for each.

    What is stored already is not classified again. Raises `ModelUnavailableError` at once when the
    processes cannot start.
    """
    pool = get_extensions().pool(pipeline, processes, len(paths))
    origin = Origin(TERMINAL, "cli", truth, new_batch() if len(paths) > 1 else "")

    def is_known(path: Path) -> bool:
        try:
            return is_stored(read_file(path), pipeline.classifiers, truth)
        except MarqueError:
            return False

    def store() -> Generator[tuple[Path, StoredPhoto | MarqueError]]:
        with closing(pool):
            for path, result in pool.classify(paths, Task(store=True), skip=is_known):
                try:
                    if isinstance(result, MarqueError):
                        raise result
                    yield path, classify_photo(read_photo(path), pipeline, origin, result)
                except MarqueError as error:
                    yield path, error

    return store()
