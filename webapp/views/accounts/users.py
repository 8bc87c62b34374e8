"""For admins: people who can log in."""

from flask import Blueprint, redirect, session, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice

from webapp.errors import UserError
from webapp.services.accounts import users
from webapp.views import guards
from webapp.views.forms import Form
from webapp.views.layout import render_page

bp = guards.guard(Blueprint("users", __name__, url_prefix="/admin/users"), guards.admins_only)
_SHOWN_ONCE = "password_once"


class _UserForm(Form):
    """Add a person, or with the name only give one another generated password."""

    name = StringField("User name")
    role = SelectField(
        "Role",
        choices=[SelectChoice(role, role.capitalize()) for role in users.ROLES],
        validate_choice=False,
        default="reviewer",
    )


@bp.route("", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Everybody who can log in, and a form that adds a person with a generated password. The page
    after it shows that once."""
    form = _UserForm()
    if not form.is_submitted():
        return _page(form)
    try:
        user, password = users.create_user(form.name.data, role=form.role.data)
    except UserError as error:
        return _page(form, error)
    session[_SHOWN_ONCE] = [user.name, password]
    return redirect(url_for(".index"), 303)


@bp.post("/reset")
def reset() -> ResponseReturnValue:
    """Give a person another generated password; their sessions end."""
    name, password = _UserForm().name.data, users.make_password()
    person = guards.person()
    try:
        if person and person.name == name:
            raise UserError(
                "Change your own password on your own page: the link is your name, at the top."
            )
        user = users.set_password(name, password, first_password=True)
    except UserError as error:
        return _page(_UserForm(formdata=None), error)
    session[_SHOWN_ONCE] = [user.name, password]
    return redirect(url_for(".index"), 303)


def _page(form: _UserForm, error: UserError | None = None) -> ResponseReturnValue:
    once = session.pop(_SHOWN_ONCE, None)
    return render_page("accounts/users.html", error, users=users.all_users(), once=once, form=form)
