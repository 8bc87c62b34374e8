"""What a kind of job is: how its work is cut into parts and how a part is done; and what a part is given for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from webapp.domain import QUEUED, SHORT, Who
from webapp.errors import JobStoppedError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.models.registry import Registry
from webapp.storage.file_stores.database import FileStore

Json = dict[str, Any]
TELL = 1.0
"""Seconds between two looks at whether the job was cancelled, which also write down how far the part is."""


@dataclass(frozen=True)
class Tools:
    """What kinds work with. `classifiers` and `version` are those of the extensions, `data` is the folder for everything that is written,
    `env` are the variables with which a command of ours in a process of its own sees the same data."""

    files: FileStore
    limiter: AdmissionLimiter
    registry: Registry
    classifiers: Callable[[str], Sequence[Classifier]]
    version: Callable[[str, int], Classifier]
    data: Path
    env: Mapping[str, str]
    describe: Callable[[Any], Mapping[str, Any]] = field(
        default=lambda item: {"id": item.photo.public_id}
    )
    """A photo in the shape of the JSON door, for those who are told of it. Of its id alone, where there is no such door."""
    private_webhooks: bool = False
    """True when webhooks may also go to private addresses."""

    def one_version(self, name: str, number: int) -> Classifier:
        """One version of a model: what serves when that is it, since it is loaded already, else a fresh one. Raises a `ModelError`."""
        if self.registry.live_version(name) == number:
            serving = self.classifiers(name)[0]
            if serving.card.version == number:
                return serving
        return self.version(name, number)


@dataclass
class Work:
    """A part in the hands of a worker. `job_id` is the job's public id, `asked` what the job was asked, `part` what this part of it is.

    Call `progress` often, between two things that may be done on their own.
    """

    job_id: str
    asked: Json
    part: Json
    who: Who
    tools: Tools
    tell: Callable[[Work], None]
    """Writes the figures down and extends the lease. Raises `JobStoppedError`."""
    stopping: Callable[[], bool]
    """True when the worker wants to end."""
    done: int = 0
    total: int = 0
    failed: int = 0
    lines: list[str] = field(default_factory=list)
    _told: float = field(default_factory=time.monotonic)

    def progress(self, done: int, total: int | None = None, *, failed: int = 0) -> None:
        """Say that `done` of `total` things are through, `failed` of them in vain.

        Raises `JobStoppedError` when the job was cancelled, the worker is to end, or another worker has the part: stop at once and let it
        through; what was done so far stays.
        """
        self.done, self.failed = done, failed
        self.total = self.total if total is None else total
        if self.stopping():
            raise JobStoppedError("The worker ends.")
        if time.monotonic() - self._told >= TELL:
            self.tell(self)
            self._told = time.monotonic()

    def say(self, line: str) -> None:
        """Add a line to the job's log; it is written with the next progress, or with the end of the part."""
        self.lines.append(line)


@dataclass(frozen=True)
class Kind:
    """One kind of job. Each of its parts may run twice, also at the same time, without harm: the docstring of its `do` says why.

    `plan` cuts the job: what each part is, with "total" when it is known how many things it has. `do` does one part and returns what
    came of it, `finish` makes the job's result of theirs. A kind has both or neither: then the job is one part. All three are given
    their `Work`, return JSON and may raise: a `MarqueError` ends the job with its sentence, a busy server and whatever is not ours are
    tried again. `clear` (of the job's public id and what it was asked) removes the files that a job kept, for kinds that keep some; it
    is called when the job ended well (after `kept`), was cancelled, or waited too long to be tried again, and may be called twice. `lane`
    is where it waits: "long" is for work in a process of its own that takes long.
    """

    name: str
    title: str
    do: Callable[[Work], Json]
    plan: Callable[[Work], Iterable[Json]] | None = None
    finish: Callable[[Work, Iterable[Json]], Json] | None = None
    clear: Callable[[str, Json, Tools], None] | None = None
    lane: str = SHORT
    kept: timedelta = timedelta(0)
    """How long the files of a job that ended well are kept."""
    summary: Callable[[Json], str] | None = None
    """What came of it as a sentence for people, made of the job's result."""


def part_row(job_id: int, number: int, role: str, question: Json, at: datetime) -> dict[str, Any]:
    """The values of a new part's row."""
    total = question.get("total", 0)
    return {
        "job_id": job_id,
        "number": number,
        "role": role,
        "state": QUEUED,
        "question": question,
        "total": total,
        "run_after": at,
    }
