"""Background jobs in JSON: put in, list, look, cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from flask import Blueprint, g, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from webapp.api import payloads
from webapp.api.keys import guard, has, need, need_for_prediction, who
from webapp.errors import BadRequestError, NoFileError
from webapp.ext import get_classifiers, get_config, ring
from webapp.services import bulk_upload, history, jobs
from webapp.services.bulk_upload import Order
from webapp.services.classify import clean_name
from webapp.services.jobs import Job, Owner

bp = Blueprint("api_jobs", __name__)
guard(bp)


@bp.post("/jobs")
def add() -> ResponseReturnValue:
    """Put a job in (202, and where it is), or find the one that was put in with the same Idempotency-Key (202 as well)."""
    fields = _fields()
    kind = fields.get("kind", "")
    if kind not in STARTERS:
        raise BadRequestError(f"There is no job of the kind {kind[:40]!r} to put in. Kinds: {', '.join(STARTERS)}.")
    job, _fresh = STARTERS[kind](fields)
    view = jobs.get_job(job.public_id, _owner())
    headers = {"Location": url_for("api_jobs.read", job_id=job.public_id), "Retry-After": "2"}
    return jsonify(payloads.job(view)), HTTPStatus.ACCEPTED, headers


@bp.get("/jobs")
def index() -> ResponseReturnValue:
    """Jobs, newest first: with a key its own, with one of the scope `review` everybody's."""
    need("predict")
    limit = history.parse_limit(request.args.get("limit"))
    asked = {name: request.args.get(name, "") for name in ("state", "kind", "cursor")}
    page = jobs.list_jobs(_owner(), **asked, limit=limit)
    return jsonify(items=[payloads.job(one) for one in page.items], next=page.next or None)


@bp.get("/jobs/<job_id>")
def read(job_id: str) -> ResponseReturnValue:
    """One job as it stands, with the end of its log."""
    view = jobs.get_job(job_id, _owner())
    return jsonify(payloads.job(view) | {"log": [payloads.line(one) for one in jobs.tail(view)]})


@bp.delete("/jobs/<job_id>")
def cancel(job_id: str) -> ResponseReturnValue:
    """Cancel it: 200 when it is over, 202 while parts of it come to a stop."""
    view = jobs.cancel_job(job_id, _owner(), who())
    return jsonify(payloads.job(view)), HTTPStatus.OK if view.over else HTTPStatus.ACCEPTED


def _owner() -> Owner:
    """Who is behind the key; without one, whoever has the id of a job that was put in without one."""
    key = g.get("api_key")
    return Owner("") if key is None else Owner(f"key:{key.id}", all=has("review"))


def _fields() -> Mapping[str, str]:
    """The fields of a form or of a JSON object."""
    if request.mimetype == "multipart/form-data":
        return request.form
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadRequestError('Send a form with a zip in a field called file, or JSON like {"kind": "upload", "folder": "2026/monza"}.')
    return {str(name): value if isinstance(value, str) else "yes" if value is True else "" for name, value in body.items()}


def _upload(fields: Mapping[str, str]) -> tuple[Job, bool]:
    """Photos in a zip; with a key of the scope `admin` also in a folder of the server."""
    need_for_prediction()
    model = fields.get("model", "").strip()
    asked = bulk_upload.question(
        get_classifiers(model),
        model=model,
        ground_truth=fields.get("ground_truth", "").strip(),
        folders=fields.get("folders", "") == "yes",
        place="api",
    )
    folder = fields.get("folder", "").strip()
    sent = request.files.get("file")
    title = folder if sent is None else clean_name(sent.filename or "photos.zip")
    order = Order(asked, title, _owner(), who(), ring, request.headers.get("Idempotency-Key", ""))
    if sent is not None:
        return bulk_upload.take_zip(get_config().data, sent.stream, order)
    if not folder:
        raise NoFileError("Send a zip of photos in a field called file: curl -F kind=upload -F file=@photos.zip")
    need("admin")
    return bulk_upload.take_folder(get_config().import_folder, folder, order)


STARTERS: dict[str, Callable[[Mapping[str, str]], tuple[Job, bool]]] = {"upload": _upload}
"""How a job of each kind is put in. Each checks who may."""
