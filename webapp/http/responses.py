"""What HTML and JSON share: pictures, downloads, headers of errors."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from flask import Response, request, send_file, stream_with_context
from werkzeug.exceptions import MethodNotAllowed, RequestedRangeNotSatisfiable

from webapp.domain import Rendition
from webapp.extensions import get_config

_ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)")


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
    if rendition.modified:  # None would be written as now
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
