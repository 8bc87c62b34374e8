"""What a type of job is: how it is cut into parts, how a part is done, and what it is given."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from webapp.config import Config
from webapp.domain import SHORT, Who
from webapp.errors import JobStoppedError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.detector import Detector
from webapp.inference.models.registry import Registry
from webapp.storage.file_stores.contract import FileStore

Json = dict[str, Any]
_T = TypeVar("_T")
# Seconds between two looks at whether the job was cancelled, which also save how far the part is.
SAVE_EVERY = 1.0
_MOST_PARTS = 200  # of a job
# Photos of a part: some seconds of work, so that a job spreads over workers and little is repeated.
LEAST_PART, _MOST_PART = 20, 500


class Tools(Protocol):
    """What of the running app jobs work with. `describe` makes the JSON of a photo for webhooks."""

    config: Config
    files: FileStore
    limiter: AdmissionLimiter
    registry: Registry
    describe: Callable[[Any, Registry], Mapping[str, Any]]

    def classifiers(self, choice: str) -> Sequence[Classifier]:
        """The models that a choice stands for, see `webapp.extensions`."""

    def detector(self) -> Detector | None:
        """The live detector, None when it is off, there is none, or it cannot be used."""

    def detector_version(self, name: str, version: int) -> Detector:
        """One version of a detector. Raises a `ModelError`."""

    def one_version(self, name: str, version: int) -> Classifier:
        """One version of a model, the loaded one when it is live. Raises a `ModelError`."""


@dataclass
class RunningJob:
    """A part of a job that a worker thread does. It calls `progress` often.

    Args:
        id: The job's public id.
        params: What the job was asked for; `part` is what this part of it is.
        save: Writes the figures down and extends the lease. Raises `JobStoppedError`.
        stopping: True when the worker wants to end.
    """

    id: str
    params: Json
    part: Json
    who: Who
    tools: Tools
    save: "Callable[[RunningJob], None]"
    stopping: Callable[[], bool]
    done: int = 0
    total: int = 0
    failed: int = 0
    lines: list[str] = field(default_factory=list)
    _saved_at: float = field(default_factory=time.monotonic)

    def progress(self, done: int, total: int | None = None, *, failed: int = 0) -> None:
        """Note that `done` of `total` things are through, `failed` of them without success.

        Raises:
            JobStoppedError: The job was cancelled, the worker ends, or another worker has the part.
                Let it through at once; what was done so far stays.
        """
        self.done, self.failed = done, failed
        self.total = self.total if total is None else total
        if self.stopping():
            raise JobStoppedError("The worker ends.")
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save(self)
            self._saved_at = time.monotonic()

    def say(self, line: str) -> None:
        """Add a line to the job's log; it is written with the next progress or the part's end."""
        self.lines.append(line)


@dataclass(frozen=True)
class JobType:
    """One type of job. Each part may run twice, also at the same time, without harm: the docstring
    of its `do` says why.

    `plan` cuts the job: what each part is, with "total" when it is known how many things it has.
    `do` does one part and returns its result, `finish` makes the job's result of theirs. A type has
    both `plan` and `finish`, or neither: then the job is one part. All three are given a
    `RunningJob` and return JSON. A `MarqueError` ends the job with its sentence; a busy server and
    unexpected errors are tried again. `clear` removes the files of a job (by its public id and
    params); it is called when the job ended well (after `kept`), was cancelled, or failed long ago,
    and may be called twice. `summary` makes a sentence of the job's result. `in_percent`: its
    progress is a share of 100, not a number of things.
    """

    name: str
    title: str
    do: Callable[[RunningJob], Json]
    plan: Callable[[RunningJob], Iterable[Json]] | None = None
    finish: Callable[[RunningJob, Iterable[Json]], Json] | None = None
    clear: Callable[[str, Json, Tools], None] | None = None
    queue: str = SHORT
    kept: timedelta = timedelta(0)
    summary: Callable[[Json], str] | None = None
    in_percent: bool = False


# ---- what types of jobs share ----


def cut(items: Sequence[_T], least: int, most: int = 0) -> list[Sequence[_T]]:
    """The items in order, in chunks of `least` or more: `_MOST_PARTS` of them, or as many as it
    takes when a chunk has at most `most` (0: any number)."""
    size = max(1, least, -(-len(items) // _MOST_PARTS))
    size = min(size, most or size)
    return [items[start : start + size] for start in range(0, len(items), size)]


def parts_of(numbers: Sequence[int]) -> list[Json]:
    """Photos, by number, in parts of a handy size."""
    chunks = cut(numbers, LEAST_PART, _MOST_PART)
    return [{"photos": chunk, "total": len(chunk)} for chunk in chunks]


def looking_title(name: str, version: int, params: Json) -> str:
    """The title of a job in which a version looks at the photos of a filter, by its parameters."""
    which = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in params.items() if name != "sort"
    )
    return f"{name} {version} looks at {f'photos with {which}' if which else 'the whole history'}"


def walk(
    numbers_after: Callable[[int], Sequence[int]], after: int = 0
) -> Iterator[tuple[int, Sequence[int]]]:
    """The number before each chunk, and the chunk: those after the last one of the chunk before."""
    while numbers := numbers_after(after):
        yield after, numbers
        after = numbers[-1]


def batch_result(job: RunningJob, changed: int, wanted: int) -> Json:
    """The result of a job that changed photos: how many, how many stayed as they were, and the
    batch to undo, None without any. The job's id is the batch."""
    return {
        "changed": changed,
        "skipped": max(0, wanted - changed),
        "batch": job.id if changed else None,
    }
