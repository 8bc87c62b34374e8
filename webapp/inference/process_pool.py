"""Classifying the photos of a folder, in this process or in several, in the order of the photos."""

import hashlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Pipe
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from PIL import Image

import webapp
from webapp.domain import Answer
from webapp.errors import BrokenPhotoError, MarqueError, ModelUnavailableError
from webapp.inference.classifier import ClassifiedPhoto, Classifier, classify, read_file
from webapp.inference.detector import Detector

_CHUNK = 8  # photos in a message: one message for each photo would cost as much as it saves
_AHEAD = 8  # chunks per process that may be answered before the first: what a slow photo holds up
_NO_PIXELS = Image.new("RGB", (1, 1))
_NOTHING = np.empty(0, dtype=np.float32)

Result = ClassifiedPhoto | MarqueError | None
"""What became of a photo; None when it was skipped."""
_Results = list[ClassifiedPhoto | MarqueError]
Setup = tuple[list[Path], str, Path | None]
"""What a process loads: folders of classifiers, the engine, and a detector's folder."""
_Chunk = list[tuple[Path, bool]]  # photos, and whether they are skipped
_Skip = Callable[[Path], bool]


@dataclass(frozen=True)
class Task:
    """What is wanted of each photo: `top` labels (None: all), and what is stored of a photo."""

    store: bool = False
    top: int | None = None


class Alone:
    """This process classifies one photo after the other."""

    def __init__(self, classifiers: Sequence[Classifier], detector: Detector | None = None) -> None:
        self._classifiers, self._detector = classifiers, detector

    def classify(
        self, paths: Iterable[Path], task: Task, skip: _Skip = lambda _path: False
    ) -> Iterator[tuple[Path, Result]]:
        """See `Pool.classify`."""
        for path in paths:
            if skip(path):
                yield path, None
            else:
                yield path, try_to_classify(path, self._classifiers, self._detector, task)

    def close(self) -> None:
        """There is nothing to end."""


class Pool:
    """Processes with networks of their own. One that dies is replaced, and costs one photo."""

    def __init__(
        self, processes: int, folders: Sequence[Path], engine: str, detector: Path | None = None
    ) -> None:
        """`folders` are those of classifiers, and `detector` that of a detector, that passed their
        self-test in this process. Raises `ModelUnavailableError` when the processes cannot
        start."""
        self._children: list[_Child] = []
        self._idle: SimpleQueue[_Child] = SimpleQueue()
        self._threads = ThreadPoolExecutor(processes)  # each waits for the answers of one process
        self._is_closed = False
        try:
            for _ in range(processes):
                self._children.append(_Child((list(folders), engine, detector)))
            for child in self._children:
                child.wait_until_ready()
                self._idle.put(child)
        except BaseException:
            self.close()
            raise

    def classify(
        self, paths: Iterable[Path], task: Task, skip: _Skip = lambda _path: False
    ) -> Iterator[tuple[Path, Result]]:
        """Each path with what became of it (an error too) in the order of `paths`, which is read
        little ahead."""
        source, most = iter(paths), _AHEAD * len(self._children)
        waiting: deque[tuple[_Chunk, Future[_Results]]] = deque()
        try:
            while chunk := [(path, skip(path)) for path in islice(source, _CHUNK)]:
                wanted = [path for path, skipped in chunk if not skipped]
                waiting.append((chunk, self._threads.submit(self._classify, wanted, task)))
                while waiting and (len(waiting) >= most or waiting[0][1].done()):
                    yield from _in_order(*waiting.popleft())
            while waiting:
                yield from _in_order(*waiting.popleft())
        finally:
            for _chunk, future in waiting:
                future.cancel()

    def close(self) -> None:
        """End the processes at once."""
        self._is_closed = True
        for child in self._children:
            child.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            child.end()

    def _classify(self, paths: list[Path], task: Task) -> _Results:
        """What an idle process makes of photos. If it dies they are tried again one by one, and one
        that dies over a single photo shows that this photo is to blame."""
        child = self._idle.get()
        try:
            return child.classify(paths, task)
        except (EOFError, OSError):
            if self._is_closed:
                raise
            child.end()
            child.start()
            child.wait_until_ready()
        finally:
            self._idle.put(child)
        if len(paths) == 1:
            return [BrokenPhotoError("The process that decoded it broke down.")]
        return [result for path in paths for result in self._classify([path], task)]


class _Child:
    """A process of a pool; `start` starts it again after its end."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.start()

    def start(self) -> None:
        """Start a process without the web and the database; it ends when this one does."""
        self._connection, theirs = Pipe()
        one_core = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "webapp.inference.process_pool_child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=child_environment() | one_core,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for this process, which ends the others
            )
        self._connection.send(self._setup)

    def wait_until_ready(self) -> None:
        """Wait until its networks are loaded. Raises `ModelUnavailableError`."""
        try:
            trouble = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ModelUnavailableError("A process that classifies could not start.") from error
        if trouble:
            raise ModelUnavailableError(trouble)

    def classify(self, paths: list[Path], task: Task) -> _Results:
        """What becomes of photos. Raises `EOFError` or `OSError` when it dies."""
        self._connection.send((paths, task))
        results: _Results = self._connection.recv()
        return results

    def end(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self._connection.close()


def _in_order(chunk: _Chunk, future: Future[_Results]) -> Iterator[tuple[Path, Result]]:
    results = iter(future.result())
    for path, skipped in chunk:
        yield path, None if skipped else next(results)


def child_environment() -> dict[str, str]:
    """The environment of a child process: without settings, which hold keys and passwords."""
    paths = [str(Path(webapp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MARQUE_")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def try_to_classify(
    path: Path, classifiers: Sequence[Classifier], detector: Detector | None, task: Task
) -> ClassifiedPhoto | MarqueError:
    """What `classify` makes of a file, or the error that it raised.

    It is small enough to travel to another process: no pixels or feature maps; embeddings,
    thumbnail and SHA-256 come along for what is to be stored.
    """
    try:
        content = read_file(path)
        photo = classify(content, classifiers, detector, thumbnail=task.store, top=task.top)
    except MarqueError as error:
        return error
    cars = [
        replace(car, answers=[_small(answer, task) for answer in car.answers]) for car in photo.cars
    ]
    return replace(
        photo,
        cars=cars,
        decoded=replace(photo.decoded, image=_NO_PIXELS),
        sha256=hashlib.sha256(content).hexdigest() if task.store else "",
    )


def _small(answer: Answer, task: Task) -> Answer:
    """The answer without the feature map, and without the embedding if it is not to be stored."""
    embedding = answer.output.embedding if task.store else _NOTHING
    return replace(answer, output=replace(answer.output, embedding=embedding, feature_map=_NOTHING))
