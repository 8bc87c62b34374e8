"""Background jobs: the list, and one job with its progress and result."""

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import JOB_STATES, SUCCEEDED, count
from webapp.errors import BadRequestError
from webapp.extensions import get_config, get_files
from webapp.gallery_filter import GalleryFilter
from webapp.http.responses import text_file
from webapp.reports.charts import Svg
from webapp.reports.training_curves import steps_svg
from webapp.services.jobs import queue
from webapp.services.jobs.types import training as training_job
from webapp.services.jobs.types import upload as upload_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.photos import gallery, own_uploads
from webapp.services.photos.deletion import GRACE
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.photos.upload import FolderForm

bp = Blueprint("jobs", __name__)
# Photos of an upload that its page shows.
_STRIP = 5
# Seconds after which a page loads itself again while a job is not over, or a webhook has to wait.
REFRESH = 3


@bp.get("/jobs")
def index() -> ResponseReturnValue:
    """Jobs, newest first: a visitor's own, for people who log in everybody's."""
    asked = {name: request.args.get(name, "") for name in ("state", "kind", "cursor")}
    state, job_type, cursor = asked.values()
    page = queue.list_jobs(guards.owner(), state=state, job_type=job_type, cursor=cursor)
    states, types = queue.counts(guards.owner())
    return render_template(
        "jobs/index.html",
        page=page,
        asked=asked,
        states=[(state, states.get(state, 0)) for state in JOB_STATES],
        types=sorted(types.items()),
        all=sum(states.values()),
        titles={name: each.title for name, each in JOB_TYPES.items()},
        trouble=queue.missing_worker(JOB_TYPES),
        refresh=REFRESH if any(not view.over for view in page.items) else 0,
        folder=get_config().import_folder if guards.is_admin() else None,
        form=FolderForm(formdata=None),
    )


@bp.get("/jobs/<job_id>")
def one(job_id: str) -> ResponseReturnValue:
    """How a job stands. Until it is over, the page loads itself again."""
    view = queue.get_job(job_id, guards.owner())
    job, job_type = view.job, JOB_TYPES.get(view.job.type)
    summary, result, is_upload = "", job.result or {}, job.type == upload_job.JOB_TYPE.name
    if job_type and job_type.summary and view.state == SUCCEEDED:
        summary = job_type.summary(result)
    photos: Sequence[gallery.Photo] = ()
    if is_upload and (guards.may_browse() or job.owner == guards.owner().id):
        photos = gallery.gallery_page(GalleryFilter(batch=job_id), limit=_STRIP).items
    return render_template(
        "jobs/job.html",
        view=view,
        job=job,
        job_type=job_type,
        summary=summary,
        result=result,
        curve=_curve(job),
        lines=[line for line in queue.log_lines(view) if line.text != summary],
        left_out=upload_job.left_out(queue.part_results(view)) if is_upload else [],
        trouble="" if view.over else queue.missing_worker(JOB_TYPES),
        refresh=0 if view.over else REFRESH,
        photos=photos,
        browsing=guards.may_browse(),
        holdings=own_uploads.is_theirs(view, guards.owner()) and own_uploads.holdings(view),
    )


def _curve(job: queue.Job) -> Svg | None:
    """The loss of a training that runs; None for other jobs, and before there is a line to draw."""
    if job.type != training_job.JOB_TYPE.name:
        return None
    losses = training_job.losses_of(job, get_config().data)
    return steps_svg(losses) if len(losses) > 1 else None


@bp.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> ResponseReturnValue:
    """Cancel it; what it did stays."""
    queue.cancel_job(job_id, guards.owner(), guards.who())
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/<job_id>/retry")
def retry(job_id: str) -> ResponseReturnValue:
    """Let a job that failed go on where it stopped."""
    queue.retry_job(job_id, guards.owner(), guards.who())
    return redirect(url_for(".one", job_id=job_id), 303)


# ---- uploads that are jobs ----


@bp.get("/jobs/<job_id>/left-out.csv")
def left_out(job_id: str) -> ResponseReturnValue:
    """The files that an upload left out, as a table: name, what it is, why."""
    view = queue.get_job(job_id, guards.owner())
    if view.job.type != upload_job.JOB_TYPE.name:
        raise BadRequestError("Only an upload leaves files out.")
    table = upload_job.left_out_csv(queue.part_results(view))
    return text_file(table, f"left-out-{job_id}.csv")


@bp.route("/jobs/<job_id>/delete", methods=["GET", "POST"])
def delete(job_id: str) -> ResponseReturnValue:
    """Ask once more before the sender of an upload deletes the photos that were new with it; the
    form deletes them, and for some days the job's page can restore them."""
    view, sender = queue.get_job(job_id, guards.owner()), guards.owner()
    if request.method == "POST":
        done = own_uploads.delete(view, sender, who=guards.who(), files=get_files())
        stayed = f" {count(done.skipped, 'photo')} with a star stayed." if done.skipped else ""
        note("Deleted:", strong=f"{count(done.changed, 'photo')}.{stayed}")
    elif own_uploads.is_theirs(view, sender):
        holdings = own_uploads.holdings(view)
        return render_template("jobs/delete.html", job=view.job, holdings=holdings, days=GRACE.days)
    return redirect(url_for(".one", job_id=job_id), 303)


@bp.post("/jobs/<job_id>/restore")
def restore(job_id: str) -> ResponseReturnValue:
    """Bring the photos of an upload back."""
    restored = own_uploads.restore(queue.get_job(job_id, guards.owner()), guards.owner())
    note("Back again:", strong=f"{count(restored, 'photo')}.")
    return redirect(url_for(".one", job_id=job_id), 303)
