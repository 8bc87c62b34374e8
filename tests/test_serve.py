"""`flask serve`: the web and its worker side by side. Small commands stand in for both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAIR = """
import sys
from webapp import serve
serve._FIRST_PAUSE = 0.1
sys.exit(serve._run(["sh", "-c", sys.argv[1]], ["sh", "-c", sys.argv[2]]))
"""
STAYS = "exec sleep 60"
Start = Callable[[str, str], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def go(web: str, worker: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PAIR, web, worker]
        started.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield go
    for process in started:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def wait_for(path: Path, lines: int = 1) -> list[int]:
    """Wait until the file has this many lines, each a process number."""
    deadline = time.monotonic() + 20
    while not path.exists() or len(path.read_text().split()) < lines:
        assert time.monotonic() < deadline, "it did not start"
        threading.Event().wait(0.05)
    return [int(number) for number in path.read_text().split()]


def gone(process: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        threading.Event().wait(0.05)
    return False


def test_it_ends_with_the_status_of_the_web(start: Start, tmp_path: Path) -> None:
    pair = start("sleep 0.5; exit 7", f"echo $$ >{tmp_path}/w; {STAYS}")
    (worker,) = wait_for(tmp_path / "w")
    assert pair.wait(20) == 7
    assert gone(worker)


def test_a_worker_that_dies_is_started_again(start: Start, tmp_path: Path) -> None:
    pair = start(STAYS, f"echo $$ >>{tmp_path}/w; {STAYS}")
    (first,) = wait_for(tmp_path / "w")
    os.kill(first, signal.SIGKILL)
    assert wait_for(tmp_path / "w", 2)[1] != first
    pair.terminate()
    assert "signal 9" in pair.communicate()[1]


def test_term_ends_both(start: Start, tmp_path: Path) -> None:
    pair = start(f"echo $$ >{tmp_path}/a; {STAYS}", f"echo $$ >{tmp_path}/b; {STAYS}")
    children = wait_for(tmp_path / "a") + wait_for(tmp_path / "b")
    pair.terminate()
    assert pair.wait(20) == 128 + signal.SIGTERM  # what this web answers; gunicorn ends with 0
    assert all(gone(child) for child in children)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="only Linux tells children that their parent was killed",
)
def test_when_it_is_killed_nothing_stays(start: Start, tmp_path: Path) -> None:
    pair = start(f"echo $$ >{tmp_path}/a; {STAYS}", f"echo $$ >{tmp_path}/b; {STAYS}")
    children = wait_for(tmp_path / "a") + wait_for(tmp_path / "b")
    pair.kill()
    assert all(gone(child) for child in children)


def test_it_loads_nothing_of_ours() -> None:
    heavy = ("webapp.", "flask", "numpy")
    code = f"""
import sys, webapp.serve
print([name for name in sys.modules if name.startswith({heavy})])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['webapp.serve']"
