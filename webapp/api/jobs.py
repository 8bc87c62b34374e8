"""Background jobs in JSON: put in, list, look, cancel."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, g, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api import payloads, shapes
from webapp.api.calls import Need, call
from webapp.api.keys import guard, has, need, who
from webapp.api.questions import JobBody, JobForm, JobId, JobsQuery
from webapp.ext import get_classifiers, get_config, ring
from webapp.services import bulk_upload, jobs
from webapp.services.bulk_upload import Order
from webapp.services.classify import clean_name
from webapp.services.jobs import Job, Owner

bp = Blueprint("api_jobs", __name__)
guard(bp)


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
        errors.JobRefusedError,
        errors.BadArchiveError,
        errors.UnknownLabelError,
        errors.StorageFullError,
    ),
    headers={"Idempotency-Key": "The same key with the same request again finds the job that was put in before."},
)
def add(body: JobBody | None, form: JobForm | None) -> ResponseReturnValue:
    """Put a job in, or find the one that was put in with the same `Idempotency-Key`.

    The header `Location` says where it is. An upload takes a zip of photos in a form, or, with a key of the scope `admin`, a folder of the
    server.
    """
    asked = form or body
    assert asked is not None  # noqa: S101  (one of the two came)
    job, _fresh = STARTERS[asked.kind](asked)
    view = jobs.get_job(job.public_id, _owner())
    headers = {"Location": url_for("api_jobs.read", job_id=job.public_id), "Retry-After": "2"}
    return jsonify(payloads.job(view)), HTTPStatus.ACCEPTED, headers


@call(bp, "GET", "/jobs", needs=Need.PREDICT, answers={200: shapes.JobPage})
def index(query: JobsQuery) -> ResponseReturnValue:
    """Jobs, newest first: with a key its own, with one of the scope `review` everybody's."""
    page = jobs.list_jobs(_owner(), state=query.state or "", kind=query.kind, cursor=query.cursor, limit=query.limit)
    return jsonify(payloads.job_page(page))


@call(bp, "GET", "/jobs/<job_id>", needs=Need.OWN, answers={200: shapes.JobWithLog}, errors=(errors.JobNotFoundError,))
def read(job_id: JobId) -> ResponseReturnValue:
    """One job as it stands, with the end of its log. One that was put in with a key needs that key, or one of the scope `review`."""
    view = jobs.get_job(job_id, _owner())
    return jsonify(payloads.job_with_log(view, jobs.tail(view)))


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
    view = jobs.cancel_job(job_id, _owner(), who())
    return jsonify(payloads.job(view)), HTTPStatus.OK if view.over else HTTPStatus.ACCEPTED


def _owner() -> Owner:
    """Who is behind the key; without one, whoever has the id of a job that was put in without one."""
    key = g.get("api_key")
    return Owner("") if key is None else Owner(f"key:{key.id}", all=has("review"))


def _upload(asked: JobBody) -> tuple[Job, bool]:
    """Photos in a zip; with a key of the scope `admin` also in a folder of the server."""
    question = bulk_upload.question(
        get_classifiers(asked.model), model=asked.model, ground_truth=asked.ground_truth, folders=asked.folders, place="api"
    )
    sent = request.files.get("file")
    title = asked.folder if sent is None else clean_name(sent.filename or "photos.zip")
    order = Order(question, title, _owner(), who(), ring, request.headers.get("Idempotency-Key", ""))
    if sent is not None:
        return bulk_upload.take_zip(get_config().data, sent.stream, order, length=request.content_length)
    if not asked.folder:
        raise errors.NoFileError("Send a zip of photos in a field called file: curl -F kind=upload -F file=@photos.zip")
    need("admin")
    return bulk_upload.take_folder(get_config().import_folder, asked.folder, order)


STARTERS: dict[str, Callable[[JobBody], tuple[Job, bool]]] = {"upload": _upload}
"""How a job of each kind is put in."""
