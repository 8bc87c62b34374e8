"""For admins: people who can log in."""

from flask import Blueprint, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import UserError
from webapp.services.accounts import users
from webapp.views import guards
from webapp.views.accounts.forms import NewPasswordForm, UserForm

bp = Blueprint("users", __name__, url_prefix="/admin/users")
_SHOWN_ONCE = "password_once"


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """Everybody who can log in. A password generated on the page before is shown once."""
    return _page(UserForm(formdata=None))


@bp.post("")
@guards.admins_only
def add() -> ResponseReturnValue:
    """Add a person with a generated password."""
    form = UserForm()
    try:
        new = users.create_user(form.name.data or "", role=form.role.data)
    except UserError as error:
        return _page(form, error), error.status
    session[_SHOWN_ONCE] = [new.user.name, new.password]
    return redirect(url_for(".index"), 303)


@bp.post("/reset")
@guards.admins_only
def reset() -> ResponseReturnValue:
    """Give a person another generated password; their sessions end."""
    name, password = NewPasswordForm().name.data or "", users.make_password()
    person = guards.person()
    try:
        if person and person.name == name:
            raise UserError(
                "Change your own password on your own page: the link is your name, at the top."
            )
        user = users.set_password(name, password, first_password=True)
    except UserError as error:
        return _page(UserForm(formdata=None), error), error.status
    session[_SHOWN_ONCE] = [user.name, password]
    return redirect(url_for(".index"), 303)


def _page(form: UserForm, error: UserError | None = None) -> str:
    return render_template(
        "accounts/users.html",
        users=users.all_users(),
        once=session.pop(_SHOWN_ONCE, None),
        form=form,
        error=error,
    )
