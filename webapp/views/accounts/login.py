"""Log in, log out, change one's own password."""

from flask import Blueprint, Flask, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, login_user
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, Length

from webapp.errors import InvalidFormError, LoginFailedError, TooManyAttemptsError, UserError
from webapp.extensions import get_config
from webapp.services.accounts import users
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.layout import render_page

bp = Blueprint("login", __name__)


class _LoginForm(Form):
    """Log in."""

    next = HiddenField()
    name = StringField("User name", [Length(max=80)])
    password = PasswordField("Password")


class _PasswordForm(Form):
    """Change one's own password."""

    old = PasswordField("Present password")
    new = PasswordField("New password")
    again = PasswordField(
        "The new one again",
        [EqualTo("new", "The two new passwords are not the same. Nothing was changed.")],
    )


@bp.route("/login", methods=["GET", "POST"])
def form() -> ResponseReturnValue:
    """Log a person in; one who is logged in already goes on. Their session starts empty but for the
    photos that this browser sent."""
    form, error = _LoginForm(next=request.args.get("next", "")), None
    if form.is_submitted():
        try:
            user = users.log_in(form.name.data, form.password.data)
            _begin_session(user)
            if user.first_password:
                note(
                    "This password was generated for you.",
                    link=url_for(".account"),
                    link_text="Choose your own",
                    kind="",
                )
            return redirect(guards.way_back(url_for("gallery.index")), 303)
        except (LoginFailedError, TooManyAttemptsError) as refused:
            error = refused
    elif guards.person():
        return redirect(guards.safe_path(request.args.get("next"), url_for(".account")), 303)
    open_to_all = get_config().uploads == "public"
    return render_page("accounts/login.html", error, form=form, open_to_all=open_to_all)


@bp.post("/logout")
def leave() -> ResponseReturnValue:
    """End all sessions of this person, on every device: copied cookies are worthless afterwards."""
    if person := guards.person():
        users.end_sessions(person.id)
    session.clear()
    note("You are logged out, here and on your other devices.", kind="")
    return redirect(url_for("upload.index"), 303)


@bp.route("/account", methods=["GET", "POST"])
@guards.people_only
def account() -> ResponseReturnValue:
    """One's own page, with a form for another password, which ends all other sessions."""
    form, person = _PasswordForm(), guards.person()
    if not form.is_submitted():
        return render_page("accounts/account.html", form=form)
    try:
        form.check()
        old, new = form.old.data, form.new.data
        user = users.change_password(person.id if person else 0, old, new)
    except (InvalidFormError, UserError, LoginFailedError, TooManyAttemptsError) as error:
        return render_page("accounts/account.html", error, form=form)
    _begin_session(user)
    note("Your password is changed. Sessions on other devices have ended.")
    return redirect(url_for(".account"), 303)


def init_app(app: Flask) -> None:
    """Tell Flask-Login how a session becomes a person."""
    manager = LoginManager()
    manager.init_app(app)
    manager.user_loader(guards.load_person)


def _begin_session(user: users.User) -> None:
    """A fresh session, so that nothing planted in the old one lives on."""
    uploads = session.get(guards.SENT)
    session.clear()
    if uploads:
        session[guards.SENT] = uploads
    session.permanent = True
    login_user(guards.person_of(user))
