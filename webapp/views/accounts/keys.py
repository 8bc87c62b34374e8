"""For admins: API keys. Shown once when created, listed with their use, revoked."""

from datetime import timedelta

from flask import Blueprint, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import UserError
from webapp.services.accounts import api_keys
from webapp.views import guards
from webapp.views.accounts.forms import KeyForm
from webapp.views.flashes import note

bp = Blueprint("keys", __name__, url_prefix="/admin/keys")
_SHOWN_ONCE = "key_once"


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """Every key, newest first, and a form for another."""
    return _page(KeyForm(formdata=None))


@bp.post("")
@guards.admins_only
def add() -> ResponseReturnValue:
    """Create a key."""
    form = KeyForm()
    try:
        expires_at = api_keys.parse_expiry(form.expires.data or "")
        key, text = api_keys.create_key(form.name.data or "", form.scope.data, expires_at)
    except UserError as error:
        return _page(form, error), error.status
    session[_SHOWN_ONCE] = [key.name, text]
    return redirect(url_for(".index"), 303)


@bp.get("/<int:key_id>/revoke")
@guards.admins_only
def revoke(key_id: int) -> ResponseReturnValue:
    """Ask once more, with what would stop working."""
    return render_template("accounts/revoke_key.html", key=api_keys.get_key(key_id))


@bp.post("/<int:key_id>/revoke")
@guards.admins_only
def revoke_now(key_id: int) -> ResponseReturnValue:
    """End a key at once."""
    key = api_keys.revoke_key(key_id)
    note("Revoked: the key of", strong=f"{key.name}.")
    return redirect(url_for(".index"), 303)


def _page(form: KeyForm, error: UserError | None = None) -> str:
    second = timedelta(seconds=1)  # before midnight: the last day
    keys = [
        (key, api_keys.has_expired(key), key.expires_at and key.expires_at - second)
        for key in api_keys.all_keys()
    ]
    return render_template(
        "accounts/keys.html",
        keys=keys,
        usable=sum(not (key.revoked_at or expired) for key, expired, _day in keys),
        once=session.pop(_SHOWN_ONCE, None),
        form=form,
        error=error,
    )
