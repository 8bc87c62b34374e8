"""What the HTML and the JSON door share: which error has which status, pictures with the right headers, headers for all answers."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from flask import Flask, Response, request, send_file, stream_with_context
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import current_user
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import MethodNotAllowed, RequestedRangeNotSatisfiable

from webapp.domain import Rendition
from webapp.extensions import get_config

CSP = (
    "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
MAX_ZIP = 4 * 2**30
"""Bytes of a zip of photos, with what else is in its form."""
MAX_VISITORS_ZIP = 510 * 2**20
"""The same for who has neither a login nor a key; what is in it counts for itself (`upload_job.VISITORS`)."""
TAKE_ZIPS = ("api_jobs.add", "upload.send", "jobs.take")
ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)")


class Sessions(SecureCookieSessionInterface):
    """Sessions in a signed cookie, which pictures and static files neither send nor depend on unless they changed something in it.

    Flask would renew the cookie with each of them: what browsers keep would be another thing with each new cookie, and of a page's many
    pictures the last would bring back an older session.
    """

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """See `SessionInterface.save_session`."""
        kept = (response.mimetype or "").startswith("image/") or "max-age" in response.headers.get(
            "Cache-Control", ""
        )
        if session.modified or not kept:
            super().save_session(app, session, response)


def let_zips_in() -> None:
    """Before anything reads the form: what takes many photos at once takes zips, which are larger than forms of photos."""
    if request.endpoint in TAKE_ZIPS:
        known = (
            current_user.is_authenticated or request.authorization is not None
        )  # a wrong key is refused before the body is read
        request.max_content_length = MAX_ZIP if known else MAX_VISITORS_ZIP


def headers_of(error: Exception) -> dict[str, str]:
    """What an error's answer must say beside its words: `Retry-After`, `Allow`, how long the thing is of which a part was asked for."""
    headers = {}
    if (wait := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(wait)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    if isinstance(error, RequestedRangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.length}"
    return headers


def wants_json() -> bool:
    """True when the script asks, which reads JSON, and not a browser, which reads pages. A charset in what it accepts changes nothing."""
    asked = MIMEAccept(
        [(kind.partition(";")[0].strip(), quality) for kind, quality in request.accept_mimetypes]
    )
    return asked.best_match(["text/html", "application/json"]) == "application/json"


def picture(found: Rendition, *, download_name: str = "", varies: bool = False) -> Response:
    """An image to be shown, or downloaded when it has a `download_name`. `varies`: other bytes tomorrow, or for others.

    Its bytes are read or made only when they are sent: not for a 304, nor for HEAD. A part of it is 206. Raises
    `RequestedRangeNotSatisfiable` (416) for a part that it has not.

    Whatever the bytes hold, a browser runs nothing of them: the type is one of our images, sniffing is off, the CSP a sandbox.
    """
    response = Response(content_type=found.content_type)
    response.set_etag(found.tag)
    response.last_modified = found.modified
    response.accept_ranges = "bytes"
    response.headers["Cache-Control"] = _keeping(varies)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if download_name:
        response.headers["Content-Disposition"] = attachment(download_name)
    response.make_conditional(request)
    if response.status_code == 200:
        _fill(response, found)
    return response


def _keeping(varies: bool) -> str:
    """How long a browser may keep a picture; nothing between it and us ever may.

    Where one must log in to see it, the browser asks each time, which costs no bytes: after a logout it shows none any more.
    """
    return (
        "private, no-cache"
        if varies or get_config().gallery != "public"
        else "private, max-age=86400, immutable"
    )


def _fill(response: Response, found: Rendition) -> None:
    """Put the bytes, or the part that is asked for, into an answer; of HEAD only their number, where it is known without making them."""
    if request.method == "HEAD":
        response.automatically_set_content_length = False
        response.headers.pop("Content-Length", None)
        if found.size is not None:
            response.content_length = found.size
        return
    content = found.content
    response.set_data(content)
    if ONE_RANGE.fullmatch(
        request.headers.get("Range", "")
    ):  # several at once, or in another unit, may be ignored, and are
        response.make_conditional(request, accept_ranges=True, complete_length=len(content))


def download(pieces: Iterator[bytes], content_type: str, name: str, *, export_id: str) -> Response:
    """A file that is made while it is sent. `Marque-Export` names the export, whose manifest is there once it is whole."""
    response = Response(stream_with_context(pieces), content_type=content_type)
    response.headers["Content-Disposition"] = attachment(name)
    response.headers["Marque-Export"] = export_id
    response.headers["X-Accel-Buffering"] = "no"
    return response


def stored_file(path: Path, content_type: str, *, sha256: str) -> Response:
    """A file of the data folder as a download that can be had in ranges, and that a client knows again by its SHA-256.

    It is not packed on its way: who has a part of it could not ask for the rest.
    """
    response = send_file(
        path,
        content_type,
        as_attachment=True,
        download_name=path.name,
        conditional=True,
        etag=sha256 or True,
    )
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    return response


def attachment(name: str) -> str:
    """The header Content-Disposition for a file name in any script: a plain one for old browsers, and the real one (RFC 6266, RFC 5987)."""
    plain = "".join(one if one.isascii() and one not in '"\\%' else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def add_headers(response: Response) -> Response:
    """The headers an auditor expects, on every answer."""
    response.headers.setdefault("Content-Security-Policy", CSP)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "geolocation=(), microphone=(), camera=()"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith("/api/"):
        response.vary.add("Authorization")
    if _is_json_to_keep(response):
        response.headers["Cache-Control"] = "private, no-cache"
        response.add_etag(weak=True)
        response.make_conditional(request)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


def _is_json_to_keep(response: Response) -> bool:
    """True for what the JSON door has read: its reader may keep it, and ask next time whether it is still so."""
    asked = (
        request.method in ("GET", "HEAD")
        and request.path.startswith("/api/")
        and "Cache-Control" not in response.headers
    )
    return (
        asked
        and response.status_code == 200
        and response.mimetype == "application/json"
        and not response.is_streamed
    )
