"""What the API tells about itself: formats of photos, its document, a page to try it out."""

from typing import Any

from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need
from webapp.api.openapi.calls import Call, Content
from webapp.api.openapi.docs_page import calls_by_tag
from webapp.api.openapi.document import Schema, make_document
from webapp.api.schemas.base import JsonShape
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import MAX_BYTES, MAX_PIXELS, MAX_PIXELS_OF, MAX_SIDE
from webapp.services.exports.formats import FORMATS
from webapp.services.photos.classify import MAX_FILES

bp = Blueprint("api_reference", __name__)
_EXTENSION = "marque-openapi"
_PAGE = Content(("text/html; charset=utf-8",))


class _PhotoFormatJson(JsonShape):
    """A format of photos."""

    name: str
    content_type: str
    pixels: int
    """The most pixels that a photo of this format may have."""


class _FormatsJson(JsonShape):
    """What can be sent: formats and limits."""

    formats: list[_PhotoFormatJson]
    bytes: int
    """The most bytes of one photo."""
    side: int
    """The most pixels of one side."""
    files: int
    """The most photos of one request."""
    request_bytes: int
    """The most bytes of one request."""
    exports: list[str]
    """What photos can be exported as."""


@Call(bp, "GET /formats", Need.NOTHING, {200: _FormatsJson})
def formats() -> ResponseReturnValue:
    """The formats of photos, how large they may be, and the formats of exports."""
    answer: _FormatsJson = {
        "formats": [
            {"name": name, "content_type": kind, "pixels": MAX_PIXELS_OF.get(name, MAX_PIXELS)}
            for name, kind in CONTENT_TYPES.items()
        ],
        "bytes": MAX_BYTES,
        "side": MAX_SIDE,
        "files": MAX_FILES,
        "request_bytes": current_app.config["MAX_CONTENT_LENGTH"],
        "exports": list(FORMATS),
    }
    return jsonify(answer)


@Call(bp, "GET /openapi.json", Need.NOTHING, {200: dict[str, Any]})
def openapi() -> ResponseReturnValue:
    """This document."""
    return jsonify(_document())


@Call(bp, "GET /docs", Need.NOTHING, {200: _PAGE})
def page() -> ResponseReturnValue:
    """This page: every call to read, to try out, and to copy."""
    tags = calls_by_tag(_document(), request.url_root)
    return render_template("api/docs.html", tags=tags, root=request.script_root)


def _document() -> Schema:
    """The document of this app, made on first need, with the address that the app is reached at."""
    extensions = current_app.extensions
    if _EXTENSION not in extensions:
        extensions[_EXTENSION] = make_document(current_app)
    return {**extensions[_EXTENSION], "servers": [{"url": request.script_root or "/"}]}
