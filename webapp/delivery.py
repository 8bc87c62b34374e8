"""What the HTML and the JSON door share: which error has which status, pictures with the right headers, headers for all answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import quote

from flask import Response, request, stream_with_context

from webapp import errors

STATUS: dict[type[errors.MarqueError], int] = {
    errors.NotAPhotoError: 415,
    errors.BrokenPhotoError: 422,
    errors.PhotoTooLargeError: 413,
    errors.NoFileError: 400,
    errors.PhotoRefusedError: 422,
    errors.PhotoNotFoundError: 404,
    errors.PhotoDeletedError: 410,
    errors.NotAskedError: 404,
    errors.NoHeatMapError: 404,
    errors.UnknownLabelError: 422,
    errors.NothingToUndoError: 409,
    errors.BadRequestError: 400,
    errors.TooMuchToCountError: 422,
    errors.BadNumberError: 422,
    errors.BadLabelFileError: 422,
    errors.ModelNotFoundError: 404,
    errors.ModelUnavailableError: 503,
    errors.ErrandNotFoundError: 404,
    errors.PromotionRefusedError: 409,
    errors.ModelError: 422,
    errors.LoginFailedError: 401,
    errors.TooManyAttemptsError: 429,
    errors.UserError: 422,
    errors.NotAllowedError: 403,
    errors.ServerBusyError: 503,
    errors.StorageFullError: 507,
    errors.DamagedHistoryError: 503,
}
"""The HTTP status of each error; a class that is not here has that of the nearest one above it."""

CSP = (
    "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
UNAVAILABLE_RETRY = 30


def status_of(error: errors.MarqueError) -> int:
    """The HTTP status that says the same as `error`; 500 for one nobody gave a status."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def retry_after(error: Exception) -> int | None:
    """Seconds to wait before trying again, None when waiting would not help."""
    if isinstance(error, errors.ModelUnavailableError):
        return UNAVAILABLE_RETRY
    return getattr(error, "retry_after", None)


def wants_json() -> bool:
    """True when the script asks, which reads JSON, and not a browser, which reads pages."""
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def picture(content: bytes, content_type: str, *, download_name: str = "", cache: str = "private, max-age=86400") -> Response:
    """An image to be shown, or downloaded when it has a `download_name`; 304 when the browser has it already.

    Whatever the bytes hold, a browser runs nothing of them: the type is one of our images, sniffing is off, the CSP a sandbox.
    """
    response = Response(content, content_type=content_type)
    response.set_etag(hashlib.sha256(content).hexdigest()[:32])
    response.headers["Cache-Control"] = cache
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if download_name:
        response.headers["Content-Disposition"] = _attachment(download_name)
    response.make_conditional(request)
    return response


def download(pieces: Iterator[bytes], content_type: str, name: str, *, export_id: str) -> Response:
    """A file that is made while it is sent. `Marque-Export` names the export, whose manifest is there once it is whole."""
    response = Response(stream_with_context(pieces), content_type=content_type)
    response.headers["Content-Disposition"] = _attachment(name)
    response.headers["Marque-Export"] = export_id
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _attachment(name: str) -> str:
    """A header in ASCII for a file name in any script: a plain one for old browsers, and the real one (RFC 6266, RFC 5987)."""
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
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
