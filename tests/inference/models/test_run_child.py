"""Child processes: ended when their job stops, and with the process that started them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from webapp.errors import JobStoppedError
from webapp.inference.models import publish
from webapp.inference.models.publish import ChildLimits, run_child

MODULE = "tests.inference.models.waiting_child"
PARENT = f"""
import sys
from pathlib import Path
from webapp.inference.models import publish
publish._LOOK = 0.05
folder = Path(sys.argv[1])
watch = lambda: (folder / "begun").exists() and print("running", flush=True)
publish.run_child({MODULE!r}, folder, publish.ChildLimits(watch=watch))
"""


def is_locked(folder: Path) -> bool:
    with (folder / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_what_watches_a_child_can_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_LOOK", 0.05)
    seen = []

    def stop() -> None:
        if (tmp_path / "begun").exists():
            seen.append(is_locked(tmp_path))
            raise JobStoppedError("The worker ends.")

    with pytest.raises(JobStoppedError):
        run_child(MODULE, tmp_path, ChildLimits(watch=stop))
    assert (seen, is_locked(tmp_path)) == ([True], False)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], env=env, stdout=subprocess.PIPE
    )
    assert parent.stdout and parent.stdout.readline()
    assert is_locked(tmp_path)
    parent.kill()
    parent.communicate()
    with (tmp_path / "lock").open() as lock:  # the test would hang here if the child went on
        fcntl.flock(lock, fcntl.LOCK_EX)
