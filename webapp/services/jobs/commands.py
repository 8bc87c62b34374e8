"""`flask` commands that a part of a job runs in a process of its own, which ends with the part."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from webapp.config import ROOT
from webapp.errors import StorageFullError
from webapp.services.jobs.job_type import RunningJob

_OUTPUT, _ERRORS, LOCK, _SCRATCH = "output.txt", "errors.txt", "lock", "scratch"
# Seconds between two looks whether the command has ended, or the job was cancelled.
LOOK = 0.5
# Seconds in which a command that is interrupted may tidy up before it is killed.
_STOP_TIMEOUT = 10
_LONGEST_OUTPUT = 1_000_000
# Runs first in the new process: on Linux it is interrupted when its worker ends, in any way.
_LEASH = """
import contextlib, ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
if os.getppid() != int(sys.argv[1]):
    sys.exit("Its worker is gone.")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@dataclass(frozen=True)
class _CommandResult:
    """How a command ended: its exit status (negative: killed by that signal), what it printed, and
    the sentence that it failed with, if any: the last line, of those that begin with "Error: "."""

    status: int
    output: str
    trouble: str


def run_command(job: RunningJob, arguments: Sequence[str], folder: Path) -> _CommandResult:
    """Run `flask` with these arguments and wait for its end.

    While another worker, which lost this part, still has a command running in the same folder, its
    end is awaited first: no two run at once.

    Args:
        folder: The existing folder of the job, for the output and temporary files.

    Raises:
        JobStoppedError: The job is to stop. The command was interrupted, and killed if need be.
        StorageFullError: The disk is full or cannot be written.
    """
    try:
        with (folder / LOCK).open("w") as lock:
            while not _locked(lock):
                time.sleep(LOOK)
                job.progress(job.done)
            with (folder / _OUTPUT).open("wb") as output, (folder / _ERRORS).open("wb") as errors:
                status = _run(job, arguments, folder, (output, errors, lock))
    except OSError as error:
        raise StorageFullError(
            "The server's disk is full or cannot be written. Tell the admin."
        ) from error
    lines = [line.strip() for line in read_output(folder, _ERRORS).splitlines() if line.strip()]
    faults = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    trouble = (faults or lines or [""])[-1][:2000] if status else ""
    return _CommandResult(status, read_output(folder), trouble)


def read_output(folder: Path, name: str = _OUTPUT) -> str:
    """What the last command in a folder printed, also when its worker is gone; "" without one."""
    path = folder / name
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(_LONGEST_OUTPUT).decode("utf-8", "replace")


def _run(
    job: RunningJob,
    arguments: Sequence[str],
    folder: Path,
    files: tuple[IO[bytes], IO[bytes], IO[str]],
) -> int:
    """The exit status. The child holds the lock too: it is free when both processes are gone."""
    output, errors, lock = files
    scratch = folder / _SCRATCH
    scratch.mkdir(exist_ok=True)
    flask = ["-m", "flask", "--app", str(ROOT / "wsgi.py"), *arguments]
    child = subprocess.Popen(
        [sys.executable, "-c", _LEASH, str(os.getpid()), *flask],
        cwd=folder,
        # the temporary folder is removed with the job's files
        env=os.environ | job.tools.config.for_child() | {"TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        pass_fds=(lock.fileno(),),
        start_new_session=True,  # a Ctrl-C reaches only the worker, which ends the child in order
    )
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(LOOK)
            job.progress(job.done)
    finally:
        if child.poll() is None:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Interrupt the command, so that it ends its own children; kill it when it does not end."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _locked(file: IO[str]) -> bool:
    """Lock an open file; False when another process has the lock."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
