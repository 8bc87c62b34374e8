"""For people who look after the site: who labelled what, and who may come in."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.delivery import status_of
from webapp.errors import BadRequestError, UserError
from webapp.services import history, people
from webapp.services.history import Event
from webapp.views import guards

bp = Blueprint("admin", __name__, url_prefix="/admin")
PLACES = {
    "upload": "with the upload",
    "photo": "on the photo’s page",
    "gallery": "in the gallery",
    "undo": "by undo",
    "api": "through the API",
    "cli": "in the terminal",
    "import": "from a file",
    "delete": "when it was deleted",
}
ONCE = "password_once"


@bp.get("/log")
@guards.people_only
def log() -> ResponseReturnValue:
    """Every change of a ground truth, newest first; what was done together stands together."""
    text = request.args.get("before", "")
    if text and (not text.isdecimal() or len(text) > 18):
        raise BadRequestError("The page number of the log makes no sense. Start again from the newest entries.")
    events, following = history.label_log(before=int(text) if text else None)
    return render_template("admin/log.html", entries=_by_batch(events), following=following, places_words=PLACES, older=bool(text))


@bp.get("/users")
@guards.admins_only
def users() -> ResponseReturnValue:
    """Everybody who can log in. A password made up on the page before is shown once."""
    return _users_page()


@bp.post("/users")
@guards.admins_only
def add() -> ResponseReturnValue:
    """Add a person with a made-up password."""
    try:
        made = people.create_user(request.form.get("name", ""), role=request.form.get("role", "reviewer"))
    except UserError as error:
        return _users_page(error), status_of(error)
    session[ONCE] = [made.user.name, made.password]
    return redirect(url_for(".users"), 303)


@bp.post("/users/reset")
@guards.admins_only
def reset() -> ResponseReturnValue:
    """Give a person another made-up password; their sessions end."""
    name, password = request.form.get("name", ""), people.make_password()
    somebody = guards.person()
    try:
        if somebody and somebody.name == name:
            raise UserError("Change your own password on your own page: the link is your name, at the top.")
        user = people.set_password(name, password, first_password=True)
    except UserError as error:
        return _users_page(error), status_of(error)
    session[ONCE] = [user.name, password]
    return redirect(url_for(".users"), 303)


def _users_page(error: UserError | None = None) -> str:
    return render_template("admin/users.html", users=people.all_users(), once=session.pop(ONCE, None), roles=people.ROLES, error=error)


def _by_batch(events: Iterable[Event]) -> list[dict[str, Any]]:
    """One entry for each run of events that were done together."""
    entries = []
    for batch, group in groupby(events, key=lambda one: one.event.batch):
        members = list(group)
        standing = any(not one.undone and one.event.photo is not None for one in members)
        entries.append({"batch": batch, "events": members, "standing": standing})
    return entries
