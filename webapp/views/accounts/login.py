"""Coming in and going out: login, logout, one's own password."""

from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, login_user

from webapp.errors import LoginFailedError, TooManyAttemptsError, UserError
from webapp.extensions import get_config
from webapp.services.accounts import people
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.guards import Person
from webapp.views.photos import session_uploads as sent

bp = Blueprint("login", __name__)


@bp.get("/login")
def form() -> ResponseReturnValue:
    """The form; whoever is in already goes on."""
    if guards.person():
        return redirect(guards.safe_path(request.args.get("next"), url_for(".account")), 303)
    return _form(next=request.args.get("next", ""))


@bp.post("/login")
def enter() -> ResponseReturnValue:
    """Let a person in. The session starts empty but for the photos that this browser sent."""
    name = request.form.get("name", "")
    try:
        user = people.log_in(name, request.form.get("password", ""))
    except (LoginFailedError, TooManyAttemptsError) as error:
        wait = error.retry_after
        page = _form(error=error, name=name, next=request.form.get("next", ""))
        return page, error.status, {"Retry-After": str(wait)} if wait else {}
    _begin_session(user)
    if user.first_password:
        note(
            "This password was made up for you.",
            link=url_for(".account"),
            link_text="Choose your own",
            kind="",
        )
    return redirect(guards.way_back(url_for("gallery.index")), 303)


@bp.post("/logout")
def leave() -> ResponseReturnValue:
    """End all sessions of this person, on every device: a copied cookie is worthless afterwards."""
    somebody = guards.person()
    if somebody:
        people.end_sessions(somebody.id)
    session.clear()
    note("You are logged out, here and on your other devices.", kind="")
    return redirect(url_for("upload.index"), 303)


@bp.get("/account")
@guards.people_only
def account() -> ResponseReturnValue:
    """Who one is, and a form for another password."""
    return render_template("accounts/account.html")


@bp.post("/account")
@guards.people_only
def change() -> ResponseReturnValue:
    """Change one's own password; all other sessions end."""
    somebody = guards.person()
    new = request.form.get("new", "")
    try:
        if new != request.form.get("again", ""):
            raise UserError("The two new passwords are not the same. Nothing was changed.")
        user = people.change_password(
            somebody.id if somebody else 0, request.form.get("old", ""), new
        )
    except (UserError, LoginFailedError, TooManyAttemptsError) as error:
        wait = error.retry_after
        return (
            render_template("accounts/account.html", error=error),
            error.status,
            {"Retry-After": str(wait)} if wait else {},
        )
    _begin_session(user)
    note("Your password is changed. Sessions on other devices have ended.")
    return redirect(url_for(".account"), 303)


def init_app(app: Flask) -> None:
    """Tell Flask-Login how a session becomes a person."""
    manager = LoginManager()
    manager.init_app(app)
    manager.user_loader(_person_of_session)


def _form(**values: Any) -> str:
    return render_template(
        "accounts/login.html", open_to_all=get_config().uploads == "public", **values
    )


def _person_of_session(session_id: str) -> Person | None:
    user = people.user_of_session(session_id)
    return _person(user) if user else None


def _person(user: people.User) -> Person:
    return Person(user.id, user.name, user.role, user.first_password, people.session_id_of(user))


def _begin_session(user: people.User) -> None:
    """A fresh session, so that nothing planted in the old one lives on."""
    kept = session.get(sent.NAME)
    session.clear()
    if kept:
        session[sent.NAME] = kept
    session.permanent = True
    login_user(_person(user))
