"""Who is here, what this browser has sent, who may come in, safe ways back."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, session, url_for
from flask_login import UserMixin, current_user
from werkzeug import Response
from werkzeug.exceptions import Unauthorized

from webapp.domain import Who
from webapp.errors import NotAllowedError, PhotoNotFoundError
from webapp.extensions import get_config
from webapp.services.accounts import users
from webapp.services.jobs.queue import Job, Owner, Sender
from webapp.services.photos import own_uploads
from webapp.services.photos.gallery import get_car

_View = TypeVar("_View", bound=Callable[..., Any])
SENT, _BROWSER = "sent", "browser"  # keys of the session
_MOST_SENT = 30  # photos kept in the session's cookie of 4 KB, of which they take about half


@dataclass(frozen=True)
class _Person(UserMixin):
    """Somebody who has logged in.

    `session_id` is what their cookie holds; it changes when their sessions are ended.
    """

    id: int
    name: str
    role: str
    first_password: bool
    session_id: str

    def get_id(self) -> str:
        """What Flask-Login keeps in the session."""
        return self.session_id

    @property
    def is_admin(self) -> bool:
        """Admins may do everything; a reviewer may relabel and undo."""
        return self.role == "admin"


# ---- who is here ----


def person_of(user: users.User) -> _Person:
    """Who logs in with this account."""
    return _Person(user.id, user.name, user.role, user.first_password, users.session_id_of(user))


def load_person(session_id: str) -> _Person | None:
    """The person of a session, None when it was ended."""
    user = users.user_of_session(session_id)
    return person_of(user) if user else None


def person() -> _Person | None:
    """Who is logged in, None for a visitor."""
    user = current_user._get_current_object()
    return cast(_Person, user) if user.is_authenticated else None


def who() -> Who:
    """The person of this request as the log has them."""
    user = person()
    return Who(user.name, user.id) if user else Who("a visitor")


def is_admin() -> bool:
    """True for an admin."""
    user = person()
    return bool(user and user.is_admin)


def owner(*, new: bool = False) -> Owner:
    """Who is here as the owner of jobs: people see every job, a visitor what this browser sent in.

    `new` gives a browser its name.
    """
    if user := person():
        return Owner(f"user:{user.id}", all=True)
    if new:
        session.setdefault(_BROWSER, secrets.token_urlsafe(12))
    return Owner(_browser_owner() or "nobody")


def sender(key: str = "") -> Sender:
    """Who is here, as the sender of a job."""
    return Sender(owner(), who(), key)


def has_jobs() -> bool:
    """True when this browser has sent in a job."""
    return _BROWSER in session


def _browser_owner() -> str:
    return f"browser:{session[_BROWSER]}" if has_jobs() else ""


# ---- what this browser has sent: visitors find and delete their photos without an account ----


def remember_sent(public_id: str, token: str) -> None:
    """Keep the delete token of a photo just sent; one that was known already has none."""
    token = token or delete_token(public_id)
    others = [pair for pair in session.get(SENT, []) if pair[0] != public_id]
    session[SENT] = [*others, [public_id, token]][-_MOST_SENT:]


def delete_token(public_id: str) -> str:
    """The delete token of a photo that this browser stored, else ""."""
    return next((token for known, token in session.get(SENT, []) if known == public_id), "")


def has_sent(public_id: str) -> bool:
    """True when this browser sent the photo by itself, whether it was new or known already."""
    return any(known == public_id for known, _token in session.get(SENT, []))


def sent_here(public_id: str) -> bool:
    """True when this browser sent the photo, by itself or among many."""
    return has_sent(public_id) or own_uploads.came_with(public_id, _browser_owner())


# ---- ways back ----


def safe_path(target: str | None, default: str) -> str:
    """`target` when it is a path on this host, else `default`.

    Browsers read a backslash as a slash and drop tabs and line ends, so any of these is refused.
    """
    text = target or ""
    strange = any(ord(char) <= 32 or ord(char) == 127 or char == "\\" for char in text)
    if strange or not text.startswith("/") or text.startswith("//") or len(text) > 2000:
        return default
    try:
        parts = urlsplit(text)
    except ValueError:
        return default
    return default if parts.scheme or parts.netloc else text


def way_back(default: str) -> str:
    """Where the form says that its page was, if that is a path on this host."""
    return safe_path(request.form.get("next"), default)


def to_job(job: Job) -> Response:
    """On to the page of a job."""
    return redirect(url_for("jobs.one", job_id=job.public_id), 303)


def here() -> str:
    """The address of this page, to come back to; the upload page after a form."""
    if request.method not in ("GET", "HEAD"):
        return url_for("upload.index")
    return request.script_root + (request.full_path if request.query_string else request.path)


# ---- who may come in ----


def may_browse() -> bool:
    """True when this person may see the photos of others."""
    return get_config().gallery == "public" or person() is not None


def uploads_open(view: _View) -> _View:
    """Everybody may upload, unless the setting says `login`."""
    return _guarded(view, lambda _args: get_config().uploads == "public" or person() is not None)


def gallery_open(view: _View) -> _View:
    """Everybody may look at all photos, unless the setting says `login`."""
    return _guarded(view, lambda _args: may_browse())


def photo_open(view: _View) -> _View:
    """Like `gallery_open`, and who sent the photo from this browser. The view takes `public_id`."""
    return _guarded(view, lambda args: may_browse() or sent_here(args["public_id"]))


def car_open(view: _View) -> _View:
    """The same for the photo of a car. The view takes `car_id`."""
    return _guarded(view, lambda args: may_browse() or _sent_car_here(args["car_id"]))


def _sent_car_here(car_id: str) -> bool:
    try:
        return sent_here(get_car(car_id).photo.public_id)
    except PhotoNotFoundError:
        return False


def people_only(view: _View) -> _View:
    """Those who are logged in: reviewers and admins."""
    return _guarded(view, lambda _args: person() is not None)


def admins_only(view: _View) -> _View:
    """Admins. Others who are logged in are refused with `NotAllowedError`."""

    def allowed(_args: dict[str, Any]) -> bool:
        if person() and not is_admin():
            raise NotAllowedError("Only an admin may do this. Ask one, or log in as one.")
        return is_admin()

    return _guarded(view, allowed)


def guard(bp: Blueprint, by: Callable[[Callable[[], None]], Callable[[], Any]]) -> Blueprint:
    """The blueprint with one guard before all its views, such as `admins_only`; a view may have
    another one."""
    bp.before_request(by(lambda: None))
    return bp


def _guarded(view: _View, allowed: Callable[[dict[str, Any]], bool]) -> _View:
    """Others are sent to the login page and back; not with a form, whose content would be lost."""

    @wraps(view)
    def guarded(**arguments: Any) -> Any:
        if request.method == "OPTIONS" or allowed(arguments):
            return view(**arguments)
        if request.method not in ("GET", "HEAD"):
            raise Unauthorized("Log in first, then send the form again. Nothing was changed.")
        return redirect(url_for("login.form", next=here()), 303)

    return cast(_View, guarded)
