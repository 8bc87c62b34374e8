"""The workers' side of jobs: take a part up, keep its lease, do it, write down how it ended; and tidy up after workers that are gone."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError

from webapp.domain import (
    CANCELLED,
    DO,
    FAILED,
    FINISH,
    LANES,
    PLAN,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Who,
)
from webapp.errors import JobStoppedError, JobWaitsError, MarqueError, ServerBusyError
from webapp.services.jobs.job_type import Json, Kind, Tools, Work, part_row
from webapp.storage import jobs as storage
from webapp.storage.database import checkpoint_if_large, end_reading, writing
from webapp.storage.tables import Job, JobPart, now

LOOK = 3.0
"""Seconds between two looks of a worker for work that nobody rang for, which also renew its leases."""
SIGN = timedelta(seconds=20)
"""Between two signs of life of a worker that has nothing to do."""
TIDY = timedelta(seconds=30)
"""Between two times that a worker removes what ended jobs left."""
LEASE = timedelta(seconds=15)
"""How long a part stays with a worker that gives no sign: then another one takes it up again."""
CALLED = 4
"""Rings for the parts of a job that was just cut: so many other hands hear of them at once, the rest when they look."""
ATTEMPTS = 5
FIRST_PAUSE = 2.0
"""Seconds before a part is tried again; four times as long after each further attempt."""
FILES_KEPT = timedelta(days=7)
"""How long the files of a job that failed wait for somebody to try it again."""
JOBS_KEPT = timedelta(days=90)
LOST = "This work was interrupted five times: its worker was killed, or ran out of memory. What was done before is kept."

log = logging.getLogger("marque.jobs")


@dataclass(frozen=True)
class Claim:
    """A part that one worker has, and its job. `owner` is this claim's own name: it proves that the part is still ours."""

    part: JobPart
    job: Job
    owner: str


# ---- taking up and ending parts ----


def claim_part(
    kinds: Mapping[str, Kind], worker: str, at: datetime | None = None, *, only: str = ""
) -> Claim | None:
    """Take up the part that is next, None when nothing waits. `at` is now, `only` the public id of the one job that is meant."""
    at = at or now()
    if not storage.something_waits(kinds, at):
        return None
    with writing():
        found = storage.next_part(kinds, at, ATTEMPTS, only)
        if found is None:
            return None
        part, job = found
        owner = f"{worker}/{secrets.token_hex(4)}"
        if not storage.take_part(part.id, owner, at, at + LEASE):
            return None
        storage.change_job(
            job.id, QUEUED, RUNNING, state=RUNNING, turn_at=at, started_at=job.started_at or at
        )
    return Claim(part, job, owner)


def make_work(claim: Claim, tools: Tools, stopping: Callable[[], bool]) -> Work:
    """What a kind is given to do a part."""
    job = claim.job
    return Work(
        job_id=job.public_id,
        asked=job.question,
        part=claim.part.question,
        who=Who(job.who, job.user_id),
        tools=tools,
        tell=lambda work: tell(claim, work),
        stopping=stopping,
        total=claim.part.total,
    )


def end_part(
    claim: Claim, kind: Kind, work: Work, result: Json | list[Json], at: datetime | None = None
) -> None:
    """Write down that a part is through, and what comes next: the parts of a plan, the finish after the last one, the end of the job."""
    at, part, job = at or now(), claim.part, claim.job
    kept = {"result": result} if isinstance(result, dict) else {}
    with writing():
        active = storage.change_job(
            job.id, RUNNING, turn_at=at
        )  # first, so that two last parts come one after the other
        if not storage.change_part(
            part.id,
            claim.owner,
            state=SUCCEEDED,
            lease_until=None,
            **_figures(work, through=True),
            **kept,
        ):
            return
        storage.add_lines(job.id, work.lines, at)
        if not active:
            return
        if part.role == FINISH or (part.role == DO and kind.finish is None):
            storage.change_job(job.id, RUNNING, state=SUCCEEDED, result=result, ended_at=at)
            return
        if isinstance(result, list):
            storage.add_parts(
                part_row(job.id, number, DO, one, at) for number, one in enumerate(result, 1)
            )
        if not storage.open_parts(job.id):
            storage.add_parts([part_row(job.id, storage.next_number(job.id), FINISH, {}, at)])


def put_back(claim: Claim, work: Work, at: datetime | None = None, *, seconds: float = 0.0) -> None:
    """Let a part wait again that was stopped, as if it had not been taken up: for some `seconds`, if it has nothing to do before."""
    at = at or now()
    until = at + timedelta(seconds=seconds)
    with writing():
        storage.change_part(
            claim.part.id,
            claim.owner,
            state=QUEUED,
            owner="",
            lease_until=None,
            run_after=until,
            attempts=JobPart.attempts - 1,
        )
        storage.add_lines(claim.job.id, work.lines, at)


def try_again(claim: Claim, work: Work, trouble: str, at: datetime | None = None) -> None:
    """Let a part wait for its next attempt, longer each time; after the last one the job has failed."""
    at = at or now()
    attempt = claim.part.attempts + 1
    if attempt >= ATTEMPTS:
        fail_job(claim, work, trouble, at)
        return
    pause = timedelta(seconds=FIRST_PAUSE * 4 ** (attempt - 1))
    with writing():
        if storage.change_part(
            claim.part.id,
            claim.owner,
            state=QUEUED,
            owner="",
            lease_until=None,
            run_after=at + pause,
        ):
            said = f"{trouble} Attempt {attempt} of {ATTEMPTS}; the next one in {pause.total_seconds():.0f} s."
            storage.add_lines(claim.job.id, [*work.lines, said], at)


def fail_job(claim: Claim, work: Work, trouble: str, at: datetime | None = None) -> None:
    """The job has failed with this part. What other parts did stays; parts that wait are not begun, those that run come to a stop."""
    at = at or now()
    with writing():
        if storage.change_part(
            claim.part.id,
            claim.owner,
            state=QUEUED,
            owner="",
            lease_until=None,
            run_after=at,
            **_figures(work),
        ):
            storage.add_lines(claim.job.id, work.lines, at)
            _fail(claim.job.id, trouble, at)


def tell(claim: Claim, work: Work) -> None:
    """Write down how far a part is. Raises `JobStoppedError` when it is to stop."""
    at = now()
    try:
        with writing():
            job = storage.job_by_number(claim.job.id)
            if job.state != RUNNING or job.stop_at is not None:
                raise JobStoppedError("The job was cancelled, or has failed.")
            if not storage.change_part(
                claim.part.id, claim.owner, lease_until=at + LEASE, **_figures(work)
            ):
                raise JobStoppedError("Another worker has this part now.")
            storage.add_lines(claim.job.id, work.lines, at)
    except ServerBusyError:
        return  # it is told the next time
    work.lines.clear()


def do_part(claim: Claim, kind: Kind, tools: Tools, stopping: Callable[[], bool]) -> None:
    """Do a part that was claimed, and write down how it ended. What goes wrong is written down, never raised."""
    work = make_work(claim, tools, stopping)
    try:
        end_part(claim, kind, work, _result(kind, claim.part.role, work, claim.job))
    except JobStoppedError:
        put_back(claim, work)
    except JobWaitsError as error:
        work.say(str(error))
        put_back(claim, work, seconds=error.seconds)
    except (ServerBusyError, OperationalError) as error:
        try_again(
            claim,
            work,
            str(error) if isinstance(error, MarqueError) else "The database did not answer.",
        )
    except MarqueError as error:
        fail_job(claim, work, str(error))
    except Exception as error:
        log.exception("job %s, part %s", claim.job.public_id, claim.part.number)
        try_again(
            claim,
            work,
            f"Something went wrong on the server ({type(error).__name__}); its log has the details.",
        )


def do_here(job_id: str, kind: Kind, tools: Tools) -> None:
    """Do a job of one short part in this process, if it waits and nobody else has it: for a server on which no worker runs."""
    claim = claim_part({kind.name: kind}, "web", only=job_id)
    if claim is not None:
        do_part(claim, kind, tools, lambda: False)


def _result(kind: Kind, role: str, work: Work, job: Job) -> Json | list[Json]:
    """Do what the part is for."""
    if role == PLAN and kind.plan is not None:
        return list(kind.plan(work))
    if role == FINISH and kind.finish is not None:
        return kind.finish(work, storage.results(job.id))
    return kind.do(work)


def _figures(work: Work, *, through: bool = False) -> Json:
    """How far a part is, as the values of its row."""
    return {
        "done": max(work.done, work.total) if through else work.done,
        "total": work.total,
        "failed": work.failed,
    }


def _fail(job_id: int, trouble: str, at: datetime) -> None:
    storage.change_job(job_id, QUEUED, RUNNING, state=FAILED, error=trouble[:2000], ended_at=at)
    storage.add_lines(job_id, [f"Failed: {trouble}"], at)


# ---- tidying ----


def stop_cancelled(at: datetime | None = None) -> None:
    """Cancelled jobs whose parts have all come to a stop are over."""
    at = at or now()
    if storage.to_stop(at):
        with writing():
            for job in storage.to_stop(at):
                storage.change_job(job.id, QUEUED, RUNNING, state=CANCELLED, ended_at=at)


def fail_lost(at: datetime | None = None) -> None:
    """Jobs with a part that took its worker with it again and again have failed."""
    at = at or now()
    if storage.lost_parts(at, ATTEMPTS):
        with writing():
            for row in storage.lost_parts(at, ATTEMPTS):
                _fail(row.job_id, LOST, at)


def clear_ended(
    kinds: Mapping[str, Kind], tools: Callable[[], Tools], at: datetime | None = None
) -> None:
    """Remove the files of jobs that need them no more, and forget jobs of long ago."""
    at = at or now()
    for kind in kinds.values():
        if kind.clear is None:
            continue
        for job in storage.to_clear(kind.name, at - kind.kept, at - FILES_KEPT):
            kind.clear(job.public_id, job.question, tools())
            with writing():
                storage.change_job(job.id, SUCCEEDED, CANCELLED, FAILED, cleared_at=at)
    if storage.is_older(at - JOBS_KEPT):
        with writing():
            storage.remove_jobs(at - JOBS_KEPT)


# ---- the worker ----


class Crew:
    """The hands of one worker process: so many in each lane. `context` surrounds everything that touches the database.

    `ring` rings the doorbell of a lane, on which some worker calls `work`. Only other hands are called that way: what waits when this crew
    looks it does itself, so that work goes on while the doorbell is broken.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        tools: Callable[[], Tools],
        slots: Mapping[str, int],
        context: Callable[[], AbstractContextManager[object]],
        ring: Callable[[str], None],
    ) -> None:
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(3)}"
        self.ending = threading.Event()
        self._kinds = {
            lane: {name: one for name, one in kinds.items() if one.lane == lane} for lane in LANES
        }
        self._all = kinds
        self._tools = tools
        self._slots = {lane: threading.BoundedSemaphore(slots[lane]) for lane in LANES}
        self._context = context
        self._ring = ring
        self._mine: set[str] = set()
        self._started: list[threading.Thread] = []
        self._seen: datetime | None = None
        self._tidied: datetime | None = None

    def work(self, lane: str) -> None:
        """Answer a ring: do parts of this lane until nothing waits. Returns at once when all hands of the lane are busy."""
        if lane not in self._slots or not self._slots[lane].acquire(blocking=False):
            return
        try:
            while not self.ending.is_set() and self._do_next(lane):
                pass
        finally:
            self._slots[lane].release()

    def look_until_the_end(self) -> None:
        """Look for work every few seconds, until the worker ends. For a thread of its own."""
        while not self.ending.is_set():
            started = time.monotonic()
            try:
                with self._context():
                    self.look()
            except (
                Exception
            ):  # a database that cannot be reached just now: the next look may find it again
                log.exception("looking for work failed")
            self.ending.wait(max(0.1, LOOK - (time.monotonic() - started)))
        self.wait_for_hands()
        with suppress(Exception), self._context(), writing():
            storage.forget_worker(self.name)

    def wait_for_hands(self) -> None:
        """Until the hands that looks have begun have nothing to do, or have stopped because the worker ends."""
        for hand in self._started:
            hand.join()

    def look(self) -> None:
        """Give a sign of life, renew leases, tidy up, and let a free hand of each lane begin where something waits."""
        at = now()
        mine = list(self._mine)
        if mine or self._seen is None or at - self._seen >= SIGN:
            with writing():
                storage.renew(mine, at + LEASE)
                storage.see_worker(self.name, at, at - timedelta(days=1))
            self._seen = at
        stop_cancelled(at)
        fail_lost(at)
        if self._tidied is None or at - self._tidied >= TIDY:
            clear_ended(self._all, self._tools, at)
            self._tidied = at
        for lane in LANES:
            if storage.something_waits(self._kinds[lane], at) and self._has_hands(lane):
                self._begin(lane)

    def _begin(self, lane: str) -> None:
        """Let a hand work without a ring."""

        def work() -> None:
            try:
                self.work(lane)
            except Exception:  # as above: the next look begins again
                log.exception("a hand stopped")

        hand = threading.Thread(target=work, name=f"hand-{lane}")
        hand.start()
        self._started = [one for one in self._started if one.is_alive()] + [hand]

    def _has_hands(self, lane: str) -> bool:
        free = self._slots[lane].acquire(blocking=False)
        if free:
            self._slots[lane].release()
        return free

    def _do_next(self, lane: str) -> bool:
        with self._context():
            claim = claim_part(self._kinds[lane], self.name)
            if claim is None:
                return False
            self._mine.add(claim.owner)
            try:
                do_part(claim, self._all[claim.job.kind], self._tools(), self.ending.is_set)
            finally:
                self._mine.discard(claim.owner)
            if claim.part.role == PLAN:
                for _ in range(CALLED):
                    self._ring(lane)
            stop_cancelled()
            end_reading()
            checkpoint_if_large()
        return True
