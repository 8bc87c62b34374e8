"""Background jobs in JSON: put in, list, look, cancel."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api import payloads, shapes
from webapp.api.calls import Need, call
from webapp.api.keys import guard, need, owner, who
from webapp.api.questions import JobBody, JobForm, JobId, JobsQuery, UploadFields
from webapp.ext import get_classifiers, get_config, get_registry, ring
from webapp.services import bulk_upload, jobs, rank_again, replay
from webapp.services.bulk_upload import Order
from webapp.services.classify import clean_name
from webapp.services.jobs import Job
from webapp.values import GalleryFilter

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
        errors.BadCardError,
    ),
    headers={"Idempotency-Key": "The same key with the same request again finds the job that was put in before."},
)
def add(body: JobBody | None, form: JobForm | None) -> ResponseReturnValue:
    """Put a job in, or find the one that was put in with the same `Idempotency-Key`.

    The header `Location` says where it is. An upload takes a zip of photos in a form, or, with a key of the scope `admin`, a folder of the
    server. With a key of the scope `review` a version looks at photos that are here, with one of the scope `admin` two are compared.
    """
    asked = form or body
    assert asked is not None  # noqa: S101  (one of the two came)
    job, _fresh = STARTERS[asked.kind](asked)
    view = jobs.get_job(job.public_id, owner())
    headers = {"Location": url_for("api_jobs.read", job_id=job.public_id), "Retry-After": "2"}
    return jsonify(payloads.job(view)), HTTPStatus.ACCEPTED, headers


@call(bp, "GET", "/jobs", needs=Need.PREDICT, answers={200: shapes.JobPage})
def index(query: JobsQuery) -> ResponseReturnValue:
    """Jobs, newest first: with a key its own, with one of the scope `review` everybody's."""
    page = jobs.list_jobs(owner(), state=query.state or "", kind=query.kind, cursor=query.cursor, limit=query.limit)
    return jsonify(payloads.job_page(page))


@call(bp, "GET", "/jobs/<job_id>", needs=Need.OWN, answers={200: shapes.JobWithLog}, errors=(errors.JobNotFoundError,))
def read(job_id: JobId) -> ResponseReturnValue:
    """One job as it stands, with the end of its log. One that was put in with a key needs that key, or one of the scope `review`."""
    view = jobs.get_job(job_id, owner())
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
    view = jobs.cancel_job(job_id, owner(), who())
    return jsonify(payloads.job(view)), HTTPStatus.OK if view.over else HTTPStatus.ACCEPTED


def _upload(asked: UploadFields) -> tuple[Job, bool]:
    """Photos in a zip; with a key of the scope `admin` also in a folder of the server."""
    question = bulk_upload.question(
        get_classifiers(asked.model), model=asked.model, ground_truth=asked.ground_truth, folders=asked.folders, place="api"
    )
    sent = request.files.get("file")
    title = asked.folder if sent is None else clean_name(sent.filename or "photos.zip")
    order = Order(question, title, owner(), who(), ring, _key())
    if sent is not None:
        return bulk_upload.take_zip(get_config().data, sent.stream, order)
    if not asked.folder:
        raise errors.NoFileError("Send a zip of photos in a field called file: curl -F kind=upload -F file=@photos.zip")
    need("admin")
    return bulk_upload.take_folder(get_config().import_folder, asked.folder, order)


def _rank(asked: JobBody) -> tuple[Job, bool]:
    """A version looks at the whole history, or at what a filter lets through; with a key of the scope `review`."""
    need("review")
    wanted = asked.filter.wanted() if "filter" in asked.model_fields_set else GalleryFilter()
    return rank_again.put(get_registry(), asked.model, asked.version, wanted, owner=owner(), who=who(), ring=ring, key=_key())


def _compare(asked: JobBody) -> tuple[Job, bool]:
    """Two versions look at the newest photos; with a key of the scope `admin`."""
    need("admin")
    registry = get_registry()
    champion = asked.champion if "champion" in asked.model_fields_set else registry.card(asked.model).version
    return replay.put(
        registry, asked.model, champion, asked.challenger, newest=asked.newest, owner=owner(), who=who(), ring=ring, key=_key()
    )


def _key() -> str:
    return request.headers.get("Idempotency-Key", "")


STARTERS: dict[str, Callable[[Any], tuple[Job, bool]]] = {"upload": _upload, "rank": _rank, "compare": _compare}
"""How a job of each kind is put in."""
