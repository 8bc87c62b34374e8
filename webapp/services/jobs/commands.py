"""Commands of ours that a part of a job runs in a process of its own: started, watched, and ended with the part."""

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

import webapp
from webapp.errors import StorageFullError
from webapp.services.jobs.job_type import RunningJob

ROOT = Path(webapp.__file__).parents[1]
OUTPUT, ERRORS, LOCK, SCRATCH = "output.txt", "errors.txt", "lock", "scratch"
LOOK = 0.5
"""Seconds between two looks whether the command has ended, or the job was cancelled."""
CALM = 10
"""Seconds in which a command that is told to stop may tidy up before it is killed."""
LONGEST_OUTPUT = 1_000_000
LEASH = """
import contextlib, ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
if os.getppid() != int(sys.argv[1]):
    sys.exit("Its worker is gone.")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""What runs first in the new process: on Linux it is interrupted when its worker ends, however that ends. Then it becomes the command."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status (negative: killed by that signal), what it printed, and the sentence it failed with, if any."""

    status: int
    output: str
    trouble: str


def run_command(job: RunningJob, words: Sequence[str], folder: Path) -> Ended:
    """Run `flask` with `words` and wait for its end. `folder`, which must be there, is the job's own: output and temporary files lie in it.

    While another worker, which lost this part, still has a command running in the same folder, its end is awaited first, so no two run at
    once. Raises `JobStoppedError` when the job is to stop: the command is interrupted then, and killed if that does not help; and
    `StorageFullError`.
    """
    try:
        with (folder / LOCK).open("w") as lock:
            while not _take(lock):
                time.sleep(LOOK)
                job.progress(job.done)
            with (folder / OUTPUT).open("wb") as output, (folder / ERRORS).open("wb") as errors:
                status = _run(job, words, folder, (output, errors), lock)
    except OSError as error:
        raise StorageFullError(
            "The server's disk is full or cannot be written. Tell the admin."
        ) from error
    return Ended(status, read_output(folder), _last_word(_text(folder / ERRORS)) if status else "")


def read_output(folder: Path) -> str:
    """What the last command in this folder printed, also one whose worker is gone; "" when there was none."""
    return _text(folder / OUTPUT)


def _run(
    job: RunningJob,
    words: Sequence[str],
    folder: Path,
    streams: tuple[IO[bytes], IO[bytes]],
    lock: IO[str],
) -> int:
    """The exit status. The child holds the lock too: it is free when both are gone."""
    scratch = folder / SCRATCH
    scratch.mkdir(exist_ok=True)
    flask = ["-m", "flask", "--app", str(ROOT / "wsgi.py"), *words]
    child = subprocess.Popen(
        [sys.executable, "-c", LEASH, str(os.getpid()), *flask],
        cwd=folder,
        env=os.environ
        | job.tools.env
        | {"TMPDIR": str(scratch)},  # what it leaves when it is killed goes with the job's files
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        pass_fds=(lock.fileno(),),
        start_new_session=True,  # a Ctrl-C is the worker's, who ends it in order
    )
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(LOOK)
            job.progress(job.done)
    finally:
        _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Interrupt the command, so that it ends what it has started itself; kill it when it does not."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(CALM)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _take(file: IO[str]) -> bool:
    """Lock an open file; False when another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(LONGEST_OUTPUT).decode("utf-8", "replace")


def _last_word(text: str) -> str:
    """The sentence that a command failed with: its last line "Error: …", else its last line, else ""."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return (named or lines or [""])[-1][:2000]
