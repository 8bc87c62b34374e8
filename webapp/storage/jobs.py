"""Questions about jobs, their parts, their log and the workers. Nothing here commits."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, delete, exists, func, insert, or_, select, update

from webapp.domain import CANCELLED, DO, FAILED, QUEUED, RUNNING, SUCCEEDED, JobFilter, Progress
from webapp.storage.database import db
from webapp.storage.tables import Job, JobLine, JobPart, JobWorker, Photo

ACTIVE = (QUEUED, RUNNING)


# ---- jobs ----


def add_job(job: Job) -> None:
    """Remember a new job; it has its number afterwards."""
    db.session.add(job)
    db.session.flush()


def find_job(public_id: str) -> Job | None:
    """The job, or None."""
    return db.session.execute(
        select(Job).where(Job.public_id == public_id).execution_options(populate_existing=True)
    ).scalar_one_or_none()


def find_once(once: str) -> Job | None:
    """The job that was put in with this hash of an idempotency key, or None."""
    return db.session.execute(select(Job).where(Job.once == once)).scalar_one_or_none()


def job_by_number(number: int) -> Job:
    """The job with this primary key, as it is now."""
    return db.session.execute(
        select(Job).where(Job.id == number).execution_options(populate_existing=True)
    ).scalar_one()


def change_job(number: int, *states: str, **values: Any) -> bool:
    """Change a job if it is in one of `states` (in any, without); True when it was."""
    question = (
        update(Job)
        .where(Job.id == number)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return _hits(question.where(Job.state.in_(states)) if states else question) == 1


def list_jobs(wanted: JobFilter, *, before: int | None, limit: int) -> Sequence[Job]:
    """The newest jobs that pass the filter, those with a number under `before`."""
    question = select(Job).where(*_conditions(wanted)).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        question = question.where(Job.id < before)
    return db.session.execute(question).scalars().all()


def count_states(wanted: JobFilter) -> dict[str, int]:
    """How many jobs pass the filter, by state."""
    question = select(Job.state, func.count()).where(*_conditions(wanted)).group_by(Job.state)
    return {state: int(count) for state, count in db.session.execute(question)}


def count_kinds(wanted: JobFilter) -> dict[str, int]:
    """How many jobs pass the filter, by kind."""
    question = select(Job.kind, func.count()).where(*_conditions(wanted)).group_by(Job.kind)
    return {kind: int(count) for kind, count in db.session.execute(question)}


def asked_of(kind: str) -> list[dict[str, Any]]:
    """What the jobs of a kind were asked whose files lie there still."""
    return list(
        db.session.execute(
            select(Job.question).where(Job.kind == kind, Job.cleared_at.is_(None))
        ).scalars()
    )


def to_clear(kind: str, ended_before: datetime, failed_before: datetime) -> Sequence[Job]:
    """Jobs of a kind whose files lie there still though their time is over: those that were cancelled, ended well, or failed."""
    over = or_(
        Job.state == CANCELLED,
        and_(Job.state == SUCCEEDED, Job.ended_at <= ended_before),
        and_(Job.state == FAILED, Job.ended_at < failed_before),
    )
    return (
        db.session.execute(select(Job).where(Job.kind == kind, Job.cleared_at.is_(None), over))
        .scalars()
        .all()
    )


def is_older(ended_before: datetime) -> bool:
    """True when a job that ended before a moment is remembered."""
    question = select(Job.id).where(Job.ended_at < ended_before).limit(1)
    return db.session.execute(question).first() is not None


def remove_jobs(ended_before: datetime) -> int:
    """Forget jobs that ended before a moment; how many those were. Their parts and lines go with them."""
    return _hits(delete(Job).where(Job.ended_at < ended_before))


def _conditions(wanted: JobFilter) -> list[Any]:
    pairs = ((Job.state, wanted.state), (Job.kind, wanted.kind))
    found: list[Any] = [column == value for column, value in pairs if value]
    if wanted.without and not wanted.kind:
        found.append(Job.kind.not_in(wanted.without))
    return found if wanted.owner is None else [*found, Job.owner == wanted.owner]


# ---- parts ----


def add_parts(rows: Iterable[dict[str, Any]]) -> None:
    """Add parts to jobs."""
    if values := list(rows):
        db.session.execute(insert(JobPart), values)


def next_part(
    kinds: Iterable[str], at: datetime, most_attempts: int, only: str = ""
) -> tuple[JobPart, Job] | None:
    """The part that should be taken up next, with its job; None when nothing waits. Jobs take turns, parts come in order.

    `only` is the public id of the one job that is meant, "" for any.
    """
    question = (
        _waiting(kinds, at)
        .add_columns(JobPart, Job)
        .where(or_(JobPart.state == QUEUED, JobPart.attempts < most_attempts))
    )
    if only:
        question = question.where(Job.public_id == only)
    question = question.order_by(Job.turn_at, Job.id, JobPart.number).limit(1)
    row = db.session.execute(question.execution_options(populate_existing=True)).first()
    return None if row is None else (row[1], row[2])


def something_waits(kinds: Iterable[str], at: datetime) -> bool:
    """True when a part of one of these kinds could be taken up now."""
    return db.session.execute(_waiting(kinds, at).limit(1)).first() is not None


def _waiting(kinds: Iterable[str], at: datetime) -> Select[Any]:
    free = or_(
        and_(JobPart.state == QUEUED, JobPart.run_after <= at),
        and_(JobPart.state == RUNNING, JobPart.lease_until < at),
    )
    question = select(JobPart.id).join(Job, Job.id == JobPart.job_id)
    return question.where(
        free, Job.state.in_(ACTIVE), Job.stop_at.is_(None), Job.kind.in_(list(kinds))
    )


def take_part(part_id: int, owner: str, at: datetime, until: datetime) -> bool:
    """Give a part to a worker: the UPDATE must hit exactly one row, else another one was quicker and this is False."""
    free = or_(JobPart.state == QUEUED, and_(JobPart.state == RUNNING, JobPart.lease_until < at))
    question = update(JobPart).where(JobPart.id == part_id, free)
    values = {
        "state": RUNNING,
        "owner": owner,
        "lease_until": until,
        "attempts": JobPart.attempts + 1,
        "done": 0,
        "failed": 0,
    }
    return _hits(question.values(**values)) == 1


def change_part(part_id: int, holder: str, **values: Any) -> bool:
    """Change a part that this holder has; False when it has it no more."""
    mine = and_(JobPart.id == part_id, JobPart.owner == holder, JobPart.state == RUNNING)
    return _hits(update(JobPart).where(mine).values(**values)) == 1


def renew(owners: Iterable[str], until: datetime) -> int:
    """Extend the leases of the parts that these have; how many those are."""
    return _hits(
        update(JobPart)
        .where(JobPart.owner.in_(list(owners)), JobPart.state == RUNNING)
        .values(lease_until=until)
    )


def give_back(job_id: int, at: datetime) -> None:
    """Let the parts of a job that are not through wait again, from `at` on, as if never tried."""
    question = update(JobPart).where(JobPart.job_id == job_id, JobPart.state != SUCCEEDED)
    db.session.execute(
        question.values(state=QUEUED, owner="", lease_until=None, attempts=0, run_after=at)
    )


def worked_on(job_id: int, at: datetime) -> bool:
    """True while a worker with a valid lease has a part of the job."""
    mine = exists().where(
        JobPart.job_id == job_id, JobPart.state == RUNNING, JobPart.lease_until >= at
    )
    return bool(db.session.execute(select(mine)).scalar_one())


def lost_parts(at: datetime, attempts: int) -> Sequence[Any]:
    """Parts (id, job_id, attempts) that were taken up `attempts` times or more and whose last worker is gone."""
    question = select(JobPart.id, JobPart.job_id, JobPart.attempts).join(
        Job, Job.id == JobPart.job_id
    )
    gone = and_(JobPart.state == RUNNING, JobPart.lease_until < at, JobPart.attempts >= attempts)
    return db.session.execute(
        question.where(gone, Job.state.in_(ACTIVE), Job.stop_at.is_(None))
    ).all()


def to_stop(at: datetime) -> Sequence[Job]:
    """Jobs that somebody cancelled and that no worker has its hands on any more."""
    busy = exists().where(
        JobPart.job_id == Job.id, JobPart.state == RUNNING, JobPart.lease_until >= at
    )
    return (
        db.session.execute(
            select(Job).where(Job.state.in_(ACTIVE), Job.stop_at.is_not(None), ~busy)
        )
        .scalars()
        .all()
    )


def open_parts(job_id: int) -> int:
    """How many parts of a job are not through."""
    question = (
        select(func.count())
        .select_from(JobPart)
        .where(JobPart.job_id == job_id, JobPart.state != SUCCEEDED)
    )
    return int(db.session.execute(question).scalar_one())


def next_number(job_id: int) -> int:
    """The number for a part that comes after all others of a job."""
    return (
        int(
            db.session.execute(
                select(func.max(JobPart.number)).where(JobPart.job_id == job_id)
            ).scalar_one()
            or 0
        )
        + 1
    )


def results(job_id: int) -> list[dict[str, Any]]:
    """What came of the parts that did something, in their order; parts that are not through are left out."""
    question = select(JobPart.result).where(
        JobPart.job_id == job_id, JobPart.role == DO, JobPart.result.is_not(None)
    )
    return [
        one
        for one in db.session.execute(question.order_by(JobPart.number)).scalars()
        if one is not None
    ]


def progress(job_ids: Sequence[int]) -> dict[int, Progress]:
    """How far these jobs are."""
    through, busy, counted = (
        JobPart.state == SUCCEEDED,
        JobPart.state == RUNNING,
        JobPart.role == DO,
    )
    question = select(
        JobPart.job_id,
        *(
            func.sum(case((counted, column), else_=0))
            for column in (JobPart.done, JobPart.total, JobPart.failed)
        ),
        *(func.sum(case((rule, 1), else_=0)) for rule in (busy, and_(through, counted), counted)),
    )
    question = question.where(JobPart.job_id.in_(job_ids)).group_by(JobPart.job_id)
    return {row[0]: Progress(*map(int, row[1:])) for row in db.session.execute(question)}


# ---- photos that came with a job ----


def brought(public_id: str, owner: str, kind: str) -> bool:
    """True when a photo, deleted or not, came in with a job of this kind and owner."""
    theirs = exists().where(
        Photo.public_id == public_id,
        Job.public_id == Photo.batch,
        Job.owner == owner,
        Job.kind == kind,
    )
    return bool(db.session.execute(select(theirs)).scalar_one())


def count_brought(public_id: str) -> tuple[int, int]:
    """How many of the photos that came with a job are there, and how many of these have a star."""
    starred = func.coalesce(func.sum(case((Photo.starred.is_(True), 1), else_=0)), 0)
    question = select(func.count(), starred).where(
        Photo.batch == public_id, Photo.deleted_at.is_(None)
    )
    row = db.session.execute(question).one()
    return int(row[0]), int(row[1])


def count_put_away(deleted_batch: str, since: datetime) -> int:
    """How many photos were deleted under this name since a moment."""
    question = (
        select(func.count())
        .select_from(Photo)
        .where(Photo.deleted_batch == deleted_batch, Photo.deleted_at >= since)
    )
    return int(db.session.execute(question).scalar_one())


# ---- the log ----


def add_lines(job_id: int, texts: Iterable[str], at: datetime) -> None:
    """Add lines to the log of a job."""
    if rows := [{"job_id": job_id, "text": text[:500], "at": at} for text in texts]:
        db.session.execute(insert(JobLine), rows)


def last_lines(job_id: int, limit: int) -> list[JobLine]:
    """The end of a job's log, oldest first."""
    question = (
        select(JobLine).where(JobLine.job_id == job_id).order_by(JobLine.id.desc()).limit(limit)
    )
    return list(reversed(db.session.execute(question).scalars().all()))


# ---- workers ----


def see_worker(name: str, at: datetime, gone_before: datetime) -> None:
    """Remember that a worker is there; forget those that were not seen since a moment."""
    if not _hits(update(JobWorker).where(JobWorker.name == name).values(seen_at=at)):
        db.session.execute(insert(JobWorker).values(name=name, started_at=at, seen_at=at))
    db.session.execute(delete(JobWorker).where(JobWorker.seen_at < gone_before))


def forget_worker(name: str) -> None:
    """A worker ended."""
    db.session.execute(delete(JobWorker).where(JobWorker.name == name))


def last_seen() -> datetime | None:
    """When a worker was last seen, None when none is remembered."""
    return db.session.execute(
        select(JobWorker.seen_at).order_by(JobWorker.seen_at.desc()).limit(1)
    ).scalar_one_or_none()


def _hits(question: Any) -> int:
    return int(db.session.execute(question.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]
