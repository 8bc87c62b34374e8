"""The parts of jobs: claim one, do it, write down how it ended."""

import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError

from webapp.domain import DO, FAILED, FINISH, PLAN, QUEUED, RUNNING, SUCCEEDED, Who
from webapp.errors import JobStoppedError, JobWaitsError, MarqueError, ServerBusyError
from webapp.services.jobs.job_type import JobType, Json, RunningJob, Tools
from webapp.storage import jobs as storage
from webapp.storage.database import db, writing
from webapp.storage.tables import Job, JobPart, now

# How long a part stays with a worker that gives no sign: then another one claims it.
LEASE = timedelta(seconds=15)
ATTEMPTS = 5
# Seconds before a part is tried again; four times as long after each further attempt.
_FIRST_PAUSE = 2.0

_log = logging.getLogger("marque.jobs")


@dataclass(frozen=True)
class Claim:
    """A part that one worker has, and its job. `owner` is this claim's own name: with it the worker
    proves that the part is still its own."""

    part: JobPart
    job: Job
    owner: str


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
        result: Json | list[Json]
        if claim.part.role == PLAN and job_type.plan is not None:
            result = list(job_type.plan(job))
        elif claim.part.role == FINISH and job_type.finish is not None:
            result = job_type.finish(job, storage.results(claim.job.id))
        else:
            result = job_type.do(job)
        end_part(claim, job_type, job, result)
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
        _log.exception("job %s, part %s", claim.job.public_id, claim.part.number)
        name = type(error).__name__
        what = f"Something went wrong on the server ({name}); its log has the details."
        try_again(claim, job, what)


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
        run_after = moment + timedelta(seconds=seconds)
        _queue_part(claim, run_after, attempts=JobPart.attempts - 1)
        storage.add_lines(claim.job.id, job.lines, moment)


def try_again(claim: Claim, job: RunningJob, trouble: str) -> None:
    """Let a part wait for its next attempt, longer each time; after the last one the job fails."""
    moment, attempt = now(), claim.part.attempts + 1
    if attempt >= ATTEMPTS:
        fail_job(claim, job, trouble)
        return
    pause = _FIRST_PAUSE * 4 ** (attempt - 1)
    line = f"{trouble} Attempt {attempt} of {ATTEMPTS}; the next one in {pause:.0f} s."
    with writing():
        if _queue_part(claim, moment + timedelta(seconds=pause)):
            storage.add_lines(claim.job.id, [*job.lines, line], moment)


def fail_job(claim: Claim, job: RunningJob, trouble: str) -> None:
    """Let the job fail with this part. What other parts did stays; waiting ones are not begun."""
    moment = now()
    with writing():
        if _queue_part(claim, moment, **_figures(job)):
            storage.add_lines(claim.job.id, job.lines, moment)
            end_failed(claim.job.id, trouble, moment)


def save_progress(claim: Claim, job: RunningJob) -> None:
    """Write down how far a part is and extend its lease. Raises `JobStoppedError`."""
    moment = now()
    try:
        with writing():
            db.session.refresh(claim.job)
            if claim.job.state != RUNNING or claim.job.cancel_requested_at is not None:
                raise JobStoppedError("The job was cancelled, or has failed.")
            if not _change_part(claim, lease_until=moment + LEASE, **_figures(job)):
                raise JobStoppedError("Another worker has this part now.")
            storage.add_lines(claim.job.id, job.lines, moment)
    except ServerBusyError:
        return  # the next time is soon enough
    job.lines.clear()


def _figures(job: RunningJob) -> dict[str, int]:
    return {"done": job.done, "total": job.total, "failed": job.failed}


def _change_part(claim: Claim, **values: object) -> bool:
    return storage.change_part(claim.part.id, claim.owner, **values)


def _queue_part(claim: Claim, run_after: datetime, **values: object) -> bool:
    free = {"state": QUEUED, "owner": "", "lease_until": None, "run_after": run_after}
    return _change_part(claim, **free, **values)


def end_failed(job_id: int, trouble: str, moment: datetime) -> None:
    """Let a job fail with this sentence, inside the caller's transaction."""
    storage.change_job(job_id, QUEUED, RUNNING, state=FAILED, error=trouble[:2000], ended_at=moment)
    storage.add_lines(job_id, [f"Failed: {trouble}"], moment)
