"""Exports: how much there is, in which format, and what was exported before."""

import json

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField, StringField

from webapp.errors import BadRequestError, StorageFullError
from webapp.extensions import get_config, get_tools
from webapp.gallery_filter import GalleryFilter, filter_params
from webapp.http.responses import download, stored_file
from webapp.services.exports import downloads
from webapp.services.exports.formats import FORMATS, find_format
from webapp.services.exports.order import BOXES, CROPS, PHOTOS, ZIP_PHOTOS, ExportOrder, size_of
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types import export as export_job
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.layout import render_page
from webapp.views.photos.query_filters import filter_texts, read_filter

bp = guards.guard(Blueprint("export", __name__), guards.people_only)
_JOBS_SHOWN = 5


class _ExportForm(Form):
    """In which format, and what is there already; the gallery's filters come with it."""

    format = StringField()
    after = StringField("Only photos after this one")
    metadata = BooleanField(
        "In folders: leave in the photos what they tell about place, time and camera"
    )
    unit = SelectField(
        "In folders",
        choices={
            PHOTOS: "Whole photos whose main car has a class",
            CROPS: "Each car with a class, cut out",
            BOXES: "For a detector: photos in which people checked every car",
        },
        default=PHOTOS,
        validate_choice=False,
    )
    later = StringField()


@bp.route("/export", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Counts first, then the formats to choose from, then what was exported earlier. The filter is
    that of the gallery, in the URL. The form exports."""
    form, error = _ExportForm(request.values, meta={"csrf": False}), None
    if request.method == "POST":
        try:
            return _export(form)
        except (BadRequestError, StorageFullError) as refused:
            error = refused
    wanted = GalleryFilter()
    try:
        wanted = read_filter(request.values).replace(sort="newest")
    except BadRequestError as refused:
        error = refused
    params, earlier = filter_params(wanted), []
    for export in downloads.last_exports():
        its = json.loads(export.filter_json)
        goes_on = export.format in FORMATS and FORMATS[export.format].goes_on
        earlier.append((export, its, filter_texts(its), goes_on))
    made = jobs.list_jobs(guards.owner(), job_type=export_job.JOB_TYPE.name, limit=_JOBS_SHOWN)
    return render_page(
        "exports/index.html",
        error,
        form=form,
        formats=FORMATS.values(),
        size=size_of(wanted),
        params=params,
        words=filter_texts(params),
        going_on="go_on" in request.args,
        earlier=earlier,
        zip_photos=ZIP_PHOTOS,
        made=made.items,
        kept=export_job.KEPT.days,
    )


@bp.get("/export/<public_id>/manifest.json")
def manifest(public_id: str) -> Response:
    """What an export says about itself."""
    return jsonify(downloads.describe(downloads.get_export(public_id)))


@bp.get("/jobs/<job_id>/files/<name>")
def file(job_id: str, name: str) -> ResponseReturnValue:
    """A file that a job has made."""
    view = jobs.get_job(job_id, guards.owner())
    path, content_type, sha256 = export_job.file_of(
        view, name, get_config().data, admin=guards.is_admin()
    )
    return stored_file(path, content_type, sha256=sha256)


@bp.post("/jobs/<job_id>/files/remove")
def remove(job_id: str) -> ResponseReturnValue:
    """Remove the files of a job before their time."""
    export_job.remove_files(jobs.get_job(job_id, guards.owner()), get_config().data)
    note("The files are removed.")
    return redirect(url_for("jobs.one", job_id=job_id), 303)


def _export(form: _ExportForm) -> ResponseReturnValue:
    """The export itself, piece by piece; or a job that makes it in the data folder."""
    order = ExportOrder(
        find_format(form.format.data),
        read_filter(request.form),
        form.after.data,
        keep_metadata=bool(form.metadata.data) and guards.is_admin(),
        base_url=request.url_root,
        unit=form.unit.data,
    )
    if form.later.data:
        return guards.to_job(export_job.enqueue(order, get_config().data, guards.sender()))
    export, pieces = downloads.start_export(order, who=guards.who(), tools=get_tools())
    name = downloads.name_of(order, export)
    return download(pieces, order.format.content_type, name, export_id=export.public_id)
