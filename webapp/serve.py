"""Gunicorn and one worker side by side: `flask serve`.

A worker that dies is started again; when the web server ends, everything ends with its status.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent

# Seconds for the worker to come to a stop, a little more than gunicorn gives its own.
_STOP_TIMEOUT = 35
# Seconds before a dead worker is started again: doubled while it dies early, and back to the first
# one after a long life.
_FIRST_PAUSE, _LONGEST_PAUSE, _LONG_LIFE = 1.0, 30.0, 60.0
_LOOK_EVERY = 0.2
_PR_SET_PDEATHSIG = 1


class _Supervisor:
    """The web server and its worker. They have sessions of their own, so that a Ctrl-C reaches only
    this process, which ends both in order."""

    def __init__(self, web: list[str], worker: list[str]) -> None:
        self._web_command, self._worker_command = web, worker
        self._ending = False
        self._pause = _FIRST_PAUSE
        self._start_at = self._started_at = 0.0

    def run(self) -> int:
        """Run until the web server ends or this process is told to; returns its exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        web = _start(self._web_command)
        worker: subprocess.Popen[bytes] | None = None
        while web.poll() is None and not self._ending:
            worker = self._look_after(worker)
            time.sleep(_LOOK_EVERY)
        children = [child for child in (web, worker) if child is not None]
        for child in children:
            if child.poll() is None:
                child.terminate()
        statuses = [_wait(child) for child in children]
        return statuses[0]

    def _end(self, *_signal: object) -> None:
        self._ending = True

    def _look_after(self, worker: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes] | None:
        """Start the worker, and a dead one again: a little later each time that it dies early."""
        if worker is None:
            if time.monotonic() < self._start_at:
                return None
            self._started_at = time.monotonic()
            return _start(self._worker_command)
        if worker.poll() is None:
            return worker
        if time.monotonic() - self._started_at > _LONG_LIFE:
            self._pause = _FIRST_PAUSE
        status = worker.returncode
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        message = f"marque: the worker ended ({how}); it starts again in {self._pause:.0f} s"
        print(message, file=sys.stderr, flush=True)  # noqa: T201
        self._start_at = time.monotonic() + self._pause
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
        return None


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=_ROOT, start_new_session=True, preexec_fn=_die_with_parent
    )  # no threads here


def _die_with_parent() -> None:
    """On Linux a child ends calmly when this process is killed; elsewhere it stays, and the next
    start finds the port taken."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """The exit status of a child as a shell gives it; it is killed when it does not end in time."""
    try:
        status = child.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        status = child.wait()
    return status if status >= 0 else 128 - status


def main() -> int:
    """`python -m webapp.serve`."""
    python = [sys.executable, "-m"]
    return _Supervisor([*python, "gunicorn"], [*python, "webapp.worker"]).run()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
