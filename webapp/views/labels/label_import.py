"""Labels from a file: a preview of what it would do, then one batch."""

import hashlib
from collections.abc import Iterable

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField, MultipleFileField
from wtforms import BooleanField

from webapp.domain import ALL_MODELS
from webapp.errors import BadLabelFileError
from webapp.extensions import get_pipeline
from webapp.label_files.folders import read_sums
from webapp.services.jobs.types import label_import as label_import_job
from webapp.services.labels import label_files, label_import
from webapp.services.labels.import_plan import LIKE, plan_import
from webapp.services.photos.classify import clean_name
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.labels.relabel import live_choice
from webapp.views.layout import render_page
from webapp.views.template_filters import count

bp = guards.guard(Blueprint("label_import", __name__, url_prefix="/import"), guards.people_only)


class _LabelFileForm(Form):
    """A file of labels, or a folder of photos, of which the script sends the SHA-256 of each; then
    what to do with it."""

    file = FileField("A file of labels")
    folder = MultipleFileField("Or a folder of photos, with a folder for each label in it")
    sums = FileField()
    by_name = BooleanField("Take the file name as enough")
    replace = BooleanField("Also replace labels that people gave")


@bp.get("")
@bp.errorhandler(BadLabelFileError)
def index(error: BadLabelFileError | None = None) -> ResponseReturnValue:
    """The form for a file, with what is wrong with the last one above it."""
    return render_page("labels/import.html", error, max_bytes=label_files.MAX_BYTES)


@bp.post("")
def send() -> ResponseReturnValue:
    """Keep the file and look at it."""
    file = _LabelFileForm().file.data
    content = file.read(label_files.MAX_BYTES + 1) if file else b""
    name = clean_name(file.filename or "") if file else ""
    public_id = label_files.keep_file(name, content, who=guards.who())
    return redirect(url_for(".look", public_id=public_id), 303)


@bp.post("/folder")
def send_folder() -> ResponseReturnValue:
    """Look at a folder of photos with one for each label, or at their checksums by the script."""
    form = _LabelFileForm()
    files: Iterable[tuple[str, str]] = (
        (photo.filename, hashlib.file_digest(photo.stream, "sha256").hexdigest())
        for photo in form.folder.data or ()
        if photo.filename
    )
    if form.sums.data:
        files = read_sums(form.sums.data.stream)
    public_id = label_files.keep_folder(files, who=guards.who())
    return redirect(url_for(".look", public_id=public_id), 303)


@bp.route("/<public_id>", methods=["GET", "POST"])
def look(public_id: str) -> ResponseReturnValue:
    """What the file would do. The form gives the cars their labels, as one batch; of a large file,
    or with many boxes to draw, a job does."""
    form, file = _LabelFileForm(request.values), label_files.own_file(public_id, guards.who())
    by_name, replace, cards = bool(form.by_name.data), bool(form.replace.data), live_choice("")
    confirmed, large = request.method == "POST", label_files.is_large(file)
    if not (confirmed and large):
        plan = plan_import(label_files.read_file(file), cards, by_name=by_name)
        large = large or plan.drawn > label_files.MOST_DRAWN
    if confirmed and large:
        params = label_import_job.params_for(file, cards, by_name=by_name, replace=replace)
        return guards.to_job(label_import_job.enqueue(params, guards.sender(public_id)))
    if confirmed:
        done = label_import.apply_import(
            plan, get_pipeline(ALL_MODELS), replace=replace, who=guards.who(), why=file.filename
        )
        label_files.forget_file(public_id)
        note("Labelled:", strong=f"{count(done.changed, 'car')}.", batch=done.batch)
        return redirect(url_for("log.index"), 303)
    return render_template(
        "labels/import_preview.html",
        public_id=public_id,
        name=file.filename,
        plan=plan,
        by_name=by_name,
        like=LIKE,
        large=large,
    )
