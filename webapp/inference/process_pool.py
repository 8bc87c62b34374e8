"""Looking at the photos of a folder: with several processes, or with this one. The answers come in the order of the photos."""

from __future__ import annotations

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
from webapp.inference.classifier import Classifier
from webapp.inference.pipeline import ClassifiedPhoto, classify_file

CHUNK = 8
"""Photos that go to a process at once: a message for each would cost as much as the little work it saves."""
AHEAD = 3
"""Chunks that a process has at most: one that it works on, and what keeps it busy while this process stores an answer."""
SPREAD = 16
"""Chunks for each process that may be answered before the first of them: what a slow photo can hold up."""

Seen = tuple[Path, ClassifiedPhoto | MarqueError | None]
"""A photo and what came of looking at it; None when it was to be passed over."""
Pass = Callable[[Path], bool]
"""Says of a photo that nobody has to look at it."""


def nothing_passed(_path: Path) -> bool:
    """Every photo is to be looked at."""
    return False


Places = list[tuple[int, Path]]


class Alone:
    """This process looks at one photo after the other."""

    def __init__(self, classifiers: Sequence[Classifier], *, store: bool, top: int | None) -> None:
        self._asked, self._store, self._top = classifiers, store, top

    def classify(self, paths: Iterable[Path], passed: Pass = nothing_passed) -> Iterator[Seen]:
        """Each path with what came of it; see `Pool.classify`."""
        for path in paths:
            yield (
                path,
                None
                if passed(path)
                else try_to_classify(path, self._asked, store=self._store, top=self._top),
            )

    def close(self) -> None:
        """Nothing to end here; see `Pool.close`."""


@dataclass
class _Child:
    """One process and the photos it has, in the order in which it answers."""

    process: subprocess.Popen[bytes]
    line: Connection
    chunks: deque[Places] = field(default_factory=deque)


class Pool:
    """So many processes that each keep their own networks and look at chunks of photos. One that dies is replaced, and costs one photo."""

    def __init__(
        self, processes: int, folders: Sequence[Path], *, engine: str, store: bool, top: int | None
    ) -> None:
        """`folders` are those of the versions, whose self-test this process has seen; the rest is as for `classify_file`.

        Raises `ModelUnavailableError` when they cannot start.
        """
        self._task = {"folders": list(folders), "engine": engine, "store": store, "top": top}
        self._children: list[_Child] = []
        try:
            for _ in range(processes):
                self._children.append(self._start())
            for child in self._children:
                _wait_until_ready(child)
        except BaseException:
            self.close()
            raise

    def classify(self, paths: Iterable[Path], passed: Pass = nothing_passed) -> Iterator[Seen]:
        """Each path with what came of it, in the order of `paths`, which is read only a little ahead of the answers.

        Where `passed` says so nobody looks. An error is an answer too.
        """
        desk = _Desk(paths, passed, ahead=SPREAD * CHUNK * len(self._children))
        while True:
            self._hand_out(desk)
            yield from desk.answered()
            busy = {child.line: child for child in self._children if child.chunks}
            if busy:
                for line in wait(list(busy)):
                    self._take(busy[cast(Connection, line)], desk)
            elif desk.is_empty:
                return

    def close(self) -> None:
        """End the processes, at once."""
        for child in self._children:
            _end(child)
        self._children = []

    def _hand_out(self, desk: _Desk) -> None:
        """Give everybody something before anybody gets more."""
        for most in range(1, AHEAD + 1):
            for at in range(len(self._children)):
                child = self._children[at]
                if len(child.chunks) < most and (chunk := desk.next_chunk()):
                    child.chunks.append(chunk)
                    try:
                        child.line.send([path for _place, path in chunk])
                    except OSError:
                        self._replace(child, desk)

    def _take(self, child: _Child, desk: _Desk) -> None:
        """Lay the answers of a child on the desk."""
        try:
            answers = child.line.recv()
        except (EOFError, OSError):
            self._replace(child, desk)
            return
        desk.lay(child.chunks.popleft(), answers)

    def _replace(self, child: _Child, desk: _Desk) -> None:
        """A process died over a photo of its first chunk: they are tried again one by one, and the one that does it again is to blame."""
        first, *others = child.chunks
        if len(first) == 1:
            desk.lay(first, [BrokenPhotoError("The process that looked at it broke down.")])
        desk.take_back([[one] for one in first] if len(first) > 1 else [], others)
        _end(child)
        fresh = self._start()
        self._children = [fresh if one is child else one for one in self._children]
        _wait_until_ready(fresh)

    def _start(self) -> _Child:
        """A process without the web, the database, and this one's secrets; it ends when this one does."""
        ours, theirs = Pipe()
        paths = [str(Path(webapp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MARQUE_")}
        single = dict.fromkeys(
            ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"
        )  # each has a core to itself
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "webapp.inference.process_pool_child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=kept | single | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for this process, which ends the others
            )
        ours.send(self._task)
        return _Child(process, ours)


class _Desk:
    """What is to be looked at and what was answered, by place. At most `ahead` photos lie on it."""

    def __init__(self, paths: Iterable[Path], passed: Pass, *, ahead: int) -> None:
        self._source, self._passed, self._ahead = iter(paths), passed, ahead
        self._over = False
        self._first, self._end = 0, 0
        self._paths: dict[int, Path] = {}
        self._answers: dict[int, ClassifiedPhoto | MarqueError | None] = {}
        self._again: deque[Places] = deque()

    @property
    def is_empty(self) -> bool:
        """True when nothing is left to be given out."""
        return self._over and not self._again

    def next_chunk(self) -> Places:
        """Photos for one process; none when all were given out or enough wait for an answer."""
        if self._again:
            return self._again.popleft()
        chunk: Places = []
        while len(chunk) < CHUNK and self._end < self._first + self._ahead and not self._over:
            path = next(self._source, None)
            if path is None:
                self._over = True
                break
            self._paths[self._end] = path
            if self._passed(path):
                self._answers[self._end] = None
            else:
                chunk.append((self._end, path))
            self._end += 1
        return chunk

    def take_back(self, *chunks: Iterable[Places]) -> None:
        """Give these out again."""
        for some in chunks:
            self._again.extend(some)

    def lay(self, chunk: Places, answers: Sequence[ClassifiedPhoto | MarqueError]) -> None:
        """Keep the answers to a chunk."""
        self._answers.update(
            (place, answer) for (place, _path), answer in zip(chunk, answers, strict=True)
        )

    def answered(self) -> Iterator[Seen]:
        """What is next in the order and known, taken off the desk."""
        while self._first in self._answers:
            place, self._first = self._first, self._first + 1
            yield self._paths.pop(place), self._answers.pop(place)


def try_to_classify(
    path: Path, asked: Sequence[Classifier], *, store: bool, top: int | None
) -> ClassifiedPhoto | MarqueError:
    """`classify_file`, or the error that it raised."""
    try:
        return classify_file(path, asked, store=store, top=top)
    except MarqueError as error:
        return error


def _wait_until_ready(child: _Child) -> None:
    try:
        trouble = child.line.recv()
    except (EOFError, OSError) as error:
        raise ModelUnavailableError("A process that ranks photos could not start.") from error
    if trouble:
        raise ModelUnavailableError(trouble)


def _end(child: _Child) -> None:
    child.process.kill()
    child.process.wait()
    child.line.close()
