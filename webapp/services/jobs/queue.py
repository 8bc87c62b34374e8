"""Jobs for those who want them done: put one in, see how it stands, cancel it, try it again."""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from webapp.domain import (
    CANCELLED,
    DO,
    FAILED,
    JOB_STATES,
    LANES,
    PLAN,
    QUEUED,
    RUNNING,
    JobFilter,
    Progress,
    Who,
)
from webapp.errors import BadRequestError, JobNotFoundError, JobRefusedError
from webapp.services.jobs.job_type import Json, Kind, part_row
from webapp.storage import jobs as storage
from webapp.storage.database import writing
from webapp.storage.tables import Job, JobLine, now

__all__ = ["Job", "JobFilter", "JobLine", "Progress"]

PAGE = 50
TAIL = 200
"""Lines of a log that are shown."""
ABSENT = timedelta(seconds=60)
"""After so long without a sign a worker counts as gone."""
LONGEST_KEY = 200
OF_THE_MOMENT = ("up_to", "before")
"""What questions note of when they were asked: the number of the newest photo then, a time counted back from it."""
UNLISTED = ("predict",)
"""Kinds that come one for each photo. Lists would hold little else, so they show them only when asked for."""

Ring = Callable[[str], None]
"""Rings the doorbell of a lane. It may be lost: workers also look by themselves."""


@dataclass(frozen=True)
class Owner:
    """Who puts a job in, and who may see it: `id` names a person, key or browser ("" for who has the job's id), `all` sees every job."""

    id: str
    all: bool = False


@dataclass(frozen=True)
class JobView:
    """A job as it stands: `seconds` it has been worked on, `rate` things a second, `left` seconds at this rate (None: nobody knows)."""

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
        return not self.over and self.job.stop_at is not None


@dataclass(frozen=True)
class JobPage:
    """Jobs, newest first; `next` is the cursor of the page after it, "" on the last one."""

    items: list[JobView]
    next: str


# ---- putting in ----


def put_in(
    kind: Kind,
    asked: Json,
    *,
    title: str,
    owner: Owner,
    who: Who,
    ring: Ring,
    key: str = "",
    public_id: str = "",
) -> tuple[Job, bool]:
    """Put a job in; returns it and whether it is new: with the idempotency key of an earlier job of this owner that one comes back.

    Acknowledged means committed. Raises `JobRefusedError` when the key was used for something else, `BadRequestError` for a strange key.
    """
    once = _once(key, owner)
    job = Job(
        public_id=public_id or new_id(),
        kind=kind.name,
        title=title[:255],
        state=QUEUED,
        question=asked,
        owner=owner.id,
        user_id=who.user_id,
        who=who.name,
        once=once,
        turn_at=now(),
        created_at=now(),
    )
    try:
        with writing():
            known = storage.find_once(once) if once else None
            if known is None:
                storage.add_job(job)
                storage.add_parts(
                    [
                        part_row(job.id, 0, PLAN, {}, now())
                        if kind.plan
                        else part_row(job.id, 1, DO, {}, now())
                    ]
                )
    except IntegrityError:  # the same key came in through another process at the same moment
        known = storage.find_once(once or "")
        if known is None:
            raise
    if known is not None:
        return _same(known, kind, title, asked), False
    ring(kind.lane)
    return job, True


def known_job(key: str, owner: Owner) -> Job | None:
    """The job that this owner put in with this idempotency key, if any: to ask before a large body is kept."""
    once = _once(key, owner)
    return storage.find_once(once) if once else None


def new_id() -> str:
    """A fresh public id, for jobs that need it before they are put in."""
    return secrets.token_urlsafe(12)


def _once(key: str, owner: Owner) -> str | None:
    if not key:
        return None
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise BadRequestError(f"An Idempotency-Key has at most {LONGEST_KEY} printable characters.")
    return hashlib.sha256(json.dumps([owner.id, key]).encode()).hexdigest()


def _same(known: Job, kind: Kind, title: str, asked: Json) -> Job:
    if (known.kind, known.title, _meant(known.question)) != (kind.name, title[:255], _meant(asked)):
        raise JobRefusedError(
            "This Idempotency-Key was used for another job. Nothing was put in: send a key of its own with each job."
        )
    return known


def _meant(question: Json) -> str:
    """What was asked, without the moment that it notes: the same request a moment later means the same."""
    return json.dumps(
        {name: value for name, value in question.items() if name not in OF_THE_MOMENT},
        sort_keys=True,
    )


# ---- looking ----


def get_job(public_id: str, owner: Owner) -> JobView:
    """A job as it stands. Raises `JobNotFoundError`, also when it is somebody else's."""
    return _view([_job(public_id, owner)])[0]


def list_jobs(
    owner: Owner, *, state: str = "", kind: str = "", cursor: str = "", limit: int = PAGE
) -> JobPage:
    """The newest jobs that this person may see. Raises `BadRequestError` for a filter or cursor that makes no sense."""
    if state and state not in JOB_STATES:
        raise BadRequestError(f"A job is {', '.join(JOB_STATES)}; {state[:40]!r} is none of them.")
    if cursor and (not cursor.isdecimal() or len(cursor) > 15):
        raise BadRequestError("This cursor is not one of ours. Start again without it.")
    rows = storage.list_jobs(
        visible(owner, state, kind), before=int(cursor) if cursor else None, limit=limit + 1
    )
    return JobPage(_view(list(rows[:limit])), str(rows[limit - 1].id) if len(rows) > limit else "")


def visible(owner: Owner, state: str = "", kind: str = "") -> JobFilter:
    """The filter that shows a person what they may see. Who has no name sees none in lists."""
    return JobFilter(state, kind, None if owner.all else owner.id or "nobody", UNLISTED)


def counts(owner: Owner) -> tuple[dict[str, int], dict[str, int]]:
    """How many jobs this person may see, by state and by kind; the states are of those that lists show."""
    return storage.count_states(visible(owner)), storage.count_kinds(
        replace(visible(owner), without=())
    )


def latest(kind: Kind, **asked: object) -> JobView | None:
    """The newest job of a kind, whoever put it in, that was asked this; None when there is none among the last fifty."""
    rows = storage.list_jobs(JobFilter(kind=kind.name), before=None, limit=PAGE)
    found = next((one for one in rows if asked.items() <= one.question.items()), None)
    return None if found is None else _view([found])[0]


def tail(view: JobView) -> list[JobLine]:
    """The end of a job's log, oldest first."""
    return storage.last_lines(view.job.id, TAIL)


def part_results(view: JobView) -> list[Json]:
    """What came of the parts that are through, in order."""
    return storage.results(view.job.id)


def nobody_works(kinds: Mapping[str, Kind]) -> str:
    """A sentence when jobs wait and no worker was seen for a while; "" when all is well."""
    if not storage.something_waits(kinds, now()) or somebody_works():
        return ""
    seen = storage.last_seen()
    when = f"since {seen:%Y-%m-%d %H:%M} UTC" if seen else "yet"
    return f"Jobs wait, and no worker was seen {when}. Start one: flask worker."


def somebody_works() -> bool:
    """True when a worker was seen within the last minute."""
    seen = storage.last_seen()
    return seen is not None and now() - seen < ABSENT


def how_many() -> str:
    """A line about jobs and workers for the operator."""
    found = storage.count_states(JobFilter())
    seen = storage.last_seen()
    worker = f"a worker was seen {seen:%Y-%m-%d %H:%M:%S} UTC" if seen else "no worker was seen yet"
    return f"{found.get(RUNNING, 0)} running, {found.get(QUEUED, 0)} waiting, {found.get(FAILED, 0)} failed; {worker}"


def _job(public_id: str, owner: Owner) -> Job:
    job = storage.find_job(public_id)
    if job is None or not (owner.all or not job.owner or job.owner == owner.id):
        raise JobNotFoundError("There is no such job here, or it is somebody else's.")
    return job


def _view(rows: list[Job]) -> list[JobView]:
    found = storage.progress([one.id for one in rows])
    return [_timed(one, found.get(one.id, Progress())) for one in rows]


def _timed(job: Job, progress: Progress) -> JobView:
    seconds = ((job.ended_at or now()) - job.started_at).total_seconds() if job.started_at else 0.0
    rate = progress.done / seconds if progress.done and seconds >= 1 else None
    going = job.state == RUNNING and rate and progress.total
    return JobView(
        job,
        progress,
        seconds,
        rate,
        max(0, progress.total - progress.done) / rate if going and rate else None,
    )


# ---- changing ----


def cancel_job(public_id: str, owner: Owner, who: Who) -> JobView:
    """Cancel a job. What waits is not begun; parts that run stop within a second or two, and then it is cancelled. What was done stays.

    Cancelling twice does nothing more. Raises `JobNotFoundError`, and `JobRefusedError` when it has ended.
    """
    with writing():
        job = _job(public_id, owner)
        if job.state not in (*storage.ACTIVE, CANCELLED):
            raise JobRefusedError(f"This job has {job.state} already. Nothing was changed.")
        if job.state in storage.ACTIVE and job.stop_at is None:
            at = now()
            storage.change_job(job.id, *storage.ACTIVE, stop_at=at)
            storage.add_lines(job.id, [f"Cancelled by {who.name}."], at)
            if not storage.worked_on(job.id, at):
                storage.change_job(job.id, *storage.ACTIVE, state=CANCELLED, ended_at=at)
    return get_job(public_id, owner)


def retry_job(public_id: str, owner: Owner, who: Who, ring: Ring) -> JobView:
    """Let a job that failed or was cancelled go on: parts that are through stay so.

    Raises `JobNotFoundError`, and `JobRefusedError` when it did not fail, or when its files were removed.
    """
    with writing():
        job = _job(public_id, owner)
        if job.state not in (FAILED, CANCELLED):
            raise JobRefusedError(
                f"Only a job that failed or was cancelled can go on; this one is {job.state}."
            )
        if job.cleared_at is not None:
            raise JobRefusedError("What this job needs was removed when it ended. Put it in again.")
        at = now()
        storage.give_back(job.id, at)
        storage.change_job(
            job.id,
            FAILED,
            CANCELLED,
            state=QUEUED,
            error="",
            stop_at=None,
            ended_at=None,
            turn_at=at,
        )
        storage.add_lines(job.id, [f"Started again by {who.name}."], at)
    for lane in LANES:
        ring(lane)
    return get_job(public_id, owner)
