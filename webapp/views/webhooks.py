"""For admins: webhooks. Added here with a secret that is shown once, tried, watched, switched off, removed."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import WebhookError
from webapp.extensions import get_config
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.webhooks import webhooks
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.template_filters import count

bp = Blueprint("webhooks", __name__, url_prefix="/admin/webhooks")
ONCE = "webhook_once"
REFRESH = 3
"""Seconds after which the page of a webhook looks again, while something waits."""


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """Every webhook and how it goes, and a form for another."""
    return _page()


@bp.post("")
@guards.admins_only
def add() -> ResponseReturnValue:
    """Make a webhook."""
    form, private = request.form, get_config().webhooks == "any"
    try:
        hook = webhooks.add(
            form.get("url", ""),
            form.getlist("events"),
            below=form.get("below", ""),
            private=private,
            who=guards.who(),
        )
    except WebhookError as error:
        return _page(error), error.status
    session[ONCE] = [hook.id, hook.secret]
    return redirect(url_for(".one", hook_id=hook.id), 303)


@bp.get("/<int:hook_id>")
@guards.admins_only
def one(hook_id: int) -> ResponseReturnValue:
    """One webhook: what it hears of, what it was told last. A secret made on the page before is shown once."""
    view = webhooks.get_webhook(hook_id)
    once = session.pop(ONCE, None)
    return render_template(
        "webhooks/webhook.html",
        view=view,
        deliveries=webhooks.last_deliveries(hook_id),
        once=once[1] if once and once[0] == hook_id else "",
        words=webhooks.EVENTS,
        trouble_of_jobs=jobs.missing_worker(JOB_TYPES) if view.waiting else "",
        refresh=REFRESH if view.waiting and view.hook.active and not once else 0,
    )


@bp.post("/<int:hook_id>/test")
@guards.admins_only
def test(hook_id: int) -> ResponseReturnValue:
    """Tell it of a test."""
    try:
        webhooks.test(hook_id)
        note("A test is on its way; its answer appears below within a few seconds.")
    except WebhookError as error:
        webhooks.get_webhook(hook_id)  # gone meanwhile: 404
        note(str(error), kind="is-error")
    return redirect(url_for(".one", hook_id=hook_id), 303)


@bp.post("/<int:hook_id>/again")
@guards.admins_only
def again(hook_id: int) -> ResponseReturnValue:
    """Try what waits now, and what was given up anew."""
    found = webhooks.send_again(hook_id)
    note(
        "What waits is tried now"
        + (f", and {count(found, 'event')} that had been given up." if found else ".")
    )
    return redirect(url_for(".one", hook_id=hook_id), 303)


@bp.post("/<int:hook_id>/switch")
@guards.admins_only
def switch(hook_id: int) -> ResponseReturnValue:
    """Switch it on or off."""
    hook = webhooks.switch(hook_id, on=request.form.get("on") == "yes")
    note(
        f"{'Switched on' if hook.active else 'Switched off'}:", strong=f"{webhooks.host_of(hook)}."
    )
    return redirect(url_for(".one", hook_id=hook_id), 303)


@bp.get("/<int:hook_id>/remove")
@guards.admins_only
def remove(hook_id: int) -> ResponseReturnValue:
    """Ask once more, with what would be lost."""
    return render_template("webhooks/remove.html", view=webhooks.get_webhook(hook_id))


@bp.post("/<int:hook_id>/remove")
@guards.admins_only
def remove_now(hook_id: int) -> ResponseReturnValue:
    """Forget it."""
    hook = webhooks.remove(hook_id)
    note("Removed:", strong=f"{webhooks.host_of(hook)}.")
    return redirect(url_for(".index"), 303)


def _page(error: WebhookError | None = None) -> str:
    views = webhooks.every_webhook()
    return render_template(
        "webhooks/index.html",
        views=views,
        on=sum(view.hook.active for view in views),
        words=webhooks.EVENTS,
        chosen=request.form.getlist("events") if error else list(webhooks.EVENTS),
        private=get_config().webhooks == "any",
        error=error,
    )
