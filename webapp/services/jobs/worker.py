"""The worker: threads that poll the jobs table, and what it tidies up between."""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta

from webapp.domain import CANCELLED, FAILED, LONG, QUEUES, SHORT, SUCCEEDED
from webapp.services.jobs.job_type import JobType, Tools
from webapp.services.jobs.parts import ATTEMPTS, LEASE, claim_part, do_part, end_failed
from webapp.services.jobs.queue import stop_cancelled
from webapp.storage import jobs as storage
from webapp.storage.database import end_reading, writing
from webapp.storage.sqlite import checkpoint_if_large
from webapp.storage.tables import now

# Seconds between two looks at the jobs table for something to do.
_POLL = 0.5
# Between two times that a worker renews its leases and looks after jobs that lost their worker.
_RENEW_EVERY = timedelta(seconds=3)
# Between two signs of life of a worker that has nothing to do.
_SIGN_EVERY = timedelta(seconds=20)
_CLEAR_EVERY = timedelta(seconds=30)
# How long the files of a job that failed wait for somebody to try it again.
FILES_KEPT = timedelta(days=7)
JOBS_KEPT = timedelta(days=90)
_LOST = (
    "This job was interrupted five times: its worker was killed, or ran out of memory. "
    "What was done before is kept."
)
_NEVER = datetime.min.replace(tzinfo=UTC)

_log = logging.getLogger("marque.jobs")


# ---- tidy up ----


def fail_lost(moment: datetime | None = None) -> None:
    """Let jobs fail that have a part which took its worker with it again and again."""
    moment = moment or now()
    if storage.jobs_with_lost_parts(moment, ATTEMPTS):
        with writing():
            for job_id in storage.jobs_with_lost_parts(moment, ATTEMPTS):
                end_failed(job_id, _LOST, moment)


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
        self._renewed_at = self._signed_at = self._cleared_at = _NEVER

    def run(self) -> None:
        """Poll and work until `stopping` is set, then wait for the threads."""
        while not self.stopping.is_set():
            try:
                with self._context():
                    self.poll()
            except Exception:  # the database may be back at the next look
                _log.exception("looking for jobs failed")
            self.stopping.wait(_POLL)
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
        if moment - self._renewed_at >= _RENEW_EVERY:
            self._renew(moment)
        for queue, threads in self._threads.items():
            threads[:] = [thread for thread in threads if thread.is_alive()]
            if free := self._slots[queue] - len(threads):
                for _ in range(storage.count_waiting(self._types_of(queue), moment, limit=free)):
                    thread = threading.Thread(target=self._run_thread, args=(queue,), name=queue)
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
        if claims or moment - self._signed_at >= _SIGN_EVERY:
            with writing():
                storage.renew(claims, moment + LEASE)
                storage.see_worker(self.name, moment, moment - timedelta(days=1))
            self._signed_at = moment
        stop_cancelled(moment)
        fail_lost(moment)
        if moment - self._cleared_at >= _CLEAR_EVERY:
            clear_ended(self._job_types, self._tools, moment)
            self._cleared_at = moment
        self._renewed_at = moment

    def _run_thread(self, queue: str) -> None:
        try:
            self.run_queue(queue)
        except Exception:  # the next poll starts another thread
            _log.exception("a worker thread stopped")

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
