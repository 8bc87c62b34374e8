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


def _run(web_command: list[str], worker_command: list[str]) -> int:
    """Run both until the web server ends or this process is told to; returns the web's exit status.

    They have sessions of their own, so that a Ctrl-C reaches only this process, which ends both in
    order. A dead worker is started again: a little later each time that it dies early.
    """
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: told.append(number))
    web = _start(web_command)
    worker: subprocess.Popen[bytes] | None = None
    start_at, started_at, pause = 0.0, 0.0, _FIRST_PAUSE
    while web.poll() is None and not told:
        now = time.monotonic()
        if worker is None and now >= start_at:
            worker, started_at = _start(worker_command), now
        elif worker is not None and worker.poll() is not None:
            pause = _FIRST_PAUSE if now - started_at > _LONG_LIFE else pause
            _report(worker.returncode, pause)
            worker, start_at, pause = None, now + pause, min(_LONGEST_PAUSE, 2 * pause)
        time.sleep(_LOOK_EVERY)
    children = [web] if worker is None else [web, worker]
    for child in children:
        if child.poll() is None:
            child.terminate()
    statuses = [_wait(child) for child in children]
    return statuses[0]


def _report(status: int, pause: float) -> None:
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    message = f"marque: the worker ended ({how}); it starts again in {pause:.0f} s"
    print(message, file=sys.stderr, flush=True)  # noqa: T201


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
    return _run([*python, "gunicorn"], [*python, "webapp.worker"])


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
