"""For admins: webhooks, added with a secret that is shown once, tried, switched, removed."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, SelectMultipleField, StringField

from webapp.domain import count
from webapp.errors import WebhookError
from webapp.extensions import get_config
from webapp.services.jobs import queue
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.webhooks import webhooks
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.jobs import REFRESH
from webapp.views.layout import render_page

bp = guards.guard(Blueprint("webhooks", __name__, url_prefix="/admin/webhooks"), guards.admins_only)
_SHOWN_ONCE = "webhook_once"


class _WebhookForm(Form):
    url = StringField("Address")
    events = SelectMultipleField("Tell it when", choices=webhooks.EVENTS, validate_choice=False)
    below = StringField("Also when an answer is less sure than, in percent")
    on = HiddenField()  # "yes" switches it on


@bp.route("", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Every webhook and how it goes, and a form that adds another."""
    form, error = _WebhookForm(events=list(webhooks.EVENTS)), None
    private = get_config().webhooks == "any"
    if form.is_submitted():
        try:
            hook = webhooks.add(
                form.url.data,
                form.events.data or [],
                below=form.below.data,
                private=private,
                who=guards.who(),
            )
            session[_SHOWN_ONCE] = [hook.id, hook.secret]
            return redirect(url_for(".one", hook_id=hook.id), 303)
        except WebhookError as refused:
            error = refused
    views = webhooks.every_webhook()
    on = sum(view.hook.active for view in views)
    return render_page("webhooks/index.html", error, views=views, on=on, form=form, private=private)


@bp.get("/<int:hook_id>")
def one(hook_id: int) -> ResponseReturnValue:
    """One webhook: what it hears of, its last messages; its secret, right after it was added."""
    view = webhooks.get_webhook(hook_id)
    once = session.pop(_SHOWN_ONCE, None)
    return render_template(
        "webhooks/webhook.html",
        view=view,
        deliveries=webhooks.last_deliveries(hook_id),
        once=once[1] if once and once[0] == hook_id else "",
        no_worker=queue.missing_worker(JOB_TYPES) if view.waiting else "",
        refresh=REFRESH if view.waiting and view.hook.active and not once else 0,
    )


@bp.post("/<int:hook_id>/test")
def test(hook_id: int) -> ResponseReturnValue:
    """Send a test."""
    try:
        webhooks.send_test(hook_id)
        note("A test is on its way; its answer appears below within a few seconds.")
    except WebhookError as error:
        webhooks.get_webhook(hook_id)  # 404 when it was removed meanwhile
        note(str(error), kind="is-error")
    return redirect(url_for(".one", hook_id=hook_id), 303)


@bp.post("/<int:hook_id>/again")
def again(hook_id: int) -> ResponseReturnValue:
    """Try now what waits and what was given up."""
    given_up = webhooks.send_again(hook_id)
    more = f", and {count(given_up, 'event')} that had been given up." if given_up else "."
    note(f"What waits is tried now{more}")
    return redirect(url_for(".one", hook_id=hook_id), 303)


@bp.post("/<int:hook_id>/switch")
def switch(hook_id: int) -> ResponseReturnValue:
    """Switch it on or off."""
    hook = webhooks.switch(hook_id, on=_WebhookForm().on.data == "yes")
    state = "on" if hook.active else "off"
    note(f"Switched {state}:", strong=f"{hook.host}.")
    return redirect(url_for(".one", hook_id=hook_id), 303)


@bp.route("/<int:hook_id>/remove", methods=["GET", "POST"])
def remove(hook_id: int) -> ResponseReturnValue:
    """Ask once more, with what would be lost; the form removes it."""
    if request.method != "POST":
        return render_template("webhooks/remove.html", view=webhooks.get_webhook(hook_id))
    hook = webhooks.remove(hook_id)
    note("Removed:", strong=f"{hook.host}.")
    return redirect(url_for(".index"), 303)
