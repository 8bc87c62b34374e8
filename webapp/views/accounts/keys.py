"""For admins: API keys. Made here and shown once, listed with their use, revoked."""

from datetime import timedelta

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.errors import UserError
from webapp.services.accounts import people
from webapp.views import guards
from webapp.views.flashes import note

bp = Blueprint("keys", __name__, url_prefix="/admin/keys")
ONCE = "key_once"


@bp.get("")
@guards.admins_only
def index() -> ResponseReturnValue:
    """Every key, newest first, and a form for another. A key made on the page before is shown once."""
    return _page()


@bp.post("")
@guards.admins_only
def add() -> ResponseReturnValue:
    """Make a key."""
    form = request.form
    try:
        key, text = people.create_key(
            form.get("name", ""),
            form.get("scope", "predict"),
            people.parse_expiry(form.get("expires", "")),
        )
    except UserError as error:
        return _page(error), error.status
    session[ONCE] = [key.name, text]
    return redirect(url_for(".index"), 303)


@bp.get("/<int:key_id>/revoke")
@guards.admins_only
def revoke(key_id: int) -> ResponseReturnValue:
    """Ask once more, with what would stop working."""
    return render_template("accounts/revoke_key.html", key=people.get_key(key_id))


@bp.post("/<int:key_id>/revoke")
@guards.admins_only
def revoke_now(key_id: int) -> ResponseReturnValue:
    """End a key at once."""
    key = people.revoke_key_with_number(key_id)
    note("Revoked: the key of", strong=f"{key.name}.")
    return redirect(url_for(".index"), 303)


def _page(error: UserError | None = None) -> str:
    keys = people.all_keys()
    return render_template(
        "accounts/keys.html",
        keys=[
            (key, people.has_expired(key), key.expires_at and key.expires_at - timedelta(seconds=1))
            for key in keys
        ],
        open=sum(not (key.revoked_at or people.has_expired(key)) for key in keys),
        once=session.pop(ONCE, None),
        scopes=people.SCOPES,
        error=error,
    )
