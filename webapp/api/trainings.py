"""Trainings in JSON: start one."""

from http import HTTPStatus

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from webapp import errors
from webapp.api.authentication import Need, guard, owner, who
from webapp.api.openapi.calls import Call
from webapp.api.schemas.jobs import JobJson, job_json
from webapp.api.schemas.trainings import TrainingBody
from webapp.extensions import get_registry
from webapp.services.jobs import queue
from webapp.services.jobs.queue import Sender
from webapp.services.jobs.types import training as training_job

bp = guard(Blueprint("api_trainings", __name__))
_REFUSED = (
    errors.ModelNotFoundError,
    errors.BadCardError,
    errors.TrainingError,
    errors.JobRefusedError,
)
_HEADERS = {"Idempotency-Key": "The same key with the same request again finds the earlier job."}


@Call(bp, "POST /trainings", Need.ADMIN, {202: JobJson}, _REFUSED, _HEADERS)
def add(body: TrainingBody) -> ResponseReturnValue:
    """Train the next version of a model from the labelled cars of the history, as a job.

    While a training of this model runs, that one is answered. The version that comes of it waits
    until it is promoted. The header `Location` says where the job is.
    """
    sender = Sender(owner(), who(), request.headers.get("Idempotency-Key", ""))
    job = training_job.enqueue(get_registry(), body.model, sender)
    view = queue.get_job(job.public_id, owner())
    headers = {"Location": url_for("api_jobs.read", job_id=job.public_id), "Retry-After": "2"}
    return jsonify(job_json(view)), HTTPStatus.ACCEPTED, headers
