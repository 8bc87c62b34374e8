"""The long lane: work in a process of its own, which ends with its job, and which holds up nothing short."""

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
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.job_type import Json, Kind, Work
from webapp.services.jobs.queue import JobView, Owner
from webapp.services.jobs.worker import Crew
from webapp.storage.database import end_reading
from webapp.tasks.ring import tools

ANNA = Owner("user:1", all=True)
PATIENCE = 30
BREATH = threading.Event()
CHILD = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text('here'); time.sleep(float(sys.argv[2]))"


class Place:
    """Where the child of a test leaves its sign, and the child itself."""

    def __init__(self, folder: Path) -> None:
        self.sign = folder / "sign"
        self.child: subprocess.Popen[bytes] | None = None

    def do(self, work: Work) -> Json:
        """Wait for a child for as long as asked. May run twice: it only leaves the same sign again."""
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.sign), str(work.asked["seconds"])]
        ) as child:
            self.child = child
            try:
                while True:
                    with suppress(subprocess.TimeoutExpired):
                        return {"status": child.wait(0.1)}
                    work.progress(0)
            finally:
                child.kill()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def crew(app: Flask, place: Place) -> Iterator[Crew]:
    kinds = {
        "child": Kind("child", "Child", do=place.do, lane=LONG),
        "quick": Kind("quick", "Quick", do=lambda _work: {"done": True}),
    }
    with app.app_context():
        yield Crew(kinds, tools, {SHORT: 1, LONG: 1}, app.app_context, lambda _lane: None)


def put_in(name: str, lane: str, do: Callable[[Work], Json], seconds: float = 0) -> str:
    job, _fresh = jobs.put_in(
        Kind(name, name, do=do, lane=lane),
        {"seconds": seconds},
        title=name,
        owner=ANNA,
        who=Who("A"),
        ring=str,
    )
    return job.public_id


def see(job_id: str) -> JobView:
    end_reading()
    return jobs.get_job(job_id, ANNA)


def begin(crew: Crew, place: Place) -> threading.Thread:
    """Let a hand take up the long job; returns when its child is there."""
    hand = threading.Thread(target=crew.work, args=(LONG,))
    hand.start()
    deadline = time.monotonic() + PATIENCE
    while not place.sign.exists():
        assert time.monotonic() < deadline
        BREATH.wait(0.05)
    return hand


def test_a_child_that_ends_ends_its_job(crew: Crew, place: Place) -> None:
    job_id = put_in("child", LONG, place.do)
    crew.work(LONG)
    assert (see(job_id).state, see(job_id).job.result) == ("succeeded", {"status": 0})


def test_a_cancelled_job_takes_its_child_with_it(crew: Crew, place: Place) -> None:
    job_id = put_in("child", LONG, place.do, seconds=300)
    hand = begin(crew, place)
    jobs.cancel_job(job_id, ANNA, Who("A"))
    hand.join(PATIENCE)
    assert see(job_id).state == "cancelled"
    assert place.child and place.child.poll() is not None


def test_a_worker_that_ends_takes_the_child_with_it_and_gives_the_job_back(
    crew: Crew, place: Place
) -> None:
    job_id = put_in("child", LONG, place.do, seconds=300)
    hand = begin(crew, place)
    crew.ending.set()
    hand.join(PATIENCE)
    assert (see(job_id).state, see(job_id).progress.running) == ("running", 0)
    assert place.child and place.child.poll() is not None


def test_a_long_job_holds_up_nothing_short(crew: Crew, place: Place) -> None:
    put_in("child", LONG, place.do, seconds=300)
    hand = begin(crew, place)
    quick = put_in("quick", SHORT, place.do)
    crew.work(SHORT)
    assert see(quick).state == "succeeded"
    crew.ending.set()
    hand.join(PATIENCE)
