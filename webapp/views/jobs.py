"""Background jobs: the list, one of them while it runs and when it has ended, and many photos that come in as one."""

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from webapp.domain import JOB_STATES
from webapp.errors import BadRequestError, JobNotFoundError, MarqueError
from webapp.extensions import get_classifiers, get_config, get_files
from webapp.gallery_filter import GalleryFilter
from webapp.http.responses import attachment
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.queue import Job, JobView, Owner, Sender
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.types.upload import UploadOrder
from webapp.services.photos import gallery as history
from webapp.services.photos import own_uploads
from webapp.services.photos.classify import MAX_BYTES, MAX_FILES, Incoming, clean_name
from webapp.services.photos.deletion import GRACE
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.photos import session_uploads
from webapp.views.template_filters import count

bp = Blueprint("jobs", __name__)
STRIP = 5
REFRESH = 3
"""Seconds after which the page of a job that is not over asks for itself again."""


@bp.get("/jobs")
def index() -> ResponseReturnValue:
    """Jobs, newest first: a visitor's own, for people who log in everybody's."""
    asked = {name: request.args.get(name, "") for name in ("state", "kind", "cursor")}
    page = jobs.list_jobs(
        owner(), state=asked["state"], job_type=asked["kind"], cursor=asked["cursor"]
    )
    states, kinds = jobs.counts(owner())
    return render_template(
        "jobs/index.html",
        page=page,
        asked=asked,
        states=[(state, states.get(state, 0)) for state in JOB_STATES],
        kinds=[
            (kind, JOB_TYPES[kind].title if kind in JOB_TYPES else kind, number)
            for kind, number in sorted(kinds.items())
        ],
        all=sum(states.values()),
        titles={name: one.title for name, one in JOB_TYPES.items()},
        trouble=jobs.missing_worker(JOB_TYPES),
        refresh=REFRESH if any(not one.over for one in page.items) else 0,
        folder=get_config().import_folder if _is_admin() else None,
    )


@bp.get("/jobs/<job_id>")
def one(job_id: str) -> ResponseReturnValue:
    """How a job stands. Until it is over, the page looks again by itself."""
    return _page(jobs.get_job(job_id, owner()))


@bp.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> ResponseReturnValue:
    """Cancel it; what it did stays."""
    jobs.cancel_job(job_id, owner(), guards.who())
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/<job_id>/retry")
def retry(job_id: str) -> ResponseReturnValue:
    """Let a job that failed go on where it stopped."""
    jobs.retry_job(job_id, owner(), guards.who())
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.get("/jobs/<job_id>/left-out.csv")
def left_out(job_id: str) -> ResponseReturnValue:
    """The files that an upload left out, as a table: name, what it is, why."""
    view = jobs.get_job(job_id, owner())
    if view.job.type != upload_job.JOB_TYPE.name:
        raise BadRequestError("Only an upload leaves files out.")
    table = upload_job.left_out_csv(jobs.part_results(view))
    return Response(
        table,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": attachment(f"left-out-{job_id}.csv")},
    )


@bp.post("/jobs/upload")
@guards.uploads_open
def take() -> ResponseReturnValue:
    """Zips and photos that become one job. The script sends them in groups, the last one marked; a form sends all at once."""
    sent_files = files_of_form()
    group = request.form.get("group", "")
    try:
        job_id = request.form.get("job", "")
        if known := _own(job_id):  # the answer to the last group was lost, and it came again
            return jsonify(job=job_id, url=url_for(".one", job_id=known.public_id))
        if job_id:
            upload_job.check_open(get_config().data, job_id)
        job_id = job_id or jobs.new_id()
        keep(job_id, sent_files, int(group) if group.isdecimal() and len(group) < 6 else 1)
        if request.form.get("last") == "no":
            return jsonify(job=job_id)
        job = put_in(job_id, sent_files)
    except MarqueError as error:
        return jsonify(error=str(error)), error.status
    return jsonify(job=job.public_id, url=url_for(".one", job_id=job.public_id))


@bp.get("/jobs/<job_id>/delete")
def delete(job_id: str) -> ResponseReturnValue:
    """Ask once more before the photos of an upload are deleted by who sent them."""
    view = jobs.get_job(job_id, owner())
    if not own_uploads.is_theirs(view, owner()):
        return redirect(url_for(".one", job_id=job_id), 303)
    return render_template(
        "jobs/delete.html",
        view=view,
        job=view.job,
        holdings=own_uploads.holdings(view),
        days=GRACE.days,
    )


@bp.post("/jobs/<job_id>/delete")
def delete_now(job_id: str) -> ResponseReturnValue:
    """Delete the photos that were new with an upload; for some days its page can bring them back."""
    gone = own_uploads.delete(
        jobs.get_job(job_id, owner()), owner(), who=guards.who(), files=get_files()
    )
    stayed = f" {count(gone.skipped, 'photo')} with a star stayed." if gone.skipped else ""
    note("Deleted:", strong=f"{count(gone.changed, 'photo')}.{stayed}")
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/<job_id>/restore")
def restore(job_id: str) -> ResponseReturnValue:
    """Bring the photos of an upload back."""
    back = own_uploads.restore(jobs.get_job(job_id, owner()), owner())
    note("Back again:", strong=f"{count(back, 'photo')}.")
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/folder")
@guards.admins_only
def folder() -> ResponseReturnValue:
    """Take in the photos below a folder of the server."""
    name = request.form.get("folder", "").strip()
    try:
        job = upload_job.take_folder(
            get_config().import_folder, name, _order(name or "the whole folder")
        )
    except MarqueError as error:
        note(str(error), kind="is-error")
        return redirect(url_for(".index"), 303)
    return redirect(url_for(".one", job_id=job.public_id), 303)


# ---- what the upload page uses too ----


def files_of_form() -> list[FileStorage]:
    """The files of the upload form."""
    return [
        one for field in ("files", "file") for one in request.files.getlist(field) if one.filename
    ]


def keep(job_id: str, files: list[FileStorage], group: int) -> None:
    """Keep what a form sent for a job: each zip as it is, the photos together. Raises what `upload_job.keep_zip` raises."""
    data, number, allowance = get_config().data, group * 100, upload_job.allowance_of(owner())
    for one in files:
        if is_zip(one):
            with closing(one.stream):
                upload_job.keep_zip(data, job_id, one.stream, number, allowance)
            number += 1
    if photos := [one for one in files if not is_zip(one)]:
        upload_job.keep_files(data, job_id, _read(photos), number, allowance)


def put_in(job_id: str, files: list[FileStorage]) -> Job:
    """Put in the job for what was kept, as the form asks."""
    title = request.form.get("title", "").strip() or ", ".join(
        clean_name(one.filename or "") for one in files[:3]
    )
    try:
        return upload_job.take_kept(get_config().data, job_id, _order(title))
    except MarqueError:
        upload_job.forget(get_config().data, job_id)
        raise


def belong_in_a_job(files: list[FileStorage]) -> bool:
    """True for a zip, and for more photos than a form looks at while one waits."""
    return len(files) > MAX_FILES or any(is_zip(one) for one in files)


def is_zip(file: FileStorage) -> bool:
    """True for a file that is called a zip."""
    return (file.filename or "").lower().endswith(".zip")


def owner(*, new: bool = False) -> Owner:
    """Who is here: people see every job, a visitor what this browser put in. `new` gives a browser its name."""
    somebody = guards.person()
    if somebody:
        return Owner(f"user:{somebody.id}", all=True)
    if new:
        session_uploads.name_browser()
    return Owner(session_uploads.owner_id() or "nobody")


def sender(key: str = "") -> Sender:
    """Who is here, as the sender of a job."""
    return Sender(owner(), guards.who(), key)


def _read(files: Iterable[FileStorage]) -> list[Incoming]:
    found = []
    for one in files:
        with closing(one.stream):
            found.append(Incoming(one.filename or "", one.read(MAX_BYTES + 1)))
    return found


def _order(title: str) -> UploadOrder:
    form = request.form
    model = form.get("model", "").strip()
    label, folders = form.get("ground_truth", "").strip(), form.get("folders") == "yes"
    asked = upload_job.question(
        get_classifiers(model), model=model, ground_truth=label, folders=folders, place="upload"
    )
    return UploadOrder(asked, title, Sender(owner(new=True), guards.who()))


def _own(job_id: str) -> Job | None:
    """The job with this id when it was put in here, None when there is none or it is somebody else's."""
    try:
        found = jobs.get_job(job_id, owner()).job if job_id else None
    except JobNotFoundError:
        return None
    return found if found and found.owner == owner().id else None


def _page(view: JobView) -> ResponseReturnValue:
    kind = JOB_TYPES.get(view.job.type)
    result: dict[str, Any] = view.job.result or {}
    return render_template(
        "jobs/job.html",
        view=view,
        job=view.job,
        kind=kind,
        summary=kind.summary(result) if kind and kind.summary and view.state == "succeeded" else "",
        result=result,
        lines=jobs.log_lines(view),
        left_out=upload_job.left_out(jobs.part_results(view))
        if view.job.type == upload_job.JOB_TYPE.name
        else [],
        trouble="" if view.over else jobs.missing_worker(JOB_TYPES),
        refresh=0 if view.over else REFRESH,
        photos=_photos(view),
        browsing=guards.may_browse(),
        holdings=own_uploads.holdings(view) if own_uploads.is_theirs(view, owner()) else None,
    )


def _photos(view: JobView) -> list[history.Item]:
    """The newest photos of an upload, for those who may see photos, and for who sent them."""
    if view.job.type != upload_job.JOB_TYPE.name or not (
        guards.may_browse() or view.job.owner == owner().id
    ):
        return []
    return list(history.gallery_page(GalleryFilter(batch=view.job.public_id), limit=STRIP).items)


def _is_admin() -> bool:
    somebody = guards.person()
    return somebody is not None and somebody.is_admin
