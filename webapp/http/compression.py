"""Compression of text, except of pages from which an attacker could learn secrets.

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
# `Sec-Fetch-Site` of a page that the reader asked for, from a page of this site or by typing. No
# other site can make a browser send these.
SAFE_SITES = ("same-origin", "none")


def init_app(app: Flask) -> None:
    """Compress answers last of all, after their ETags are made; streams while they are sent."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=TYPES,
        COMPRESS_ALGORITHM=["br", "zstd", "gzip"],
        COMPRESS_ALGORITHM_STREAMING=["zstd", "gzip"],
        COMPRESS_STREAMING_ENDPOINT_CONDITIONAL=["static", "layout.favicon"],
    )
    compress = Compress()
    compress.init_app(app)

    def after_request(response: Response) -> Response:
        if not _may_compress(response):
            return response
        content = response.response
        compressed = compress.after_request(response)
        if compressed.response is not content and hasattr(content, "close"):
            # Flask-Compress does not close what it reads from: a file, or an export.
            compressed.call_on_close(content.close)
        return compressed

    app.after_request(after_request)


def _may_compress(response: Response) -> bool:
    if response.mimetype not in TYPES or response.status_code in (204, 206, 304):
        return False
    if response.cache_control.no_transform:
        return False
    safe = not request.is_secure or request.headers.get("Sec-Fetch-Site") in SAFE_SITES
    return safe or response.mimetype != PAGE
