"""For admins: API keys. Shown once when created, listed with their use, revoked."""

from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice

from webapp.errors import UserError
from webapp.services.accounts import api_keys
from webapp.views import guards
from webapp.views.flashes import note
from webapp.views.forms import Form
from webapp.views.layout import render_page

bp = guards.guard(Blueprint("keys", __name__, url_prefix="/admin/keys"), guards.admins_only)
_SHOWN_ONCE = "key_once"


class _KeyForm(Form):
    """Create an API key."""

    name = StringField("Who or what uses it")
    scope = SelectField(
        "Scope",
        choices=[SelectChoice(scope, scope.capitalize()) for scope in api_keys.SCOPES],
        validate_choice=False,
        default="predict",
    )
    expires = StringField("Last day, if any")


@bp.route("", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    """Every key, newest first, and a form that creates another."""
    form, error = _KeyForm(), None
    if form.is_submitted():
        try:
            expires_at = api_keys.parse_expiry(form.expires.data)
            key, text = api_keys.create_key(form.name.data, form.scope.data, expires_at)
            session[_SHOWN_ONCE] = [key.name, text]
            return redirect(url_for(".index"), 303)
        except UserError as refused:
            error = refused
    second = timedelta(seconds=1)  # before midnight: the last day
    keys = [
        (key, api_keys.has_expired(key), key.expires_at and key.expires_at - second)
        for key in api_keys.all_keys()
    ]
    return render_page(
        "accounts/keys.html",
        error,
        keys=keys,
        usable=sum(not (key.revoked_at or expired) for key, expired, _day in keys),
        once=session.pop(_SHOWN_ONCE, None),
        form=form,
    )


@bp.route("/<int:key_id>/revoke", methods=["GET", "POST"])
def revoke(key_id: int) -> ResponseReturnValue:
    """Ask once more, with what would stop working; the form ends the key at once."""
    if request.method != "POST":
        return render_template("accounts/revoke_key.html", key=api_keys.get_key(key_id))
    key = api_keys.revoke_key(key_id)
    note("Revoked: the key of", strong=f"{key.name}.")
    return redirect(url_for(".index"), 303)
