"""Photos come in: one or several that are classified at once, or many that become a job."""

import re
from contextlib import closing
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.file import MultipleFileField
from werkzeug.datastructures import FileStorage
from wtforms import BooleanField, IntegerField, StringField

from webapp.domain import ALL_MODELS
from webapp.errors import JobNotFoundError, MarqueError
from webapp.extensions import get_config, get_extensions, get_pipeline
from webapp.http.messages import wants_json
from webapp.http.rate_limits import count_photos
from webapp.http.responses import headers_of
from webapp.services.jobs import queue
from webapp.services.jobs.queue import Job, Sender
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.upload import UploadOrder
from webapp.services.photos import gallery
from webapp.services.photos.classify import (
    MAX_BYTES,
    MAX_FILES,
    Incoming,
    Origin,
    StoredPhoto,
    classify_photos,
    clean_name,
    store_upload,
)
from webapp.services.photos.gallery import Photo
from webapp.services.photos.spool import Spool, allowance_of
from webapp.views import guards
from webapp.views.flashes import noting
from webapp.views.forms import Form
from webapp.views.layout import model_choices
from webapp.views.photos import first_page, samples
from webapp.views.photos.presenters import present_answers, present_photo

bp = Blueprint("upload", __name__)


class FolderForm(Form):
    """What is known of many photos: a label for all, or folders that are labels."""

    folder = StringField("Folder", filters=[str.strip])
    model = StringField("Model", filters=[str.strip])
    ground_truth = StringField("Ground truth", filters=[str.strip])
    folders = BooleanField("The folders are named after the labels of their photos")

    def order(self, title: str) -> UploadOrder:
        """The job for them. Raises `UnknownLabelError` or `ModelNotFoundError`."""
        model, truth = self.model.data, self.ground_truth.data
        classifiers, folders = get_extensions().classifiers(model), self.folders.raw_data == ["yes"]
        params = upload_job.make_params(classifiers, model, "upload", truth, folders)
        return UploadOrder(params, title, Sender(guards.owner(new=True), guards.who()))


class _UploadForm(FolderForm):
    """Photos or zips. `batch` names the files of one form: the script sends each by itself."""

    files = MultipleFileField()
    file = MultipleFileField()
    batch = StringField()
    title = StringField(filters=[str.strip])
    job = StringField()
    group = IntegerField(default=1)
    last = StringField()

    def uploads(self) -> list[FileStorage]:
        """The files that came."""
        return [*(self.files.data or []), *(self.file.data or [])]

    def origin(self) -> Origin:
        """Where the photos come from."""
        batch = self.batch.data
        batch = batch if re.fullmatch(r"[\w-]{1,24}", batch, re.ASCII) else ""
        return Origin(guards.who(), "upload", self.ground_truth.data, batch)

    def spool(self, job_id: str, group: int) -> Spool:
        """Store the files for a job: each zip as it is, the photos together.

        Raises what `Spool.add_zip` raises.
        """
        spool = Spool(get_config().data, job_id, allowance_of(guards.owner()))
        first = group * 100
        zips = [upload for upload in self.uploads() if _is_zip(upload)]
        for number, upload in enumerate(zips, first):
            with closing(upload.stream) as stream:
                spool.add_zip(stream, number)
        photos = [upload for upload in self.uploads() if not _is_zip(upload)]
        if photos:
            spool.add_photos(_read(photos), first + len(zips))
        return spool

    def enqueue(self, spool: Spool) -> Job:
        """Enqueue the job for what was stored."""
        names = ", ".join(clean_name(upload.filename or "") for upload in self.uploads()[:3])
        try:
            return upload_job.enqueue_spool(spool, self.order(self.title.data or names))
        except MarqueError:
            spool.clear()
            raise


@bp.get("/")
@guards.uploads_open
def index() -> ResponseReturnValue:
    """The form, the latest answer, samples to try, what the model knows and cannot do."""
    return first_page.render(_UploadForm())


@bp.post("/")
@guards.uploads_open
def send() -> ResponseReturnValue:
    """Take one photo (303 to it), several (303 to their list), a zip or very many (to their job);
    what is refused is said above the form."""
    form, incoming, results = _UploadForm(), [], []
    uploads = form.uploads()
    try:
        if len(uploads) > MAX_FILES or any(map(_is_zip, uploads)):
            return guards.to_job(form.enqueue(form.spool(queue.new_id(), 1)))
        incoming = _read(uploads)
        count_photos(len(incoming))
        results = classify_photos(incoming, get_pipeline(form.model.data), form.origin())
    except MarqueError as error:
        return _refuse(error, form, incoming)
    for result in results:
        if isinstance(result, StoredPhoto):
            guards.remember_sent(result.photo.public_id, result.delete_token)
    choice, first = form.model.data, results[0]
    if wants_json():
        lines = [_result(*pair, choice) for pair in zip(incoming, results, strict=True)]
        failed = isinstance(first, MarqueError) and len(results) == 1
        return jsonify(results=lines), getattr(first, "status", 200) if failed else 200
    if len(results) > 1:
        public_id = store_upload(incoming, results, choice)
        return redirect(url_for("upload.several", public_id=public_id), 303)
    if isinstance(first, MarqueError):
        return _refuse(first, form, incoming)
    return redirect(_address(first.photo, choice, again=first.duplicate), 303)


@bp.get("/uploads/<public_id>")
@guards.uploads_open
def several(public_id: str) -> ResponseReturnValue:
    """What became of each file of an upload."""
    results, photos = gallery.get_upload(public_id)
    visible, lines = guards.may_browse(), []
    for result in results:
        known = visible or guards.has_sent(str(result["photo"]))
        photo = photos.get(result["photo"]) if known else None
        url = _address(photo, result.get("model", ""), again=False) if photo else ""
        shown = photo and present_photo(photo)
        lines.append({**result, "stored": photo, "url": url, "shown": shown})
    answered = sum(bool(line["photo"]) for line in lines)
    return render_template("photos/several.html", lines=lines, answered=answered)


@bp.get("/samples/<name>")
@guards.uploads_open
def sample(name: str) -> ResponseReturnValue:
    """A sample picture with its answer; nothing is stored."""
    picture, choice = samples.get_sample(name), request.args.get("model", "")
    cars = samples.cars_of(picture, choice)
    answers = present_answers(cars[0])
    return render_template(
        "photos/sample.html",
        sample=picture,
        samples=samples.strip(),
        cars=[each.car for each in cars],
        answers=answers if choice == ALL_MODELS else answers[:1],
        models=model_choices(),
        side_by_side=choice == ALL_MODELS,
    )


# ---- many photos as a job ----


@bp.post("/jobs/upload")
@guards.uploads_open
def send_group() -> ResponseReturnValue:
    """Zips and photos that become one job.

    The script sends them in groups, the last one marked; a form sends all at once.
    """
    form = _UploadForm()
    job_id = form.job.data
    try:
        if job_id:
            if _own_job(job_id):  # the answer to the last group was lost, and it came again
                return jsonify(job=job_id, url=url_for("jobs.one", job_id=job_id))
            Spool(get_config().data, job_id).check_open()
        group = 1 if form.group.data is None else min(max(form.group.data, 0), 99_999)
        spool = form.spool(job_id or queue.new_id(), group)
        if form.last.data == "no":
            return jsonify(job=spool.folder.name)
        job = form.enqueue(spool)
    except MarqueError as error:
        return jsonify(error=str(error)), error.status
    return jsonify(job=job.public_id, url=url_for("jobs.one", job_id=job.public_id))


@bp.post("/jobs/folder")
@guards.admins_only
def take_folder() -> ResponseReturnValue:
    """Take in the photos below a folder of the server."""
    form = FolderForm()
    with noting(MarqueError):
        order = form.order(form.folder.data or "the whole folder")
        job = upload_job.enqueue_folder(get_config().import_folder, form.folder.data, order)
        return guards.to_job(job)
    return redirect(url_for("jobs.index"), 303)


def _own_job(job_id: str) -> Job | None:
    """The job with this id if it was sent in from here, else None."""
    try:
        job = queue.get_job(job_id, guards.owner()).job
    except JobNotFoundError:
        return None
    return job if job.owner == guards.owner().id else None


# ---- steps ----


def _is_zip(upload: FileStorage) -> bool:
    return (upload.filename or "").lower().endswith(".zip")


def _read(uploads: list[FileStorage]) -> list[Incoming]:
    """One byte more than allowed is enough to know that a file is too large."""
    incoming = []
    for upload in uploads:
        with closing(upload.stream):  # a large upload waits in a temporary file
            incoming.append(Incoming(upload.filename or "", upload.read(MAX_BYTES + 1)))
    return incoming


def _refuse(error: MarqueError, form: Form, incoming: list[Incoming]) -> ResponseReturnValue:
    if not wants_json():
        return first_page.render(form, error)
    names = [clean_name(photo.filename) for photo in incoming] or [""]
    body = jsonify(results=[{"filename": name, "error": str(error)} for name in names])
    return body, error.status, headers_of(error)


def _result(photo: Incoming, result: StoredPhoto | MarqueError, choice: str) -> dict[str, Any]:
    line = dict.fromkeys(("url", "answer", "thumbnail", "error")) | {"duplicate": False}
    line["filename"] = clean_name(photo.filename)
    if isinstance(result, MarqueError):
        return line | {"error": str(result)}
    shown = present_photo(result.photo)
    return line | {
        "url": _address(result.photo, choice, again=result.duplicate),
        "answer": shown.title if shown else "",
        "thumbnail": url_for("gallery.thumbnail", public_id=result.photo.public_id),
        "duplicate": result.duplicate,
    }


def _address(photo: Photo, choice: str, *, again: bool) -> str:
    """A photo's page, in the view of the model that was asked, or with the answers of all."""
    sent = "again" if again else None
    if choice == ALL_MODELS:
        return url_for("gallery.opinions", public_id=photo.public_id, sent=sent)
    answer = photo.prediction
    model = answer.model if answer and not answer.shown else None
    return url_for("gallery.photo", public_id=photo.public_id, model=model, sent=sent)
