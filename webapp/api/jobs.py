"""Background jobs in JSON: put in, list, look, cancel."""

from http import HTTPStatus

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import guard, has, owner, who
from webapp.api.job_types import STARTERS
from webapp.api.openapi.calls import Content, Need, call
from webapp.api.schemas import presenters as payloads
from webapp.api.schemas import responses as shapes
from webapp.api.schemas.requests import FileName, JobBody, JobForm, JobId, JobsQuery
from webapp.extensions import get_config
from webapp.http.responses import stored_file
from webapp.services.exports import export
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types import export as export_job

bp = Blueprint("api_jobs", __name__)
guard(bp)
FILE = Content((*export.TYPES.values(), "application/json"), {"ETag": "The SHA-256 of the file."})


@call(
    bp,
    "POST",
    "/jobs",
    needs=Need.PREDICTING,
    answers={202: shapes.Job},
    errors=(
        errors.NoFileError,
        errors.NotAllowedError,
        errors.ModelNotFoundError,
        errors.PhotoNotFoundError,
        errors.JobRefusedError,
        errors.NothingToUndoError,
        errors.BadArchiveError,
        errors.BadLabelFileError,
        errors.UnknownLabelError,
        errors.StorageFullError,
        errors.BadCardError,
    ),
    headers={
        "Idempotency-Key": "The same key with the same request again finds the job that was put in before."
    },
)
def add(body: JobBody | None, form: JobForm | None) -> ResponseReturnValue:
    """Put a job in, or find the one that was put in with the same `Idempotency-Key`.

    The header `Location` says where it is. A zip of photos, or a file of labels, comes in a form. Each kind says which key it needs.
    """
    asked = form or (body.root if body else None)
    assert asked is not None  # noqa: S101  (one of the two came)
    job = STARTERS[asked.kind](asked)
    view = jobs.get_job(job.public_id, owner())
    headers = {"Location": url_for("api_jobs.read", job_id=job.public_id), "Retry-After": "2"}
    return jsonify(payloads.job(view)), HTTPStatus.ACCEPTED, headers


@call(bp, "GET", "/jobs", needs=Need.PREDICT, answers={200: shapes.JobPage})
def index(query: JobsQuery) -> ResponseReturnValue:
    """Jobs, newest first: with a key its own, with one of the scope `review` everybody's."""
    page = jobs.list_jobs(
        owner(), state=query.state or "", job_type=query.kind, cursor=query.cursor, limit=query.limit
    )
    return jsonify(payloads.job_page(page))


@call(
    bp,
    "GET",
    "/jobs/<job_id>",
    needs=Need.OWN,
    answers={200: shapes.JobWithLog},
    errors=(errors.JobNotFoundError,),
)
def read(job_id: JobId) -> ResponseReturnValue:
    """One job as it stands, with the end of its log. One that was put in with a key needs that key, or one of the scope `review`."""
    view = jobs.get_job(job_id, owner())
    return jsonify(payloads.job_with_log(view, jobs.log_lines(view)))


@call(
    bp,
    "DELETE",
    "/jobs/<job_id>",
    needs=Need.OWN,
    answers={200: shapes.Job, 202: shapes.Job},
    errors=(errors.JobNotFoundError, errors.JobRefusedError),
)
def cancel(job_id: JobId) -> ResponseReturnValue:
    """Cancel a job: 200 when it is over, 202 while parts of it come to a stop. What it did stays."""
    view = jobs.cancel_job(job_id, owner(), who())
    return jsonify(payloads.job(view)), HTTPStatus.OK if view.over else HTTPStatus.ACCEPTED


@call(
    bp,
    "GET",
    "/jobs/<job_id>/files/<name>",
    needs=Need.REVIEW,
    answers={200: FILE, 206: FILE},
    errors=(errors.JobNotFoundError, errors.NotAllowedError),
)
def file(job_id: JobId, name: FileName) -> ResponseReturnValue:
    """A file that an export has made, whole or in ranges. One with the metadata of photos needs a key of the scope `admin`."""
    path, content_type, sha256 = export_job.file_of(
        jobs.get_job(job_id, owner()), name, get_config().data, admin=has("admin")
    )
    return stored_file(path, content_type, sha256=sha256)
