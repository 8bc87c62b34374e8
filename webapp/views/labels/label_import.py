"""Labels from a file: a look at what it would do, then one batch."""

import hashlib
from typing import IO

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import BadLabelFileError, MarqueError, ModelUnavailableError
from webapp.inference.models.card import ModelCard
from webapp.services.jobs.types import label_import as label_import_job
from webapp.services.labels import label_import as import_labels
from webapp.services.labels.import_formats import read_sums
from webapp.services.photos.classify import clean_name
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.jobs import sender
from webapp.views.layout import live_cards
from webapp.views.template_filters import count

bp = Blueprint("label_import", __name__, url_prefix="/import")


@bp.get("")
@guards.people_only
def index() -> ResponseReturnValue:
    """The form for a file."""
    return render_template("labels/import.html", error=None, max_bytes=import_labels.MAX_BYTES)


@bp.post("")
@guards.people_only
def send() -> ResponseReturnValue:
    """Keep the file and look at it. One that cannot be read is refused above the form."""
    file = request.files.get("file")
    try:
        content = file.read(import_labels.MAX_BYTES + 1) if file else b""
        public_id = import_labels.keep_file(
            clean_name(file.filename or "") if file else "", content, who=guards.who()
        )
    except BadLabelFileError as error:
        return _refused(error)
    return redirect(url_for(".look", public_id=public_id), 303)


@bp.post("/folder")
@guards.people_only
def send_folder() -> ResponseReturnValue:
    """Look at a folder of photos that has a folder for each label: the photos themselves, or, from the script, only their checksums."""
    sums = request.files.get("sums")
    files = [one for one in request.files.getlist("folder") if one.filename]
    try:
        lines = (
            read_sums(sums.stream)
            if sums
            else ((str(one.filename), _sha256(one.stream)) for one in files)
        )
        public_id = import_labels.keep_folder(lines, who=guards.who())
    except BadLabelFileError as error:
        return _refused(error)
    return redirect(url_for(".look", public_id=public_id), 303)


@bp.get("/<public_id>")
@guards.people_only
def look(public_id: str) -> ResponseReturnValue:
    """What the file would do; nothing is changed."""
    by_name = bool(request.args.get("by_name"))
    name, plan = import_labels.plan_of_file(public_id, _cards(), who=guards.who(), by_name=by_name)
    about = {"like": import_labels.LIKE, "large": import_labels.LARGE}
    return render_template(
        "labels/import_preview.html",
        public_id=public_id,
        name=name,
        plan=plan,
        by_name=by_name,
        **about,
    )


@bp.post("/<public_id>")
@guards.people_only
def do(public_id: str) -> ResponseReturnValue:
    """Give the photos their labels, as one batch; a large file is a job."""
    by_name, who = bool(request.form.get("by_name")), guards.who()
    if import_labels.is_large(public_id, who=who):
        asked = label_import_job.question(
            public_id, _cards(), who=who, by_name=by_name, replace=bool(request.form.get("replace"))
        )
        job = label_import_job.enqueue(asked, sender(public_id))
        return redirect(url_for("jobs.one", job_id=job.public_id), 303)
    name, plan = import_labels.plan_of_file(public_id, _cards(), who=guards.who(), by_name=by_name)
    done = import_labels.apply_import(
        plan, replace=bool(request.form.get("replace")), who=guards.who(), why=name
    )
    import_labels.forget_file(public_id)
    note("Labelled:", strong=f"{count(done.changed, 'photo')}.", batch=done.batch)
    return redirect(url_for("log.index"), 303)


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(2**20):
        digest.update(piece)
    return digest.hexdigest()


def _refused(error: MarqueError) -> ResponseReturnValue:
    return render_template(
        "labels/import.html", error=error, max_bytes=import_labels.MAX_BYTES
    ), error.status


def _cards() -> list[ModelCard]:
    cards = live_cards()
    if not cards:
        raise ModelUnavailableError(
            "No model is live, so it is not known which labels there are. Nothing was changed."
        )
    return cards
