"""Background jobs: which are listed, and the state of a job."""

from typing import Annotated, Any

from flask import url_for
from pydantic import Field

from webapp.api.schemas.base import OFF, ApiRequest, Count, JsonShape, Moment, enum
from webapp.api.schemas.photos import Limit
from webapp.domain import JOB_STATES, moment
from webapp.gallery_filter import OneOf, Text
from webapp.services.jobs.queue import JobView
from webapp.services.jobs.types import export as export_job
from webapp.services.photos.gallery import PAGE

# ---- requests ----


class JobsQuery(ApiRequest):
    """Which jobs."""

    state: Annotated[str, OneOf(dict.fromkeys(JOB_STATES))] = OFF
    """Jobs in this state."""
    kind: Text = ""
    """The kind of job, like `upload`."""
    limit: Limit = PAGE
    """How many jobs."""
    cursor: Text = ""
    """`next` of another page."""


# ---- answers ----


class JobJson(JsonShape):
    """The state of a job."""

    id: str
    kind: str
    title: str
    state: Annotated[str, enum(*JOB_STATES)]
    stopping: bool
    """It was cancelled, and parts of it come to a stop."""
    done: Count
    total: Annotated[int, Field(ge=1)] | None
    """Null until it is known."""
    failed: Count
    rate: float | None
    """Things a second."""
    seconds_left: float | None
    """At this rate."""
    who: str
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    result: dict[str, Any] | None
    """What came of it, by kind; null until it has ended."""
    error: str | None
    """Why it failed."""


class _JobLineJson(JsonShape):
    """A line of a job's log."""

    at: Moment
    text: str


class JobWithLogJson(JobJson):
    """The state of a job, with its log."""

    log: list[_JobLineJson]
    """The last lines, the oldest first."""


class JobPageJson(JsonShape):
    """A page of jobs."""

    items: list[JobJson]
    next: str | None
    """The `cursor` of the page behind this one; null on the last."""


# ---- presenters ----


def job_json(view: JobView) -> JobJson:
    """The state of a job; files that it has made and that are still there have their address."""
    row, progress = view.job, view.progress
    files = [
        file | {"url": url_for("api_jobs.file", job_id=row.public_id, name=file["name"])}
        for file in export_job.files_of(view)
    ]
    return {
        "id": row.public_id,
        "kind": row.type,
        "title": row.title,
        "state": row.state,
        "stopping": view.stopping,
        "done": progress.done,
        "total": progress.total or None,
        "failed": progress.failed,
        "rate": round(view.rate, 2) if view.rate else None,
        "seconds_left": round(view.left, 1) if view.left is not None else None,
        "who": row.who,
        "created_at": moment(row.created_at),
        "started_at": moment(row.started_at) if row.started_at else None,
        "ended_at": moment(row.ended_at) if row.ended_at else None,
        "result": {**(row.result or {}), "files": files} if files else row.result,
        "error": row.error or None,
    }
