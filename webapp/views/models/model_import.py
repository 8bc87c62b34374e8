"""Networks from elsewhere come in: the form for admins, whose job lets the gate look at them."""

import os
from contextlib import closing
from importlib.util import find_spec

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from webapp.errors import BadRequestError, MarqueError, ModelRefusedError
from webapp.extensions import get_config
from webapp.http.responses import MAX_MODEL
from webapp.inference.model_import.model_import import PREPROCESSING
from webapp.inference.models.card import RESIZE_RULES
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import Job
from webapp.services.jobs.types import model_import as model_import_job
from webapp.services.jobs.types.model_import import FILE_ENDINGS, ModelUpload
from webapp.views import guards
from webapp.views.guards import owner, sender

bp = Blueprint("imports", __name__, url_prefix="/imports")
LAST = 20
"""Imports that are listed."""


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """The form, and the last imports."""
    return _page()


@bp.post("")
@guards.admins_only
def take() -> ResponseReturnValue:
    """Take a file in and put in its job. What is refused at once is said above the form."""
    try:
        _check_ready()
        job = _take(request.files.get("file"), request.files.get("labels_file"))
    except MarqueError as error:
        return _page(error), error.status
    return redirect(url_for("jobs.one", job_id=job.public_id), 303)


def _page(error: MarqueError | None = None) -> str:
    return render_template(
        "models/import.html",
        error=error,
        kept=request.form,
        trouble=_trouble(),
        imports=jobs.list_jobs(owner(), job_type=model_import_job.JOB_TYPE.name, limit=LAST).items,
        preprocessing=PREPROCESSING,
        resize_rules=RESIZE_RULES,
        endings=FILE_ENDINGS,
        most=MAX_MODEL,
    )


def _trouble() -> str:
    """Why this server cannot import at all; "" when it can."""
    if find_spec("tensorflow") is None or find_spec("h5py") is None:
        return (
            "This server was installed to serve only: it has no TensorFlow to open a network with."
        )
    if not os.access(get_config().models, os.W_OK):
        return "The models folder of this server is missing or read-only."
    return ""


def _check_ready() -> None:
    if trouble := _trouble():
        raise ModelRefusedError(f"{trouble} Nothing was stored.")


def _take(file: FileStorage | None, labels_file: FileStorage | None) -> Job:
    """Put in the job for what the form sent."""
    asked = model_import_job.check_options(request.form)
    if file is None or not file.filename:
        raise BadRequestError("Choose a file: a network (.keras, .h5, .hdf5), or a zip with one.")
    labels = (
        (labels_file.filename, labels_file.stream)
        if labels_file is not None and labels_file.filename
        else None
    )
    with closing(file.stream):
        sent = ModelUpload(file.filename, file.stream, request.form.get("labels", ""), labels)
        return model_import_job.enqueue(get_config().data, sent, asked, sender())
