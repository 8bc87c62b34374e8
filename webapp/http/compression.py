"""Answers leave packed where it pays: text, never pictures, and no page that somebody on the way could learn from.

Why pages are sometimes left as they are (BREACH): docs/decisions/0014-rate-limits-and-caching.md.
"""

from flask import Flask, Response, request
from flask_compress import Compress

PAGE = "text/html"
TYPES = [
    PAGE,
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
OWN_WISH = ("same-origin", "none")
"""`Sec-Fetch-Site` of a page that the reader asked for: from one of our pages, or by typing. No other site can make a browser say so."""


def init_app(app: Flask) -> None:
    """Pack answers last of all, after their ETags are made. What is sent while it is made is packed while it is sent."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=TYPES,
        COMPRESS_ALGORITHM=["br", "zstd", "gzip"],
        COMPRESS_ALGORITHM_STREAMING=["zstd", "gzip"],
        COMPRESS_STREAMING_ENDPOINT_CONDITIONAL=["static", "layout.favicon"],
    )
    packer = Compress()
    packer.init_app(app)

    def pack(response: Response) -> Response:
        if not _pays(response):
            return response
        whole = response.response
        packed = packer.after_request(response)
        if packed.response is not whole and hasattr(whole, "close"):
            packed.call_on_close(
                whole.close
            )  # the packer forgets what it reads from: a file, or an export that breaks off
        return packed

    app.after_request(pack)


def _pays(response: Response) -> bool:
    if (
        response.mimetype not in TYPES
        or response.status_code in (204, 206, 304)
        or response.cache_control.no_transform
    ):
        return False
    return (
        response.mimetype != PAGE
        or not request.is_secure
        or request.headers.get("Sec-Fetch-Site") in OWN_WISH
    )
