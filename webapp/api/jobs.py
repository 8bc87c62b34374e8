"""Background jobs in JSON: add, list, read, cancel."""

from http import HTTPStatus

from flask import Blueprint, jsonify, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import Need, guard, has, owner, who
from webapp.api.job_types import JobBody, JobForm
from webapp.api.openapi.calls import Call, Content
from webapp.api.schemas import jobs
from webapp.api.schemas.base import FileName, JobId
from webapp.domain import moment
from webapp.extensions import get_config
from webapp.http.responses import stored_file
from webapp.services.exports.formats import CONTENT_TYPES
from webapp.services.jobs import queue
from webapp.services.jobs.types import export as export_job

bp = guard(Blueprint("api_jobs", __name__))
_FILE = Content(CONTENT_TYPES, {"ETag": "The SHA-256 of the file."})
_ABSENT = (errors.JobNotFoundError,)
_REFUSED = (
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
)
_HEADERS = {"Idempotency-Key": "The same key with the same request again finds the earlier job."}


@Call(bp, "POST /jobs", Need.PREDICTING, {202: jobs.JobJson}, _REFUSED, _HEADERS)
def add(body: JobBody | None, form: JobForm | None) -> ResponseReturnValue:
    """Add a job, or find the one that was added with the same `Idempotency-Key`.

    The header `Location` says where it is. A zip of photos, or a file of labels, comes in a form.
    Each kind says which key it needs.
    """
    asked = form or (body.root if body else None)
    assert asked is not None  # noqa: S101  (one of the two came)
    job = asked.enqueue()
    view = queue.get_job(job.public_id, owner())
    headers = {"Location": url_for("api_jobs.read", job_id=job.public_id), "Retry-After": "2"}
    return jsonify(jobs.job_json(view)), HTTPStatus.ACCEPTED, headers


@Call(bp, "GET /jobs", Need.PREDICT, {200: jobs.JobPageJson})
def index(query: jobs.JobsQuery) -> ResponseReturnValue:
    """Jobs, newest first: with a key its own, with one of the scope `review` everybody's."""
    chosen = {"state": query.state or "", "job_type": query.kind}
    page = queue.list_jobs(owner(), **chosen, cursor=query.cursor, limit=query.limit)
    return jsonify(items=[jobs.job_json(view) for view in page.items], next=page.next or None)


@Call(bp, "GET /jobs/<job_id>", Need.OWN, {200: jobs.JobWithLogJson}, _ABSENT)
def read(job_id: JobId) -> ResponseReturnValue:
    """The state of a job, with the end of its log.

    One that was added with a key needs that key, or one of the scope `review`.
    """
    view = queue.get_job(job_id, owner())
    log = [{"at": moment(line.at), "text": line.text} for line in queue.log_lines(view)]
    return jsonify({**jobs.job_json(view), "log": log})


@Call(
    bp,
    "DELETE /jobs/<job_id>",
    Need.OWN,
    {200: jobs.JobJson, 202: jobs.JobJson},
    (errors.JobNotFoundError, errors.JobRefusedError),
)
def cancel(job_id: JobId) -> ResponseReturnValue:
    """Cancel a job: 200 when it is over, 202 while parts of it come to a stop. Its results stay."""
    view = queue.cancel_job(job_id, owner(), who())
    return jsonify(jobs.job_json(view)), HTTPStatus.OK if view.over else HTTPStatus.ACCEPTED


@Call(
    bp,
    "GET /jobs/<job_id>/files/<name>",
    Need.REVIEW,
    {200: _FILE, 206: _FILE},
    (errors.JobNotFoundError, errors.NotAllowedError),
)
def file(job_id: JobId, name: FileName) -> ResponseReturnValue:
    """A file that an export has made, whole or in ranges.

    One with the metadata of photos needs a key of the scope `admin`.
    """
    view = queue.get_job(job_id, owner())
    path, content_type, sha256 = export_job.file_of(
        view, name, get_config().data, admin=has(Need.ADMIN)
    )
    return stored_file(path, content_type, sha256=sha256)
