"""What HTML and JSON share: sessions, sizes of requests, pictures, downloads, headers."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from flask import Flask, Response, request, send_file, stream_with_context
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_compress import Compress
from flask_login import current_user
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import MethodNotAllowed, RequestedRangeNotSatisfiable

from webapp.domain import Rendition
from webapp.extensions import get_config

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
_MAX_ZIP = 4 * 2**30  # bytes of a zip of photos, with what else is in its form
MAX_VISITORS_ZIP = 510 * 2**20  # without a login or key; its content has limits of its own
MAX_MODEL = 1024**3  # bytes of a model file; an EfficientNetB7 with its optimiser has less
_ZIP_ENDPOINTS = ("api_jobs.add", "upload.send", "upload.send_group")
_ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)")

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


def headers_of(error: Exception) -> dict[str, str]:
    """The headers of an error's answer: `Retry-After`, `Allow`, `Content-Range`."""
    headers = {}
    if (wait := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(wait)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    if isinstance(error, RequestedRangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.length}"
    return headers


# ---- pictures and files ----


def picture(rendition: Rendition, *, download_name: str = "", varies: bool = False) -> Response:
    """An image to be shown, or downloaded when it has a `download_name`; a part of it is 206.

    Its bytes are read or made only when they are sent: not for a 304, nor for HEAD. Whatever they
    hold, a browser runs nothing of them: the type is an image, it is not guessed, and the CSP is a
    sandbox. Where the gallery is not public, browsers ask each time, also after a logout.

    Args:
        rendition: The picture.
        download_name: The file name, "" for a picture that is shown.
        varies: True for bytes that may change, or differ between readers.

    Raises:
        RequestedRangeNotSatisfiable: The picture does not have the part that was asked for (416).
    """
    response = Response(content_type=rendition.content_type)
    response.set_etag(rendition.tag)
    response.last_modified = rendition.modified
    response.accept_ranges = "bytes"
    kept = not varies and get_config().gallery == "public"
    max_age = "max-age=86400, immutable" if kept else "no-cache"
    response.headers["Cache-Control"] = f"private, {max_age}"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if download_name:
        response.headers["Content-Disposition"] = _attachment(download_name)
    response.make_conditional(request)
    if response.status_code == 200:
        _fill(response, rendition)
    return response


def _fill(response: Response, rendition: Rendition) -> None:
    """Add the bytes, or the requested part; for HEAD their number, where known without them."""
    if request.method == "HEAD":
        response.automatically_set_content_length = False
        response.headers.pop("Content-Length", None)
        if rendition.size is not None:
            response.content_length = rendition.size
        return
    content = rendition.content
    response.set_data(content)
    # Several ranges at once, or in another unit, may be ignored, and are.
    if _ONE_RANGE.fullmatch(request.headers.get("Range", "")):
        response.make_conditional(request, accept_ranges=True, complete_length=len(content))


def download(pieces: Iterator[bytes], content_type: str, name: str, *, export_id: str) -> Response:
    """A file that is made while it is sent; `Marque-Export` is the id of the export."""
    response = Response(stream_with_context(pieces), content_type=content_type)
    response.headers["Content-Disposition"] = _attachment(name)
    response.headers["Marque-Export"] = export_id
    response.headers["X-Accel-Buffering"] = "no"
    return response


def stored_file(path: Path, content_type: str, *, sha256: str) -> Response:
    """A file of the data folder as a download with ranges, tagged by its SHA-256.

    It is not compressed: a client that has a part of it could not ask for the rest.
    """
    response = send_file(path, content_type, as_attachment=True, etag=sha256 or True)
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    return response


def text_file(text: str, name: str, content_type: str = "text/csv; charset=utf-8") -> Response:
    """A text as a download, a table by default."""
    headers = {"Content-Disposition": _attachment(name)}
    return Response(text, content_type=content_type, headers=headers)


def _attachment(name: str) -> str:
    """`Content-Disposition` for a file name in any script (RFC 6266, RFC 5987)."""
    plain = "".join(char if char.isascii() and char not in '"\\%' else "_" for char in name)
    header, encoded = f'attachment; filename="{plain}"', quote(name, safe="")
    return header if encoded == name else f"{header}; filename*=UTF-8''{encoded}"


# ---- every answer ----


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
