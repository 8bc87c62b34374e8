"""The long queue: a process that ends with its job and holds up nothing short."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask

from webapp.domain import LONG, SHORT, Who
from webapp.extensions import get_tools
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import JobView, Owner, Sender
from webapp.services.jobs.worker import Worker
from webapp.storage.database import db, end_reading
from webapp.storage.tables import JobPart

ANNA = Owner("user:1", all=True)
PATIENCE = 30
BREATH = threading.Event()
CHILD = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text("here")
time.sleep(float(sys.argv[2]))
"""


class Place:
    """Where the child of a test leaves its sign, and the child itself."""

    def __init__(self, folder: Path) -> None:
        self.sign = folder / "sign"
        self.child: subprocess.Popen[bytes] | None = None

    def do(self, job: RunningJob) -> Json:
        """Wait for a child. May run twice: it only leaves the same sign again."""
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.sign), str(job.params["seconds"])]
        ) as child:
            self.child = child
            try:
                while True:
                    with suppress(subprocess.TimeoutExpired):
                        return {"status": child.wait(0.1)}
                    job.progress(0)
            finally:
                child.kill()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def worker(app: Flask, place: Place) -> Iterator[Worker]:
    kinds = {
        "child": JobType("child", "Child", do=place.do, queue=LONG),
        "quick": JobType("quick", "Quick", do=lambda _job: {"done": True}),
    }
    with app.app_context():
        yield Worker(kinds, get_tools, app.app_context)


def enqueue(name: str, queue: str, do: Callable[[RunningJob], Json], seconds: float = 0) -> str:
    job_type = JobType(name, name, do=do, queue=queue)
    return jobs.enqueue(job_type, {"seconds": seconds}, name, Sender(ANNA, Who("A"))).public_id


def see(job_id: str) -> JobView:
    end_reading()
    return jobs.get_job(job_id, ANNA)


def begin(worker: Worker, place: Place) -> threading.Thread:
    """Let a thread claim the long job; returns when its child is there."""
    thread = threading.Thread(target=worker.run_queue, args=(LONG,))
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not place.sign.exists():
        assert time.monotonic() < deadline
        BREATH.wait(0.05)
    return thread


def test_a_child_that_ends_ends_its_job(worker: Worker, place: Place) -> None:
    job_id = enqueue("child", LONG, place.do)
    worker.run_queue(LONG)
    assert (see(job_id).state, see(job_id).job.result) == ("succeeded", {"status": 0})


def test_a_cancelled_job_takes_its_child_with_it(worker: Worker, place: Place) -> None:
    job_id = enqueue("child", LONG, place.do, seconds=300)
    thread = begin(worker, place)
    jobs.cancel_job(job_id, ANNA, Who("A"))
    thread.join(PATIENCE)
    assert see(job_id).state == "cancelled"
    assert place.child and place.child.poll() is not None


def test_a_worker_that_ends_takes_the_child_with_it_and_gives_the_job_back(
    worker: Worker, place: Place
) -> None:
    job_id = enqueue("child", LONG, place.do, seconds=300)
    thread = begin(worker, place)
    worker.stopping.set()
    thread.join(PATIENCE)
    assert see(job_id).state == "running"
    assert [part.state for part in db.session.query(JobPart)] == ["queued"]
    assert place.child and place.child.poll() is not None


def test_a_long_job_holds_up_nothing_short(worker: Worker, place: Place) -> None:
    enqueue("child", LONG, place.do, seconds=300)
    thread = begin(worker, place)
    quick = enqueue("quick", SHORT, place.do)
    worker.run_queue(SHORT)
    assert see(quick).state == "succeeded"
    worker.stopping.set()
    thread.join(PATIENCE)
