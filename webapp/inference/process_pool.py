"""Classifying the photos of a folder, in this process or in several, in the order of the photos."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import cast

import webapp
from webapp.errors import BrokenPhotoError, MarqueError, ModelUnavailableError
from webapp.inference.classifier import ClassifiedPhoto, Classifier, classify_file

_CHUNK = 8  # photos in a message: one message for each photo would cost as much as it saves
_AHEAD = 3  # chunks that a process holds: it works on one while this process stores answers
_SPREAD = 16  # chunks per process that may be answered before the first: what a slow photo holds up

Result = ClassifiedPhoto | MarqueError | None
"""What became of a photo; None when it was skipped."""
_Chunk = list[tuple[int, Path]]
_Skip = Callable[[Path], bool]


@dataclass(frozen=True)
class Task:
    """What is wanted of each photo: see `classify_file`."""

    store: bool = False
    top: int | None = None


class Alone:
    """This process classifies one photo after the other."""

    def __init__(self, classifiers: Sequence[Classifier]) -> None:
        self._classifiers = classifiers

    def classify(
        self, paths: Iterable[Path], task: Task, skip: _Skip = lambda _path: False
    ) -> Iterator[tuple[Path, Result]]:
        """See `Pool.classify`."""
        for path in paths:
            yield path, None if skip(path) else try_to_classify(path, self._classifiers, task)

    def close(self) -> None:
        """There is nothing to end."""


@dataclass
class _Child:
    """A process and the chunks it holds, in the order in which it answers."""

    process: subprocess.Popen[bytes]
    connection: Connection
    chunks: deque[_Chunk] = field(default_factory=deque)

    def wait_until_ready(self) -> None:
        try:
            trouble = self.connection.recv()
        except (EOFError, OSError) as error:
            raise ModelUnavailableError("A process that classifies could not start.") from error
        if trouble:
            raise ModelUnavailableError(trouble)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


class Pool:
    """Processes with networks of their own. One that dies is replaced, and costs one photo."""

    def __init__(self, processes: int, folders: Sequence[Path], engine: str) -> None:
        """`folders` are those of versions that passed their self-test in this process. Raises
        `ModelUnavailableError` when the processes cannot start."""
        self._setup = list(folders), engine
        self._children: list[_Child] = []
        try:
            for _ in range(processes):
                self._children.append(self._start())
            for child in self._children:
                child.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def classify(
        self, paths: Iterable[Path], task: Task, skip: _Skip = lambda _path: False
    ) -> Iterator[tuple[Path, Result]]:
        """Each path with what became of it (an error too) in the order of `paths`, which is read
        little ahead."""
        queue = _Queue(paths, skip, ahead=_SPREAD * _CHUNK * len(self._children))
        while True:
            self._hand_out(queue, task)
            yield from queue.finished()
            busy = {child.connection: child for child in self._children if child.chunks}
            if busy:
                for connection in wait(list(busy)):
                    child = busy[cast(Connection, connection)]
                    try:
                        queue.finish(child.chunks[0], child.connection.recv())
                        child.chunks.popleft()
                    except (EOFError, OSError):
                        self._replace(child, queue)
            elif queue.is_empty:
                return

    def close(self) -> None:
        """End the processes at once."""
        for child in self._children:
            child.end()
        self._children = []

    def _hand_out(self, queue: "_Queue", task: Task) -> None:
        """Give every process something before any gets more."""
        for most in range(1, _AHEAD + 1):
            for number in range(len(self._children)):
                child = self._children[number]
                if len(child.chunks) < most and (chunk := queue.next_chunk()):
                    child.chunks.append(chunk)
                    try:
                        child.connection.send(([path for _place, path in chunk], task))
                    except OSError:
                        self._replace(child, queue)

    def _replace(self, child: _Child, queue: "_Queue") -> None:
        """A process died over a photo of its first chunk: they are tried again one by one, and one
        that dies over a single photo shows that this photo is to blame."""
        first, *others = child.chunks
        if len(first) == 1:
            queue.finish(first, [BrokenPhotoError("The process that decoded it broke down.")])
        else:
            queue.again.extend([photo] for photo in first)
        queue.again.extend(others)
        child.end()
        fresh = self._start()
        self._children = [fresh if other is child else other for other in self._children]
        fresh.wait_until_ready()

    def _start(self) -> _Child:
        """A process without the web and the database; it ends when this one does."""
        ours, theirs = Pipe()
        one_core = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "webapp.inference.process_pool_child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=child_environment() | one_core,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for this process, which ends the others
            )
        ours.send(self._setup)
        return _Child(process, ours)


class _Queue:
    """Photos to classify and results, by place. At most `ahead` photos wait for the first."""

    def __init__(self, paths: Iterable[Path], skip: _Skip, *, ahead: int) -> None:
        self._source, self._skip, self._ahead = iter(paths), skip, ahead
        self._exhausted = False
        self._first = self._end = 0
        self._paths: dict[int, Path] = {}
        self._results: dict[int, Result] = {}
        self.again: deque[_Chunk] = deque()

    @property
    def is_empty(self) -> bool:
        """True when nothing is left to be handed out."""
        return self._exhausted and not self.again

    def next_chunk(self) -> _Chunk:
        """Photos for one process; none when all are handed out or enough wait for the first."""
        if self.again:
            return self.again.popleft()
        chunk: _Chunk = []
        while len(chunk) < _CHUNK and self._end < self._first + self._ahead:
            path = next(self._source, None)
            if path is None:
                self._exhausted = True
                break
            self._paths[self._end] = path
            if self._skip(path):
                self._results[self._end] = None
            else:
                chunk.append((self._end, path))
            self._end += 1
        return chunk

    def finish(self, chunk: _Chunk, results: Sequence[Result]) -> None:
        """Keep the results of a chunk."""
        for (place, _path), result in zip(chunk, results, strict=True):
            self._results[place] = result

    def finished(self) -> Iterator[tuple[Path, Result]]:
        """What is next in the order and finished, taken off the queue."""
        while self._first in self._results:
            place, self._first = self._first, self._first + 1
            yield self._paths.pop(place), self._results.pop(place)


def child_environment() -> dict[str, str]:
    """The environment of a child process: without settings, which hold keys and passwords."""
    paths = [str(Path(webapp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MARQUE_")}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def try_to_classify(
    path: Path, classifiers: Sequence[Classifier], task: Task
) -> ClassifiedPhoto | MarqueError:
    """`classify_file`, or the error that it raised."""
    try:
        return classify_file(path, classifiers, store=task.store, top=task.top)
    except MarqueError as error:
        return error
