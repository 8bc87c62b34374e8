"""A lock on the folder of a job whose part must never run twice at once."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from webapp.services.jobs.job_type import RunningJob

LOCK = "lock"  # a file in the folder
LOOK = 0.5  # seconds between two looks whether another worker has ended


@contextmanager
def alone_in(folder: Path, job: RunningJob) -> Iterator[None]:
    """Wait until no other worker works in the folder; the lock ends with the block or the process.
    Raises `JobStoppedError` when the job is to stop meanwhile."""
    with (folder / LOCK).open("w") as lock:
        while not _locked(lock):
            time.sleep(LOOK)
            job.progress(job.done)
        yield


def _locked(file: IO[str]) -> bool:
    """Lock an open file; False when another process has the lock."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
