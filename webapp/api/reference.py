"""What the API tells about itself: formats of photos, its document, a page to try it out."""

from typing import Any

from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from webapp.api.openapi.calls import Call, Content, Need
from webapp.api.openapi.docs_page import calls_by_tag
from webapp.api.openapi.document import Schema, make_document
from webapp.api.schemas.reference import FormatsJson, formats_json

bp = Blueprint("api_reference", __name__)
EXTENSION = "marque-openapi"
PAGE = Content(("text/html; charset=utf-8",))


@Call(bp, "GET /formats", Need.NOTHING, {200: FormatsJson})
def formats() -> ResponseReturnValue:
    """The formats of photos, how large they may be, and the formats of exports."""
    return jsonify(formats_json(current_app.config["MAX_CONTENT_LENGTH"]))


@Call(bp, "GET /openapi.json", Need.NOTHING, {200: dict[str, Any]})
def openapi() -> ResponseReturnValue:
    """This document."""
    return jsonify(_document())


@Call(bp, "GET /docs", Need.NOTHING, {200: PAGE})
def page() -> ResponseReturnValue:
    """This page: every call to read, to try out, and to copy."""
    tags = calls_by_tag(_document(), request.url_root)
    return render_template("api/docs.html", tags=tags, root=request.script_root)


def _document() -> Schema:
    """The document of this app, made on first need, with the address that the app is reached at."""
    extensions = current_app.extensions
    if EXTENSION not in extensions:
        extensions[EXTENSION] = make_document(current_app)
    return {**extensions[EXTENSION], "servers": [{"url": request.script_root or "/"}]}
