"""Gunicorn and one worker, side by side: a worker that dies is started again, and when the web ends everything ends with its status."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
CALM = 35
"""Seconds in which the worker may come to a stop, a little more than gunicorn gives its own."""
FIRST_PAUSE, LONGEST_PAUSE, WELL = 1.0, 30.0, 60.0
"""Seconds before a dead worker is started again, doubled while it dies early; after so long a life the count begins anew."""
LOOK = 0.2
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Pair:
    """The web and its worker. Children have sessions of their own, so that a Ctrl-C reaches only us, and we end both in order."""

    def __init__(self, web: list[str], worker: list[str]) -> None:
        self._commands = (web, worker)
        self._ending = False
        self._pause = FIRST_PAUSE
        self._again_at = 0.0
        self._born = 0.0

    def run(self) -> int:
        """Until the web ends or somebody ends us; returns the exit status of the web."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        web = _start(self._commands[0])
        worker: subprocess.Popen[bytes] | None = self._start_worker()
        while web.poll() is None and not self._ending:
            worker = self._look_after(worker)
            time.sleep(LOOK)
        for child in (web, worker):
            _tell(child, signal.SIGTERM)
        status = _wait(web)
        if worker is not None:
            _wait(worker)
        return status

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _start_worker(self) -> subprocess.Popen[bytes]:
        self._born = time.monotonic()
        return _start(self._commands[1])

    def _look_after(self, worker: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes] | None:
        """Start a dead worker again, a little later each time that it does not live long."""
        if worker is None:
            return self._start_worker() if time.monotonic() >= self._again_at else None
        if worker.poll() is None:
            return worker
        if time.monotonic() - self._born > WELL:
            self._pause = FIRST_PAUSE
        print(  # noqa: T201
            f"marque: the worker ended ({_how(worker.returncode)}); it starts again in {self._pause:.0f} s",
            file=sys.stderr,
            flush=True,
        )
        self._again_at = time.monotonic() + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        return None


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, preexec_fn=_die_with_parent
    )  # no threads here


def _die_with_parent() -> None:
    """On Linux a child ends calmly when we are killed; elsewhere it stays and the next start finds the port taken."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)


def _tell(child: subprocess.Popen[bytes] | None, number: int) -> None:
    if child is not None and child.poll() is None:
        child.send_signal(number)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Its exit status as a shell gives it; what does not end in time is killed."""
    try:
        status = child.wait(CALM)
    except subprocess.TimeoutExpired:
        child.kill()
        status = child.wait()
    return status if status >= 0 else 128 - status


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def main() -> int:
    """`python -m webapp.serve`."""
    python = [sys.executable, "-m"]
    return Pair([*python, "gunicorn"], [*python, "webapp.worker"]).run()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
