"""Jobs for those who want them done: enqueue one, look at it, cancel it, try it again."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError

from webapp.domain import (
    CANCELLED,
    DO,
    FAILED,
    JOB_STATES,
    PLAN,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Progress,
    Who,
)
from webapp.errors import BadRequestError, JobNotFoundError, JobRefusedError
from webapp.services.jobs.job_type import JobType, Json
from webapp.storage import jobs as storage
from webapp.storage.database import writing
from webapp.storage.tables import Job, JobLine, now

__all__ = ["Job", "JobLine"]

_PAGE = 50
_LOG_LINES = 200
_LONGEST_KEY = 200
# A worker that gave no sign for so long counts as gone.
ABSENT = timedelta(seconds=60)
# Types with a job for each photo, which would fill the lists: shown only when asked for.
_LISTED = Job.type != "predict"


@dataclass(frozen=True)
class Owner:
    """Who may see a job: `id` names a person, key or browser ("" for anybody with the job's id),
    `all` sees every job."""

    id: str
    all: bool = False


EVERYBODY = Owner("", all=True)


@dataclass(frozen=True)
class Sender:
    """Who sends a job in: its owner, the name for its log, and an idempotency key, if any."""

    owner: Owner
    who: Who
    key: str = ""

    def key_hash(self) -> str | None:
        """What is stored of the key, None without one. Raises `BadRequestError`."""
        if not self.key:
            return None
        if len(self.key) > _LONGEST_KEY or not self.key.isprintable():
            raise BadRequestError(
                f"An Idempotency-Key has at most {_LONGEST_KEY} printable characters."
            )
        return hashlib.sha256(json.dumps([self.owner.id, self.key]).encode()).hexdigest()


@dataclass(frozen=True)
class JobView:
    """A job as it stands: `seconds` it has run, `rate` things a second, `left` seconds at this rate
    (None while they are not known)."""

    job: Job
    progress: Progress
    seconds: float
    rate: float | None
    left: float | None

    @property
    def state(self) -> str:
        """The job's state."""
        return self.job.state

    @property
    def over(self) -> bool:
        """True when it will not change any more."""
        return self.job.state not in storage.ACTIVE

    @property
    def stopping(self) -> bool:
        """True between a cancellation and its end: parts that run come to a stop first."""
        return not self.over and self.job.cancel_requested_at is not None


@dataclass(frozen=True)
class _JobPage:
    """Jobs, newest first; `next` is the cursor of the page after it, "" on the last one."""

    items: list[JobView]
    next: str


# ---- enqueue ----


def enqueue(
    job_type: JobType, params: Json, title: str, sender: Sender, *, public_id: str = ""
) -> Job:
    """Store a new job for the workers; with the key of an earlier job of this owner, that one.

    Acknowledged means committed.

    Raises:
        JobRefusedError: The key was used for something else.
        BadRequestError: The key is too long or not printable.
    """
    key_hash = sender.key_hash()
    try:
        with writing():
            known = storage.find_by_key(key_hash)
            if known is None:
                return add_job(job_type, params, title, sender, public_id=public_id)
    except IntegrityError:  # the same key came in through another process at the same moment
        known = storage.find_by_key(key_hash)
        if known is None:
            raise
    asked = (job_type.name, title[:255], _without_moment(params))
    if (known.type, known.title, _without_moment(known.params)) != asked:
        raise JobRefusedError(
            "This Idempotency-Key was used for another job. Nothing was put in: "
            "send a key of its own with each job."
        )
    return known


def add_job(
    job_type: JobType, params: Json, title: str, sender: Sender, *, public_id: str = ""
) -> Job:
    """Store a new job inside the caller's transaction."""
    job = Job(
        public_id=public_id or new_id(),
        type=job_type.name,
        title=title[:255],
        state=QUEUED,
        params=params,
        owner=sender.owner.id,
        user_id=sender.who.user_id,
        who=sender.who.name,
        key_hash=sender.key_hash(),
    )
    storage.add_job(job, PLAN if job_type.plan else DO, now())
    return job


def known_job(sender: Sender) -> Job | None:
    """The sender's job with the same idempotency key: to ask before a large body is kept."""
    return storage.find_by_key(sender.key_hash())


def new_id() -> str:
    """A new public id, for jobs that need it before they are enqueued."""
    return secrets.token_urlsafe(12)


def _without_moment(params: Json) -> str:
    """Params without the number of the newest photo, or the time, when they were made: the same
    request a moment later means the same."""
    return json.dumps(params | {"up_to": 0, "before": ""}, sort_keys=True)


# ---- look ----


def get_job(public_id: str, owner: Owner) -> JobView:
    """A job as it stands. Raises `JobNotFoundError`, also when it is somebody else's."""
    return _views([_visible_job(public_id, owner)])[0]


def list_jobs(
    owner: Owner, *, state: str = "", job_type: str = "", cursor: str = "", limit: int = _PAGE
) -> _JobPage:
    """The newest jobs that the owner may see. Raises `BadRequestError`."""
    if state and state not in JOB_STATES:
        raise BadRequestError(f"A job is {', '.join(JOB_STATES)}; {state[:40]!r} is none of them.")
    if cursor and (not cursor.isdecimal() or len(cursor) > 15):
        raise BadRequestError("This cursor is not one of ours. Start again without it.")
    conditions = [*_visible(owner), Job.type == job_type if job_type else _LISTED]
    if state:
        conditions.append(Job.state == state)
    if cursor:
        conditions.append(Job.id < int(cursor))
    rows = storage.list_jobs(conditions, limit + 1)
    more = len(rows) > limit
    return _JobPage(_views(list(rows[:limit])), str(rows[limit - 1].id) if more else "")


def counts(owner: Owner) -> tuple[dict[str, int], dict[str, int]]:
    """How many jobs the owner may see: by state (of those that lists show), and by type."""
    visible = _visible(owner)
    return storage.count_jobs(Job.state, [*visible, _LISTED]), storage.count_jobs(Job.type, visible)


def latest(job_type: JobType, *, succeeded: bool = False, **params: object) -> JobView | None:
    """The newest job of a type with these params among the last fifty, or the last fifty that
    `succeeded`; None without one."""
    which = [Job.type == job_type.name, *([Job.state == SUCCEEDED] if succeeded else [])]
    rows = storage.list_jobs(which, _PAGE)
    job = next((row for row in rows if params.items() <= row.params.items()), None)
    return None if job is None else _views([job])[0]


def log_lines(view: JobView) -> Sequence[JobLine]:
    """The end of a job's log, oldest first."""
    return storage.last_lines(view.job.id, _LOG_LINES)


def part_results(view: JobView) -> list[Json]:
    """The results of the parts that are through, in order."""
    return storage.results(view.job.id)


def missing_worker(job_types: Mapping[str, JobType]) -> str:
    """A sentence when jobs wait and no worker was seen for a while; "" when all is well."""
    if not storage.count_waiting(job_types, now(), limit=1) or worker_seen():
        return ""
    seen_at = storage.worker_last_seen()
    when = f"since {seen_at:%Y-%m-%d %H:%M} UTC" if seen_at else "yet"
    return f"Jobs wait, and no worker was seen {when}. Start one: flask worker."


def worker_seen() -> bool:
    """True when a worker was seen within the last minute."""
    seen_at = storage.worker_last_seen()
    return seen_at is not None and now() - seen_at < ABSENT


def overview() -> str:
    """A line about jobs and workers for the operator."""
    states, seen_at = storage.count_jobs(Job.state), storage.worker_last_seen()
    running, waiting, failed = (states.get(state, 0) for state in (RUNNING, QUEUED, FAILED))
    worker = f"a worker was seen {seen_at:%Y-%m-%d %H:%M:%S} UTC" if seen_at else ""
    worker = worker or "no worker was seen yet"
    return f"{running} running, {waiting} waiting, {failed} failed; {worker}"


def _visible(owner: Owner) -> list[ColumnElement[bool]]:
    """The condition for what an owner may see. One without a name sees none in lists."""
    return [] if owner.all else [Job.owner == (owner.id or "nobody")]


def _visible_job(public_id: str, owner: Owner) -> Job:
    job = storage.find_job(public_id)
    if job is None or not (owner.all or not job.owner or job.owner == owner.id):
        raise JobNotFoundError("There is no such job here, or it is somebody else's.")
    return job


def _views(rows: list[Job]) -> list[JobView]:
    progress = storage.progress([row.id for row in rows])
    return [_view(row, progress.get(row.id, Progress())) for row in rows]


def _view(job: Job, progress: Progress) -> JobView:
    seconds = ((job.ended_at or now()) - job.started_at).total_seconds() if job.started_at else 0.0
    rate = progress.done / seconds if progress.done and seconds >= 1 else None
    left = None
    if rate and job.state == RUNNING and progress.total:
        left = max(0, progress.total - progress.done) / rate
    return JobView(job, progress, seconds, rate, left)


# ---- change ----


def cancel_job(public_id: str, owner: Owner, who: Who) -> JobView:
    """Cancel a job. Waiting parts are not begun; running ones stop within a second or two, and then
    it is cancelled. What was done stays. Cancelling twice does nothing more.

    Raises `JobNotFoundError`, and `JobRefusedError` when it has succeeded or failed.
    """
    with writing():
        job = _visible_job(public_id, owner)
        if job.state not in (*storage.ACTIVE, CANCELLED):
            raise JobRefusedError(f"This job has {job.state} already. Nothing was changed.")
        if job.state in storage.ACTIVE and job.cancel_requested_at is None:
            moment = now()
            storage.change_job(job.id, *storage.ACTIVE, cancel_requested_at=moment)
            storage.add_lines(job.id, [f"Cancelled by {who.name}."], moment)
    stop_cancelled()
    return get_job(public_id, owner)


def stop_cancelled(moment: datetime | None = None) -> None:
    """End cancelled jobs whose parts have all come to a stop."""
    moment = moment or now()
    if storage.jobs_to_stop(moment):
        with writing():
            for job in storage.jobs_to_stop(moment):
                storage.change_job(job.id, *storage.ACTIVE, state=CANCELLED, ended_at=moment)


def retry_job(public_id: str, owner: Owner, who: Who) -> JobView:
    """Let a job that failed or was cancelled go on: parts that are through stay so.

    Raises `JobNotFoundError`, and `JobRefusedError` when it did not fail or its files were removed.
    """
    with writing():
        job = _visible_job(public_id, owner)
        if job.state not in (FAILED, CANCELLED):
            raise JobRefusedError(
                f"Only a job that failed or was cancelled can go on; this one is {job.state}."
            )
        if job.cleared_at is not None:
            raise JobRefusedError("What this job needs was removed when it ended. Put it in again.")
        moment = now()
        storage.give_back(job.id, moment)
        fresh = {"error": "", "cancel_requested_at": None, "ended_at": None, "claimed_at": moment}
        storage.change_job(job.id, FAILED, CANCELLED, state=QUEUED, **fresh)
        storage.add_lines(job.id, [f"Started again by {who.name}."], moment)
    return get_job(public_id, owner)
