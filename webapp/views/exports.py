"""Taking photos and answers out: how much there is, in which form, what was taken before."""

import json
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadRequestError, StorageFullError
from webapp.extensions import get_config, get_files, get_limiter, get_registry
from webapp.gallery_filter import GalleryFilter, filter_params, parse_filter
from webapp.http.responses import download, stored_file
from webapp.services.exports import export
from webapp.services.exports.export import Tools
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types import export as export_job
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.jobs import owner, sender

bp = Blueprint("export", __name__)
SHOWN = 5
"""Of the exports that jobs made."""


@bp.get("/export")
@guards.people_only
def index() -> ResponseReturnValue:
    """Counts first, then the forms to choose from, then what was exported earlier. The filter is that of the gallery, in the URL."""
    return _page()


@bp.post("/export")
@guards.people_only
def take() -> ResponseReturnValue:
    """The export itself, piece by piece; or a job that makes it in the data folder."""
    try:
        order = export.make_order(
            request.form.get("format", ""),
            parse_filter(request.form),
            after=request.form.get("after", ""),
            keep_metadata=bool(request.form.get("metadata")) and _is_admin(),
            base_url=request.url_root,
        )
        if request.form.get("later"):
            job = export_job.enqueue(order, get_config().data, sender())
            return redirect(url_for("jobs.one", job_id=job.public_id), 303)
        row, pieces = export.start_export(
            order, who=guards.who(), tools=Tools(get_registry(), get_files(), get_limiter())
        )
    except (BadRequestError, StorageFullError) as error:
        return _page(error)
    return download(pieces, order.content_type, export.name_of(order, row), export_id=row.public_id)


@bp.get("/export/<public_id>/manifest.json")
@guards.people_only
def manifest(public_id: str) -> Response:
    """What an export says about itself."""
    return jsonify(export.describe(export.get_export(public_id)))


@bp.get("/jobs/<job_id>/files/<name>")
@guards.people_only
def file(job_id: str, name: str) -> ResponseReturnValue:
    """A file that a job has made."""
    path, content_type, sha256 = export_job.file_of(
        jobs.get_job(job_id, owner()), name, get_config().data, admin=_is_admin()
    )
    return stored_file(path, content_type, sha256=sha256)


@bp.post("/jobs/<job_id>/files/remove")
@guards.people_only
def remove(job_id: str) -> ResponseReturnValue:
    """Remove the files of a job before their time."""
    export_job.remove_files(jobs.get_job(job_id, owner()), get_config().data)
    note("The files are removed.")
    return redirect(url_for("jobs.one", job_id=job_id), 303)


def _page(error: BadRequestError | StorageFullError | None = None) -> ResponseReturnValue:
    asked, wanted = request.values, GalleryFilter()
    try:
        wanted = parse_filter(asked)
    except BadRequestError as trouble:
        error = trouble
    params = export.question_of(wanted)
    body = render_template(
        "exports/index.html",
        size=export.size_of(wanted),
        params=params,
        chosen=request.values.get("format", "csv"),
        after=request.values.get("after", ""),
        going_on="go_on" in request.args,
        earlier=[_earlier(row) for row in export.last_exports()],
        zip_photos=export.ZIP_PHOTOS,
        whole=not filter_params(wanted),
        later=jobs.list_jobs(owner(), job_type=export_job.JOB_TYPE.name, limit=SHOWN).items,
        kept=export_job.KEPT.days,
        error=error,
    )
    return body, error.status if error else 200


def _earlier(row: export.Export) -> dict[str, Any]:
    """A line about an export and what can be done about the rest of it: the next part (`after` which photo), the same again, or, where
    what has arrived is of use, going on after the last photo of that, which only the reader knows."""
    manifest, broken = row.manifest or {}, row.state == "stopped"
    return {
        "row": row,
        "params": json.loads(row.question),
        "after": manifest.get("next") or "",
        "again": broken and row.format not in export.GOES_ON,
        "go_on": broken and row.format in export.GOES_ON,
        "sha256": manifest.get("sha256", ""),
    }


def _is_admin() -> bool:
    somebody = guards.person()
    return somebody is not None and somebody.is_admin
