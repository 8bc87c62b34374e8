"""The worker's side of jobs: claim a part, keep its lease, do it, write down how it ended."""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import OperationalError

from webapp.domain import (
    CANCELLED,
    DO,
    FAILED,
    FINISH,
    LONG,
    PLAN,
    QUEUED,
    QUEUES,
    RUNNING,
    SHORT,
    SUCCEEDED,
    Who,
)
from webapp.errors import JobStoppedError, JobWaitsError, MarqueError, ServerBusyError
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.storage import jobs as storage
from webapp.storage.database import checkpoint_if_large, end_reading, writing
from webapp.storage.tables import Job, JobPart, now

# Seconds between two looks at the jobs table for something to do.
POLL = 0.5
# Between two times that a worker renews its leases and looks after jobs that lost their worker.
RENEW_EVERY = timedelta(seconds=3)
# Between two signs of life of a worker that has nothing to do.
SIGN_EVERY = timedelta(seconds=20)
CLEAR_EVERY = timedelta(seconds=30)
# How long a part stays with a worker that gives no sign: then another one claims it.
LEASE = timedelta(seconds=15)
ATTEMPTS = 5
# Seconds before a part is tried again; four times as long after each further attempt.
FIRST_PAUSE = 2.0
# How long the files of a job that failed wait for somebody to try it again.
FILES_KEPT = timedelta(days=7)
JOBS_KEPT = timedelta(days=90)
LOST = (
    "This job was interrupted five times: its worker was killed, or ran out of memory. "
    "What was done before is kept."
)
NEVER = datetime.min.replace(tzinfo=UTC)

log = logging.getLogger("marque.jobs")


@dataclass(frozen=True)
class Claim:
    """A part that one worker has, and its job. `owner` is this claim's own name: with it the worker
    proves that the part is still its own."""

    part: JobPart
    job: Job
    owner: str


# ---- claim a part, and write down how it ended ----


def claim_part(
    job_types: Mapping[str, JobType], worker: str, moment: datetime | None = None, *, only: str = ""
) -> Claim | None:
    """Claim the next part of these types, None when nothing waits.

    `moment` is now unless given, `only` the public id of the one job that is meant.
    """
    moment = moment or now()
    if not storage.count_waiting(job_types, moment, limit=1):
        return None
    with writing():
        row = storage.next_part(job_types, moment, ATTEMPTS, only)
        if row is None:
            return None
        part, job = row
        owner = f"{worker}/{secrets.token_hex(4)}"
        if not storage.claim_part(part.id, owner, moment, moment + LEASE):
            return None
        started = {"claimed_at": moment, "started_at": job.started_at or moment}
        storage.change_job(job.id, QUEUED, RUNNING, state=RUNNING, **started)
    return Claim(part, job, owner)


def running_job(claim: Claim, tools: Tools, stopping: Callable[[], bool]) -> RunningJob:
    """What a job type is given to do a claimed part."""
    row = claim.job
    return RunningJob(
        id=row.public_id,
        params=row.params,
        part=claim.part.params,
        who=Who(row.who, row.user_id),
        tools=tools,
        save=lambda job: save_progress(claim, job),
        stopping=stopping,
        total=claim.part.total,
    )


def do_part(
    claim: Claim, job_type: JobType, tools: Tools, stopping: Callable[[], bool] = lambda: False
) -> None:
    """Do a claimed part and write down how it ended. Errors are written down, never raised."""
    job = running_job(claim, tools, stopping)
    try:
        end_part(claim, job_type, job, _result(job_type, claim, job))
    except JobStoppedError:
        put_back(claim, job)
    except JobWaitsError as error:
        job.say(str(error))
        put_back(claim, job, seconds=error.seconds)
    except OperationalError:
        try_again(claim, job, "The database did not answer.")
    except ServerBusyError as error:
        try_again(claim, job, str(error))
    except MarqueError as error:
        fail_job(claim, job, str(error))
    except Exception as error:
        log.exception("job %s, part %s", claim.job.public_id, claim.part.number)
        what = (
            f"Something went wrong on the server ({type(error).__name__}); its log has the details."
        )
        try_again(claim, job, what)


def do_here(job_id: str, job_type: JobType, tools: Tools) -> None:
    """Do a job of one short part in this process, if it waits: for a server without a worker."""
    claim = claim_part({job_type.name: job_type}, "web", only=job_id)
    if claim is not None:
        do_part(claim, job_type, tools)


def end_part(claim: Claim, job_type: JobType, job: RunningJob, result: Json | list[Json]) -> None:
    """Write down that a part is through, and what comes next: the parts of a plan, the finish after
    the last part, the end of the job."""
    moment, part, job_id = now(), claim.part, claim.job.id
    values: Json = {"done": max(job.done, job.total), "total": job.total, "failed": job.failed}
    if isinstance(result, dict):
        values["result"] = result
    with writing():
        # The job's row first, so that two last parts come one after the other.
        active = storage.change_job(job_id, RUNNING, claimed_at=moment)
        if not _change_part(claim, state=SUCCEEDED, lease_until=None, **values):
            return
        storage.add_lines(job_id, job.lines, moment)
        if not active:
            return
        if part.role == FINISH or (part.role == DO and job_type.finish is None):
            storage.change_job(job_id, RUNNING, state=SUCCEEDED, result=result, ended_at=moment)
            return
        if isinstance(result, list):
            storage.add_parts(job_id, DO, result, run_after=moment)
        left, last = storage.count_parts(job_id)
        if not left:
            storage.add_parts(job_id, FINISH, [{}], run_after=moment, first=last + 1)


def put_back(claim: Claim, job: RunningJob, *, seconds: float = 0.0) -> None:
    """Let a part wait again for `seconds`, as if it had not been claimed."""
    moment = now()
    with writing():
        attempts = JobPart.attempts - 1
        _queue_part(claim, moment + timedelta(seconds=seconds), attempts=attempts)
        storage.add_lines(claim.job.id, job.lines, moment)


def try_again(claim: Claim, job: RunningJob, trouble: str, moment: datetime | None = None) -> None:
    """Let a part wait for its next attempt, longer each time; after the last one the job fails."""
    moment = moment or now()
    attempt = claim.part.attempts + 1
    if attempt >= ATTEMPTS:
        fail_job(claim, job, trouble, moment)
        return
    pause = FIRST_PAUSE * 4 ** (attempt - 1)
    line = f"{trouble} Attempt {attempt} of {ATTEMPTS}; the next one in {pause:.0f} s."
    with writing():
        if _queue_part(claim, moment + timedelta(seconds=pause)):
            storage.add_lines(claim.job.id, [*job.lines, line], moment)


def fail_job(claim: Claim, job: RunningJob, trouble: str, moment: datetime | None = None) -> None:
    """Let the job fail with this part. What other parts did stays; waiting ones are not begun."""
    moment = moment or now()
    with writing():
        if _queue_part(claim, moment, **_figures(job)):
            storage.add_lines(claim.job.id, job.lines, moment)
            _fail(claim.job.id, trouble, moment)


def save_progress(claim: Claim, job: RunningJob) -> None:
    """Write down how far a part is and extend its lease. Raises `JobStoppedError`."""
    moment = now()
    try:
        with writing():
            row = storage.job_by_number(claim.job.id)
            if row.state != RUNNING or row.cancel_requested_at is not None:
                raise JobStoppedError("The job was cancelled, or has failed.")
            if not _change_part(claim, lease_until=moment + LEASE, **_figures(job)):
                raise JobStoppedError("Another worker has this part now.")
            storage.add_lines(claim.job.id, job.lines, moment)
    except ServerBusyError:
        return  # the next time is soon enough
    job.lines.clear()


def _result(job_type: JobType, claim: Claim, job: RunningJob) -> Json | list[Json]:
    if claim.part.role == PLAN and job_type.plan is not None:
        return list(job_type.plan(job))
    if claim.part.role == FINISH and job_type.finish is not None:
        return job_type.finish(job, storage.results(claim.job.id))
    return job_type.do(job)


def _figures(job: RunningJob) -> dict[str, int]:
    return {"done": job.done, "total": job.total, "failed": job.failed}


def _change_part(claim: Claim, **values: object) -> bool:
    return storage.change_part(claim.part.id, claim.owner, **values)


def _queue_part(claim: Claim, run_after: datetime, **values: object) -> bool:
    free = {"state": QUEUED, "owner": "", "lease_until": None, "run_after": run_after}
    return _change_part(claim, **free, **values)


def _fail(job_id: int, trouble: str, moment: datetime) -> None:
    storage.change_job(job_id, QUEUED, RUNNING, state=FAILED, error=trouble[:2000], ended_at=moment)
    storage.add_lines(job_id, [f"Failed: {trouble}"], moment)


# ---- tidy up ----


def stop_cancelled(moment: datetime | None = None) -> None:
    """End cancelled jobs whose parts have all come to a stop."""
    moment = moment or now()
    if storage.jobs_to_stop(moment):
        with writing():
            for job in storage.jobs_to_stop(moment):
                storage.change_job(job.id, QUEUED, RUNNING, state=CANCELLED, ended_at=moment)


def fail_lost(moment: datetime | None = None) -> None:
    """Let jobs fail that have a part which took its worker with it again and again."""
    moment = moment or now()
    if storage.jobs_with_lost_parts(moment, ATTEMPTS):
        with writing():
            for job_id in storage.jobs_with_lost_parts(moment, ATTEMPTS):
                _fail(job_id, LOST, moment)


def clear_ended(
    job_types: Mapping[str, JobType], tools: Callable[[], Tools], moment: datetime | None = None
) -> None:
    """Remove the files of jobs that need them no more, and forget jobs of long ago."""
    moment = moment or now()
    for job_type in job_types.values():
        if job_type.clear is None:
            continue
        for job in storage.jobs_to_clear(
            job_type.name, moment - job_type.kept, moment - FILES_KEPT
        ):
            job_type.clear(job.public_id, job.params, tools())
            with writing():
                storage.change_job(job.id, SUCCEEDED, CANCELLED, FAILED, cleared_at=moment)
    if storage.has_ended_before(moment - JOBS_KEPT):
        with writing():
            storage.remove_jobs(moment - JOBS_KEPT)


# ---- the worker ----


class Worker:
    """One worker process: some threads for short jobs and one for long ones, which poll the table.

    Args:
        context: Surrounds everything that touches the database.
        threads: How many parts of short jobs it does at once.
    """

    def __init__(
        self,
        job_types: Mapping[str, JobType],
        tools: Callable[[], Tools],
        context: Callable[[], AbstractContextManager[object]],
        threads: int = 1,
    ) -> None:
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(3)}"
        self.stopping = threading.Event()
        self._job_types = job_types
        self._tools = tools
        self._context = context
        self._slots = {SHORT: threads, LONG: 1}
        self._threads: dict[str, list[threading.Thread]] = {queue: [] for queue in QUEUES}
        self._claims: set[str] = set()
        self._renewed_at = self._signed_at = self._cleared_at = NEVER

    def run(self) -> None:
        """Poll and work until `stopping` is set, then wait for the threads."""
        while not self.stopping.is_set():
            try:
                with self._context():
                    self.poll()
            except Exception:  # the database may be back at the next look
                log.exception("looking for jobs failed")
            self.stopping.wait(POLL)
        self.join()
        with suppress(Exception), self._context(), writing():
            storage.forget_worker(self.name)

    def join(self) -> None:
        """Wait until the threads have nothing to do, or have stopped because the worker ends."""
        for thread in [thread for threads in self._threads.values() for thread in threads]:
            thread.join()

    def poll(self) -> None:
        """Renew leases and tidy up when it is time, and start threads for the parts that wait."""
        moment = now()
        if moment - self._renewed_at >= RENEW_EVERY:
            self._renew(moment)
        for queue, threads in self._threads.items():
            threads[:] = [thread for thread in threads if thread.is_alive()]
            if free := self._slots[queue] - len(threads):
                for _ in range(storage.count_waiting(self._types_of(queue), moment, limit=free)):
                    thread = threading.Thread(
                        target=self._run_thread, args=(queue,), name=f"jobs-{queue}"
                    )
                    threads.append(thread)
                    thread.start()

    def run_queue(self, queue: str) -> None:
        """Do parts of a queue until nothing waits or the worker ends."""
        while not self.stopping.is_set() and self._do_next(queue):
            pass

    def _types_of(self, queue: str) -> dict[str, JobType]:
        return {name: each for name, each in self._job_types.items() if each.queue == queue}

    def _renew(self, moment: datetime) -> None:
        claims = list(self._claims)
        if claims or moment - self._signed_at >= SIGN_EVERY:
            with writing():
                storage.renew(claims, moment + LEASE)
                storage.see_worker(self.name, moment, moment - timedelta(days=1))
            self._signed_at = moment
        stop_cancelled(moment)
        fail_lost(moment)
        if moment - self._cleared_at >= CLEAR_EVERY:
            clear_ended(self._job_types, self._tools, moment)
            self._cleared_at = moment
        self._renewed_at = moment

    def _run_thread(self, queue: str) -> None:
        try:
            self.run_queue(queue)
        except Exception:  # the next poll starts another thread
            log.exception("a worker thread stopped")

    def _do_next(self, queue: str) -> bool:
        with self._context():
            claim = claim_part(self._types_of(queue), self.name)
            if claim is None:
                return False
            self._claims.add(claim.owner)
            try:
                job_type = self._job_types[claim.job.type]
                do_part(claim, job_type, self._tools(), self.stopping.is_set)
            finally:
                self._claims.discard(claim.owner)
            stop_cancelled()
            end_reading()
            checkpoint_if_large()
        return True
