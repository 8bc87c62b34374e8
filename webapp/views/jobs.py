"""Background jobs: the list, one job with its progress and result, and uploads that are jobs."""

from collections.abc import Sequence
from contextlib import closing

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from wtforms import BooleanField, IntegerField, StringField

from webapp.domain import JOB_STATES, SUCCEEDED
from webapp.errors import BadRequestError, JobNotFoundError, MarqueError
from webapp.extensions import get_classifiers, get_config, get_files
from webapp.gallery_filter import GalleryFilter
from webapp.http.responses import attachment
from webapp.services.jobs import queue
from webapp.services.jobs.queue import Job, Owner, Sender
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.types.upload import UploadOrder
from webapp.services.photos import gallery, own_uploads
from webapp.services.photos.classify import MAX_BYTES, MAX_FILES, Incoming, clean_name
from webapp.services.photos.deletion import GRACE
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.photos import session_uploads
from webapp.views.template_filters import count

bp = Blueprint("jobs", __name__)
# Photos of an upload that its page shows.
STRIP = 5
# Seconds after which the page of a job that is not over loads itself again.
REFRESH = 3


class FolderForm(Form):
    """Take in the photos below a folder of the server."""

    folder = StringField("Folder")
    folders = BooleanField("The folders are the labels")
    model = StringField("Model")
    ground_truth = StringField("Ground truth")

    def order(self, title: str) -> UploadOrder:
        """The upload that the form asks for. Raises what `upload_job.question` raises."""
        model = (self.model.data or "").strip()
        params = upload_job.question(
            get_classifiers(model),
            model=model,
            ground_truth=(self.ground_truth.data or "").strip(),
            folders=self.folders.data,
            place="upload",
        )
        return UploadOrder(params, title, Sender(owner(new=True), guards.who()))


class UploadForm(FolderForm):
    """Zips and photos that become one job. The script sends them in groups, the last one marked;
    without a script they come all at once."""

    title = StringField("Title")
    job = StringField("The job that the group belongs to")
    group = IntegerField("Number of the group", default=1)
    last = StringField("Is it the last group?")


@bp.get("/jobs")
def index() -> ResponseReturnValue:
    """Jobs, newest first: a visitor's own, for people who log in everybody's."""
    asked = {name: request.args.get(name, "") for name in ("state", "kind", "cursor")}
    state, job_type, cursor = asked.values()
    page = queue.list_jobs(owner(), state=state, job_type=job_type, cursor=cursor)
    states, types = queue.counts(owner())
    titles = {name: each.title for name, each in JOB_TYPES.items()}
    return render_template(
        "jobs/index.html",
        page=page,
        asked=asked,
        states=[(state, states.get(state, 0)) for state in JOB_STATES],
        types=sorted(types.items()),
        all=sum(states.values()),
        titles=titles,
        trouble=queue.missing_worker(JOB_TYPES),
        refresh=REFRESH if any(not view.over for view in page.items) else 0,
        folder=get_config().import_folder if guards.is_admin() else None,
        form=FolderForm(formdata=None),
    )


@bp.get("/jobs/<job_id>")
def one(job_id: str) -> ResponseReturnValue:
    """How a job stands. Until it is over, the page loads itself again."""
    view = queue.get_job(job_id, owner())
    job, job_type = view.job, JOB_TYPES.get(view.job.type)
    summary, result, is_upload = "", job.result or {}, job.type == upload_job.JOB_TYPE.name
    if job_type and job_type.summary and view.state == SUCCEEDED:
        summary = job_type.summary(result)
    photos: Sequence[gallery.Item] = ()
    if is_upload and (guards.may_browse() or job.owner == owner().id):
        photos = gallery.gallery_page(GalleryFilter(batch=job_id), limit=STRIP).items
    return render_template(
        "jobs/job.html",
        view=view,
        job=job,
        job_type=job_type,
        summary=summary,
        result=result,
        lines=queue.log_lines(view),
        left_out=upload_job.left_out(queue.part_results(view)) if is_upload else [],
        trouble="" if view.over else queue.missing_worker(JOB_TYPES),
        refresh=0 if view.over else REFRESH,
        photos=photos,
        browsing=guards.may_browse(),
        holdings=own_uploads.holdings(view) if own_uploads.is_theirs(view, owner()) else None,
    )


@bp.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> ResponseReturnValue:
    """Cancel it; what it did stays."""
    queue.cancel_job(job_id, owner(), guards.who())
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/<job_id>/retry")
def retry(job_id: str) -> ResponseReturnValue:
    """Let a job that failed go on where it stopped."""
    queue.retry_job(job_id, owner(), guards.who())
    return redirect(url_for(".one", job_id=job_id), 303)


# ---- uploads that are jobs ----


@bp.get("/jobs/<job_id>/left-out.csv")
def left_out(job_id: str) -> ResponseReturnValue:
    """The files that an upload left out, as a table: name, what it is, why."""
    view = queue.get_job(job_id, owner())
    if view.job.type != upload_job.JOB_TYPE.name:
        raise BadRequestError("Only an upload leaves files out.")
    return Response(
        upload_job.left_out_csv(queue.part_results(view)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": attachment(f"left-out-{job_id}.csv")},
    )


@bp.post("/jobs/upload")
@guards.uploads_open
def take() -> ResponseReturnValue:
    """Take zips and photos of the upload page's script, a group at a time, as one job."""
    form, files = UploadForm(), files_of_form()
    job_id = form.job.data or ""
    try:
        if known := _own(job_id):  # the answer to the last group was lost, and it came again
            return jsonify(job=job_id, url=url_for(".one", job_id=known.public_id))
        if job_id:
            upload_job.check_open(get_config().data, job_id)
        job_id = job_id or queue.new_id()
        keep(job_id, files, min(max(form.group.data or 1, 0), 99_999))
        if form.last.data == "no":
            return jsonify(job=job_id)
        job = enqueue(job_id, files)
    except MarqueError as error:
        return jsonify(error=str(error)), error.status
    return jsonify(job=job.public_id, url=url_for(".one", job_id=job.public_id))


@bp.post("/jobs/folder")
@guards.admins_only
def folder() -> ResponseReturnValue:
    """Take in the photos below a folder of the server."""
    form = FolderForm()
    name = (form.folder.data or "").strip()
    try:
        order = form.order(name or "the whole folder")
        job = upload_job.take_folder(get_config().import_folder, name, order)
    except MarqueError as error:
        note(str(error), kind="is-error")
        return redirect(url_for(".index"), 303)
    return redirect(url_for(".one", job_id=job.public_id), 303)


@bp.get("/jobs/<job_id>/delete")
def delete(job_id: str) -> ResponseReturnValue:
    """Ask once more before the sender of an upload deletes its photos."""
    view = queue.get_job(job_id, owner())
    if not own_uploads.is_theirs(view, owner()):
        return redirect(url_for(".one", job_id=job_id), 303)
    holdings = own_uploads.holdings(view)
    return render_template("jobs/delete.html", job=view.job, holdings=holdings, days=GRACE.days)


@bp.post("/jobs/<job_id>/delete")
def delete_now(job_id: str) -> ResponseReturnValue:
    """Delete the photos that were new with an upload; for some days its page can restore them."""
    view = queue.get_job(job_id, owner())
    done = own_uploads.delete(view, owner(), who=guards.who(), files=get_files())
    stayed = f" {count(done.skipped, 'photo')} with a star stayed." if done.skipped else ""
    note("Deleted:", strong=f"{count(done.changed, 'photo')}.{stayed}")
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/<job_id>/restore")
def restore(job_id: str) -> ResponseReturnValue:
    """Bring the photos of an upload back."""
    restored = own_uploads.restore(queue.get_job(job_id, owner()), owner())
    note("Back again:", strong=f"{count(restored, 'photo')}.")
    return redirect(url_for(".one", job_id=job_id), 303)


def _own(job_id: str) -> Job | None:
    """The job with this id if this browser or person sent it, else None."""
    try:
        job = queue.get_job(job_id, owner()).job if job_id else None
    except JobNotFoundError:
        return None
    return job if job and job.owner == owner().id else None


# ---- what other pages use too ----


def owner(*, new: bool = False) -> Owner:
    """Who is here: people see every job, a visitor what this browser sent. `new` gives a browser
    its name."""
    person = guards.person()
    if person:
        return Owner(f"user:{person.id}", all=True)
    if new:
        session_uploads.name_browser()
    return Owner(session_uploads.owner_id() or "nobody")


def sender(key: str = "") -> Sender:
    """Who is here, as the sender of a job."""
    return Sender(owner(), guards.who(), key)


def files_of_form() -> list[FileStorage]:
    """The files of the upload form."""
    files = request.files.getlist("files") + request.files.getlist("file")
    return [file for file in files if file.filename]


def belong_in_a_job(files: list[FileStorage]) -> bool:
    """True for a zip, and for more photos than a form classifies at once."""
    return len(files) > MAX_FILES or any(map(_is_zip, files))


def keep(job_id: str, files: list[FileStorage], group: int) -> None:
    """Keep what a form sent for a job: each zip as it is, the photos together.

    Raises what `upload_job.keep_zip` raises.
    """
    data, number, allowance = get_config().data, group * 100, upload_job.allowance_of(owner())
    photos = []
    for file in files:
        with closing(file.stream):
            if _is_zip(file):
                upload_job.keep_zip(data, job_id, file.stream, number, allowance)
                number += 1
            else:
                photos.append(Incoming(file.filename or "", file.read(MAX_BYTES + 1)))
    if photos:
        upload_job.keep_files(data, job_id, photos, number, allowance)


def enqueue(job_id: str, files: list[FileStorage]) -> Job:
    """Enqueue the upload of what was kept, as the form asks."""
    form, data = UploadForm(), get_config().data
    names = ", ".join(clean_name(file.filename or "") for file in files[:3])
    try:
        return upload_job.take_kept(
            data, job_id, form.order((form.title.data or "").strip() or names)
        )
    except MarqueError:
        upload_job.forget(data, job_id)
        raise


def _is_zip(file: FileStorage) -> bool:
    return (file.filename or "").lower().endswith(".zip")
