"""Who is here and who may come in: the person behind a request, decorators for views, safe ways back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import redirect, request, url_for
from flask_login import UserMixin, current_user
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from webapp.domain import Who
from webapp.errors import NotAllowedError
from webapp.extensions import get_config
from webapp.services.photos import own_uploads
from webapp.views.photos import session_uploads

View = TypeVar("View", bound=Callable[..., Any])
VISITOR = "a visitor"


@dataclass(frozen=True)
class Person(UserMixin):
    """Somebody who has logged in. `session_id` is what their cookie holds; it changes when their sessions are ended."""

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


def person() -> Person | None:
    """Who is logged in, None for a visitor."""
    return (
        cast(Person, current_user._get_current_object()) if current_user.is_authenticated else None
    )


def is_admin() -> bool:
    """True when an admin is logged in."""
    somebody = person()
    return somebody is not None and somebody.is_admin


def who() -> Who:
    """The person of this request as the log remembers them."""
    somebody = person()
    return Who(somebody.name, somebody.id) if somebody else Who(VISITOR)


def may_browse() -> bool:
    """True when this person may see the photos of others."""
    return get_config().gallery == "public" or person() is not None


def safe_path(target: str | None, default: str) -> str:
    """`target` when it is a path on this host, else `default`.

    Browsers read a backslash as a slash and drop tabs and line ends, so any of these is refused.
    """
    text = target or ""
    strange = any(ord(one) <= 32 or ord(one) == 127 or one == "\\" for one in text)
    if strange or not text.startswith("/") or text.startswith("//") or len(text) > 2000:
        return default
    try:
        parts = urlsplit(text)
    except ValueError:
        return default
    return default if parts.scheme or parts.netloc else text


def way_back(default: str) -> str:
    """Where the form says that its page was, when that is a path of ours."""
    return safe_path(request.form.get("next"), default)


def here() -> str:
    """The path of this page with its question, to come back to; the upload page when this page cannot be asked for again."""
    if request.method not in ("GET", "HEAD"):
        return url_for("upload.index")
    return request.script_root + (request.full_path if request.query_string else request.path)


def ask_to_log_in() -> Response:
    """Send a reader to the login page and back here. Raises `Unauthorized` for a form: its content would be lost on the way."""
    if request.method not in ("GET", "HEAD"):
        raise Unauthorized("Log in first, then send the form again. Nothing was changed.")
    return redirect(url_for("login.form", next=here()), 303)


def uploads_open(view: View) -> View:
    """Everybody may upload, unless the setting says `login`."""
    return _guarded(
        view, lambda _arguments: get_config().uploads == "public" or person() is not None
    )


def gallery_open(view: View) -> View:
    """Everybody may look at all photos, unless the setting says `login`."""
    return _guarded(view, lambda _arguments: may_browse())


def photo_open(view: View) -> View:
    """Like `gallery_open`, and who sent the photo from this browser may always see it. The view takes `public_id`."""
    return _guarded(view, lambda arguments: may_browse() or sent_here(arguments["public_id"]))


def sent_here(public_id: str) -> bool:
    """True when this browser sent the photo, by itself or among many."""
    return session_uploads.was_sent(public_id) or own_uploads.came_with(
        public_id, session_uploads.owner_id()
    )


def people_only(view: View) -> View:
    """Whoever is logged in: reviewers and admins."""
    return _guarded(view, lambda _arguments: person() is not None)


def admins_only(view: View) -> View:
    """Admins. Others who are logged in are refused with `NotAllowedError`."""

    @wraps(view)
    def guarded(**arguments: Any) -> Any:
        somebody = person()
        if somebody is None:
            return ask_to_log_in()
        if not somebody.is_admin:
            raise NotAllowedError("Only an admin may do this. Ask one, or log in as one.")
        return view(**arguments)

    return cast(View, guarded)


def _guarded(view: View, allowed: Callable[[dict[str, Any]], bool]) -> View:
    @wraps(view)
    def guarded(**arguments: Any) -> Any:
        return view(**arguments) if allowed(arguments) else ask_to_log_in()

    return cast(View, guarded)
