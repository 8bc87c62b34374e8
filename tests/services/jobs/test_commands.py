"""Commands in a process of their own: ended with their job, never two in one folder."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import ROOT
from webapp.domain import Who
from webapp.errors import JobStoppedError, StorageFullError
from webapp.extensions import get_tools
from webapp.services.jobs import commands
from webapp.services.jobs.commands import LOCK, run_command
from webapp.services.jobs.job_type import RunningJob

WORKER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from webapp.config import Config
from webapp.domain import Who
from webapp.services.jobs.commands import run_command
from webapp.services.jobs.job_type import RunningJob
tools = SimpleNamespace(config=Config())
say = lambda _job: print("running", flush=True)
job = RunningJob("a-job", {}, {}, Who("Anna"), tools, say, lambda: False)
run_command(job, ["run", "--port", "0"], Path(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def context(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(commands, "LOOK", 0.05)
    with app.app_context():
        yield


def running_job(stop: Callable[[], bool] = lambda: False) -> RunningJob:
    return RunningJob("a-job", {}, {}, Who("Anna"), get_tools(), lambda _job: None, stop)


def is_locked(folder: Path) -> bool:
    with (folder / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_command_sees_the_same_data_and_its_words_come_back(tmp_path: Path) -> None:
    ended = run_command(running_job(), ["model", "list", "--json"], tmp_path)
    assert (ended.status, '"name": "f1-teams"' in ended.output, ended.trouble) == (0, True, "")


def test_one_that_fails_says_why_in_one_sentence(tmp_path: Path) -> None:
    ended = run_command(running_job(), ["model", "show", "nobody"], tmp_path)
    assert (ended.status, ended.trouble) == (1, "There is no model called 'nobody'.")


def test_a_job_that_stops_ends_its_command(tmp_path: Path) -> None:
    looks = iter(range(100))
    with pytest.raises(JobStoppedError):
        run_command(running_job(lambda: next(looks) > 3), ["run", "--port", "0"], tmp_path)
    assert not is_locked(tmp_path)


def test_a_command_ends_when_its_worker_is_killed(app: Flask, tmp_path: Path) -> None:
    env = {**os.environ, **get_tools().config.for_child(), "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)], env=env, stdout=subprocess.PIPE
    )
    assert worker.stdout and worker.stdout.readline()
    assert is_locked(tmp_path)
    worker.kill()
    worker.communicate()
    with (tmp_path / LOCK).open() as lock:  # the test would hang here if the command went on
        fcntl.flock(lock, fcntl.LOCK_EX)


def test_two_never_run_in_one_folder(tmp_path: Path) -> None:
    looks = iter(range(100))
    with (tmp_path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(JobStoppedError):
            run_command(running_job(lambda: next(looks) > 3), ["--version"], tmp_path)
    assert not (tmp_path / "output.txt").exists()


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageFullError):
        run_command(running_job(), ["--version"], tmp_path / "gone")
