"""Photos of a folder into the history: looked at by several processes, remembered one after the other by this one."""

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from webapp.cli.photos.paths import read_photo
from webapp.domain import Who
from webapp.errors import MarqueError
from webapp.extensions import get_extensions
from webapp.inference.classifier import Classifier
from webapp.inference.pipeline import read_file
from webapp.inference.process_pool import Alone, Pool
from webapp.services.labels.relabel import new_batch
from webapp.services.photos import classify
from webapp.services.photos.classify import StoredPhoto

TERMINAL = Who("terminal")


def store_all(
    paths: Sequence[Path],
    classifiers: Sequence[Classifier],
    *,
    truth: str = "",
    processes: int | None = None,
) -> Generator[tuple[Path, StoredPhoto | MarqueError]]:
    """Each path with the photo that it is now, or why it was refused; in their order, each in its own transaction.

    What the history knows is not looked at again. Raises `ModelUnavailableError` before the first one when the processes cannot start.
    """
    pool = get_extensions().pool(classifiers, processes, photos=len(paths), store=True, top=None)
    return _store(paths, pool, classifiers, truth)


def _store(
    paths: Sequence[Path], pool: Alone | Pool, classifiers: Sequence[Classifier], truth: str
) -> Generator[tuple[Path, StoredPhoto | MarqueError]]:
    def is_remembered(path: Path) -> bool:
        try:
            return classify.is_remembered(read_file(path), classifiers, truth)
        except MarqueError:
            return False

    extensions, batch = get_extensions(), new_batch() if len(paths) > 1 else ""
    with closing(pool):
        for path, looked in pool.classify(paths, passed=is_remembered):
            try:
                if isinstance(looked, MarqueError):
                    raise looked
                done = classify.classify_photo(
                    read_photo(path),
                    classifier=classifiers[0],
                    others=classifiers[1:],
                    files=extensions.files,
                    limiter=extensions.limiter,
                    who=TERMINAL,
                    ground_truth=truth,
                    place="cli",
                    batch=batch,
                    looked=looked,
                )
            except MarqueError as error:
                yield path, error
            else:
                yield path, done
