"""What every request and every answer passes: sizes, JSON, sessions, headers, compression."""

from tempfile import SpooledTemporaryFile
from typing import IO, Any

from flask import Flask, Request, Response, current_app, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_compress import Compress
from flask_login import current_user
from werkzeug.datastructures import MIMEAccept

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_CSP = (
    "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_SPOOLED_FROM = 512 * 1024  # bytes from which on a file of a form waits on the disk
_MAX_ZIP = 4 * 2**30  # bytes of a zip of photos, with what else is in its form
MAX_VISITORS_ZIP = 510 * 2**20  # without a login or key; its content has limits of its own
MAX_MODEL = 1024**3  # bytes of a model file; an EfficientNetB7 with its optimiser has less
_ZIP_ENDPOINTS = ("api_jobs.add", "upload.send", "upload.send_group")
_PAGE = "text/html"
_COMPRESSED = [
    _PAGE,
    "text/css",
    "text/csv",
    "text/javascript",
    "text/plain",
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/x-ndjson",
    "application/problem+json",
    "image/svg+xml",
]
# `Sec-Fetch-Site` of a page that the reader asked for, from a page of this site or by typing. No
# other site can make a browser send these.
_SAFE_SITES = ("same-origin", "none")


# ---- requests ----


class SpoolingRequest(Request):
    """Large files of a form wait in the data folder: /tmp may be a small disk in memory."""

    def _get_file_stream(self, *_hints: object, **_more: object) -> IO[bytes]:
        return SpooledTemporaryFile(
            max_size=_SPOOLED_FROM, mode="rb+", dir=current_app.instance_path
        )


class OrderedJSON(DefaultJSONProvider):
    """JSON in the order it was written; a body nested too deeply is a bad request."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises `ValueError`."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def allow_large_requests() -> None:
    """Before the form is read, allow more where zips of photos and model files are taken.

    A wrong key is refused before the body is read.
    """
    if request.endpoint in _ZIP_ENDPOINTS:
        known = current_user.is_authenticated or request.authorization is not None
        request.max_content_length = _MAX_ZIP if known else MAX_VISITORS_ZIP
    elif request.endpoint == "imports.index" and getattr(current_user, "is_admin", False):
        request.max_content_length = MAX_MODEL


def wants_json() -> bool:
    """True when the client prefers JSON to pages. A charset in `Accept` changes nothing."""
    accepted = MIMEAccept(
        [(kind.partition(";")[0].strip(), quality) for kind, quality in request.accept_mimetypes]
    )
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


# ---- sessions ----


class Sessions(SecureCookieSessionInterface):
    """Sessions in a signed cookie that pictures and static files do not renew.

    Flask would renew the cookie with each of them: `Vary: Cookie` would make browsers fetch kept
    pictures again, and the last of a page's pictures would restore an older session.
    """

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """See `SessionInterface.save_session`."""
        is_picture = (response.mimetype or "").startswith("image/")
        is_kept = "max-age" in response.headers.get("Cache-Control", "")
        if session.modified or not (is_picture or is_kept):
            super().save_session(app, session, response)


# ---- headers ----


def add_headers(response: Response) -> Response:
    """Add the security headers and, where there is none, `Cache-Control`."""
    response.headers.setdefault("Content-Security-Policy", _CSP)
    response.headers.update(_HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith("/api/"):
        response.vary.add("Authorization")
    if "Cache-Control" not in response.headers:
        is_read = request.method in ("GET", "HEAD") and request.path.startswith("/api/")
        is_json = response.status_code == 200 and response.mimetype == "application/json"
        if is_read and is_json and not response.is_streamed:  # may be kept and asked for by its tag
            response.headers["Cache-Control"] = "private, no-cache"
            response.add_etag(weak=True)
            response.make_conditional(request)
        else:
            response.headers["Cache-Control"] = "no-store"
    return response


# ---- compression: see docs/decisions/0014-rate-limits-and-caching.md ----


def compress_answers(app: Flask) -> None:
    """Compress answers last of all, after their ETags are made; streams while they are sent."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=_COMPRESSED,
        COMPRESS_ALGORITHM=["br", "zstd", "gzip"],
        COMPRESS_ALGORITHM_STREAMING=["zstd", "gzip"],
        COMPRESS_STREAMING_ENDPOINT_CONDITIONAL=["static", "layout.favicon"],
    )
    compress = Compress()
    compress.init_app(app)

    def after_request(response: Response) -> Response:
        safe = not request.is_secure or request.headers.get("Sec-Fetch-Site") in _SAFE_SITES
        if (
            response.mimetype not in _COMPRESSED
            or response.status_code in (204, 206, 304)
            or response.cache_control.no_transform
            or (response.mimetype == _PAGE and not safe)
        ):
            return response
        content = response.response
        compressed = compress.after_request(response)
        if compressed.response is not content and hasattr(content, "close"):
            # Flask-Compress does not close what it reads from: a file, or an export.
            compressed.call_on_close(content.close)
        return compressed

    app.after_request(after_request)
