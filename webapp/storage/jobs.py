"""Queries about jobs, their parts, their log and the workers. Only `remove_jobs` commits."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from webapp.domain import (
    CANCELLED,
    DO,
    FAILED,
    PLAN,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    Progress,
)
from webapp.storage.database import db, update_rows, write_if_free
from webapp.storage.tables import Job, JobLine, JobPart, JobWorker, Photo

ACTIVE = (QUEUED, RUNNING)


# ---- jobs ----


def add_job(job: Job, role: str, run_after: datetime) -> None:
    """Store a new job with its first part, which may run after a moment."""
    db.session.add(job)
    db.session.flush()
    add_parts(job.id, role, [{}], run_after=run_after, first=0 if role == PLAN else 1)


def find_job(public_id: str) -> Job | None:
    """The job as it is now, or None."""
    return _jobs(Job.public_id == public_id).one_or_none()


def find_by_key(key_hash: str | None) -> Job | None:
    """The job with this hash of an idempotency key; None without one, and without a key."""
    return _jobs(Job.key_hash == key_hash).one_or_none() if key_hash else None


def change_job(number: int, *states: str, **values: Any) -> bool:
    """Change a job if it is in one of `states` (in any, without); True when it was."""
    statement = update(Job).where(Job.id == number).values(**values)
    return update_rows(statement.where(Job.state.in_(states)) if states else statement) == 1


def list_jobs(conditions: Iterable[ColumnElement[bool]], limit: int) -> Sequence[Job]:
    """The newest jobs that fulfil all conditions."""
    statement = select(Job).where(*conditions).order_by(Job.id.desc()).limit(limit)
    return db.session.scalars(statement).all()


def count_jobs(column: Any, conditions: Iterable[ColumnElement[bool]] = ()) -> dict[str, int]:
    """How many jobs fulfil all conditions, by their state or type."""
    statement = select(column, func.count()).where(*conditions).group_by(column)
    return {value: int(count) for value, count in db.session.execute(statement)}


def uncleared_params(job_type: str) -> Sequence[dict[str, Any]]:
    """The params of the jobs of a type whose files are still there."""
    statement = select(Job.params).where(Job.type == job_type, Job.cleared_at.is_(None))
    return db.session.scalars(statement).all()


def jobs_to_clear(job_type: str, ended_before: datetime, failed_before: datetime) -> Sequence[Job]:
    """Jobs of a type whose files can go: those that were cancelled, ended well, or failed."""
    over = or_(
        Job.state == CANCELLED,
        and_(Job.state == SUCCEEDED, Job.ended_at <= ended_before),
        and_(Job.state == FAILED, Job.ended_at < failed_before),
    )
    return _jobs(Job.type == job_type, Job.cleared_at.is_(None), over).all()


def remove_jobs(ended_before: datetime) -> None:
    """Delete jobs that ended before a moment, with their parts and lines, if nobody else writes."""
    write_if_free(delete(Job).where(Job.ended_at < ended_before))


def _jobs(*conditions: Any) -> Any:
    statement = select(Job).where(*conditions).execution_options(populate_existing=True)
    return db.session.scalars(statement)


# ---- parts ----


def add_parts(
    job_id: int, role: str, parts: Iterable[dict[str, Any]], *, run_after: datetime, first: int = 1
) -> None:
    """Add parts with these params to a job, numbered from `first`; they may run after a moment."""
    new = {"job_id": job_id, "role": role, "state": QUEUED, "run_after": run_after}
    rows = [
        new | {"number": number, "params": params, "total": params.get("total", 0)}
        for number, params in enumerate(parts, first)
    ]
    if rows:
        db.session.execute(insert(JobPart), rows)


def next_part(
    job_types: Iterable[str], moment: datetime, most_attempts: int, only: str = ""
) -> tuple[JobPart, Job] | None:
    """The part that should be claimed next, with its job; None when nothing waits.

    Jobs take turns, parts come in order. `only` is the public id of one job, "" for any.
    """
    not_lost = or_(JobPart.state == QUEUED, JobPart.attempts < most_attempts)
    statement = _waiting(job_types, moment).add_columns(JobPart, Job).where(not_lost)
    if only:
        statement = statement.where(Job.public_id == only)
    statement = statement.order_by(Job.claimed_at, Job.id, JobPart.number).limit(1)
    row = db.session.execute(statement.execution_options(populate_existing=True)).first()
    return None if row is None else (row[1], row[2])


def count_waiting(job_types: Iterable[str], moment: datetime, *, limit: int) -> int:
    """How many parts of these types could be claimed now, counted up to `limit`."""
    return len(db.session.execute(_waiting(job_types, moment).limit(limit)).all())


def claim_part(part_id: int, owner: str, moment: datetime, until: datetime) -> bool:
    """Give a part to a worker: False when the UPDATE hits no row, as another one was quicker."""
    free = or_(JobPart.state == QUEUED, _lost(moment))
    statement = update(JobPart).where(JobPart.id == part_id, free)
    values = {"state": RUNNING, "owner": owner, "lease_until": until, "done": 0, "failed": 0}
    return update_rows(statement.values(attempts=JobPart.attempts + 1, **values)) == 1


def change_part(part_id: int, claimed_by: str, **values: Any) -> bool:
    """Change a part that this owner has claimed; False when it has it no more."""
    mine = and_(JobPart.id == part_id, JobPart.owner == claimed_by, JobPart.state == RUNNING)
    return update_rows(update(JobPart).where(mine).values(**values)) == 1


def renew(owners: Sequence[str], until: datetime) -> None:
    """Extend the leases of the parts that these have."""
    mine = and_(JobPart.owner.in_(owners), JobPart.state == RUNNING)
    update_rows(update(JobPart).where(mine).values(lease_until=until))


def give_back(job_id: int, moment: datetime) -> None:
    """Let the open parts of a job wait again from a moment on, as if never tried."""
    open_parts = and_(JobPart.job_id == job_id, JobPart.state != SUCCEEDED)
    fresh = {"state": QUEUED, "owner": "", "lease_until": None, "attempts": 0}
    db.session.execute(update(JobPart).where(open_parts).values(run_after=moment, **fresh))


def jobs_with_lost_parts(moment: datetime, attempts: int) -> Sequence[int]:
    """Jobs, by number, with a part claimed `attempts` times or more whose last worker is gone."""
    statement = select(Job.id).join(JobPart, JobPart.job_id == Job.id).distinct()
    gone = statement.where(_lost(moment), JobPart.attempts >= attempts, *_GOING_ON)
    return db.session.scalars(gone).all()


def jobs_to_stop(moment: datetime) -> Sequence[Job]:
    """Jobs that somebody cancelled and that no worker works on any more."""
    busy = exists().where(JobPart.job_id == Job.id, _leased(moment))
    return _jobs(Job.state.in_(ACTIVE), Job.cancel_requested_at.is_not(None), ~busy).all()


def count_parts(job_id: int) -> tuple[int, int]:
    """How many parts of a job are not through, and the highest number of its parts."""
    columns = func.count(case((JobPart.state != SUCCEEDED, 1))), func.max(JobPart.number)
    left, last = db.session.execute(select(*columns).where(JobPart.job_id == job_id)).one()
    return left, last


def results(job_id: int) -> list[dict[str, Any]]:
    """The results of the parts of a job that are through, in order."""
    statement = select(JobPart.result).where(JobPart.job_id == job_id, JobPart.role == DO)
    rows = db.session.execute(statement.order_by(JobPart.number)).scalars()
    return [result for result in rows if result is not None]


def progress(job_ids: Sequence[int]) -> dict[int, Progress]:
    """How far these jobs are."""
    sums = map(func.sum, (JobPart.done, JobPart.total, JobPart.failed))
    parts = and_(JobPart.job_id.in_(job_ids), JobPart.role == DO)
    statement = select(JobPart.job_id, *sums).where(parts).group_by(JobPart.job_id)
    rows = db.session.execute(statement)
    return {row[0]: Progress(*map(int, row[1:])) for row in rows}


_GOING_ON = (Job.state.in_(ACTIVE), Job.cancel_requested_at.is_(None))


def _leased(moment: datetime) -> Any:
    return and_(JobPart.state == RUNNING, JobPart.lease_until >= moment)


def _lost(moment: datetime) -> Any:
    return and_(JobPart.state == RUNNING, JobPart.lease_until < moment)


def _waiting(job_types: Iterable[str], moment: datetime) -> Select[Any]:
    free = or_(and_(JobPart.state == QUEUED, JobPart.run_after <= moment), _lost(moment))
    statement = select(JobPart.id).join(Job, Job.id == JobPart.job_id)
    return statement.where(free, *_GOING_ON, Job.type.in_(list(job_types)))


# ---- jobs of which one waits and one works at a time ----


def bring_forward(owner: str, moment: datetime) -> bool:
    """Let the newest job of an owner run from a moment on, if it waits; False when it does not."""
    columns = (JobPart.id, JobPart.state, JobPart.run_after)
    newest = select(*columns, *_GOING_ON).join(Job).where(Job.owner == owner)
    row = db.session.execute(newest.order_by(Job.id.desc()).limit(1)).first()
    if row is None or row.state != QUEUED or not all(row[3:]):
        return False
    if row.run_after > moment:
        db.session.execute(update(JobPart).where(JobPart.id == row.id).values(run_after=moment))
    return True


def has_later_job(public_id: str, owner: str) -> bool:
    """True when a later job of the owner waits or works."""
    number = select(Job.id).where(Job.public_id == public_id).scalar_subquery()
    later = exists().where(Job.owner == owner, Job.id > number, *_GOING_ON)
    return bool(db.session.scalar(select(later)))


# ---- photos that came with a job ----


def came_with_job_of(public_id: str, owner: str, job_type: str) -> bool:
    """True when a photo, deleted or not, came in with a job of this type and owner."""
    theirs = exists().where(
        Photo.public_id == public_id,
        Job.public_id == Photo.batch,
        Job.owner == owner,
        Job.type == job_type,
    )
    return bool(db.session.scalar(select(theirs)))


# ---- the log ----


def add_lines(job_id: int, texts: Iterable[str], moment: datetime) -> None:
    """Add lines to the log of a job."""
    if rows := [{"job_id": job_id, "text": text[:500], "at": moment} for text in texts]:
        db.session.execute(insert(JobLine), rows)


def last_lines(job_id: int, limit: int) -> Sequence[JobLine]:
    """The end of a job's log, oldest first."""
    statement = select(JobLine).where(JobLine.job_id == job_id)
    newest = db.session.scalars(statement.order_by(JobLine.id.desc()).limit(limit))
    return newest.all()[::-1]


# ---- workers ----


def see_worker(name: str, moment: datetime, gone_before: datetime) -> None:
    """Note that a worker is there; forget those that were not seen since `gone_before`."""
    db.session.merge(JobWorker(name=name, seen_at=moment))
    db.session.execute(delete(JobWorker).where(JobWorker.seen_at < gone_before))


def forget_worker(name: str) -> None:
    """Forget a worker that ended."""
    db.session.execute(delete(JobWorker).where(JobWorker.name == name))


def worker_last_seen() -> datetime | None:
    """When a worker was last seen, None when none is known."""
    return db.session.scalar(select(func.max(JobWorker.seen_at)))
