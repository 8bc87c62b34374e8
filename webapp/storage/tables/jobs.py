"""Background jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now


class Job(Base):
    """A background job, as people see it. Its parts say how far it is.

    `state` is "queued", "running", "succeeded", "failed" or "cancelled". `params`
    is what was asked for, `error` why it failed. `owner` is who may see it besides reviewers (""
    for everybody with its id). `key_hash` is the hash of the sender's idempotency key.
    `claimed_at`: when a part was last claimed, so that jobs take turns. `cancel_requested_at`: when
    somebody asked to cancel it. `cleared_at`: when its files were removed, after which it cannot go
    on.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state", "state", "id"),
        Index("ix_jobs_kind", "kind", "id"),
        Index("ix_jobs_owner", "owner", "id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    type: Mapped[str] = mapped_column("kind", String(32))
    title: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16))
    params: Mapped[dict[str, Any]] = mapped_column("question", JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str] = mapped_column(String(2000), default="")
    owner: Mapped[str] = mapped_column(String(64), default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    key_hash: Mapped[str | None] = mapped_column("once", String(64), unique=True)
    claimed_at: Mapped[datetime] = mapped_column("turn_at", UTCDateTime, default=now)
    cancel_requested_at: Mapped[datetime | None] = mapped_column("stop_at", UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class JobPart(Base):
    """A part of a job that one worker does at a time.

    `role`: "plan" cuts the job into parts, "do" is one of them, "finish" sums up. `state` is
    "queued", "running" or "succeeded". `done` of `total` things are through, `failed` of them
    without success. `attempts` counts how often it was claimed, `run_after` is when it may be next.
    `owner` is the claim of the worker that has it, until `lease_until` unless renewed.
    """

    __tablename__ = "job_parts"
    __table_args__ = (
        UniqueConstraint("job_id", "number"),
        Index("ix_job_parts_state", "state", "run_after"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]
    role: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    params: Mapped[dict[str, Any]] = mapped_column("question", JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    run_after: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    owner: Mapped[str] = mapped_column(String(120), default="")
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)


class JobLine(Base):
    """A line of a job's log."""

    __tablename__ = "job_lines"
    __table_args__ = (Index("ix_job_lines_job_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    text: Mapped[str] = mapped_column(String(500))


class JobWorker(Base):
    """A worker that was seen: who it is, since when, and when it last looked for work."""

    __tablename__ = "job_workers"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
