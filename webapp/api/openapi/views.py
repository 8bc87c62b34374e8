"""What the API tells about itself: which photos it takes, its document, and a page to try it out."""

from typing import Any

from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from webapp.api.openapi.calls import Content, Need, call
from webapp.api.openapi.docs_page import subjects
from webapp.api.openapi.document import Json, make_document
from webapp.api.schemas import presenters as payloads
from webapp.api.schemas import responses as shapes

bp = Blueprint("api_reference", __name__)
KEPT = "marque-openapi"


@call(bp, "GET", "/formats", needs=Need.NOTHING, answers={200: shapes.Formats})
def formats() -> ResponseReturnValue:
    """Which formats of photos are read and how large they may be; what photos can be exported as."""
    return jsonify(payloads.formats(current_app.config["MAX_CONTENT_LENGTH"]))


@call(bp, "GET", "/openapi.json", needs=Need.NOTHING, answers={200: dict[str, Any]})
def openapi() -> ResponseReturnValue:
    """This document."""
    return jsonify(document())


@call(bp, "GET", "/docs", needs=Need.NOTHING, answers={200: Content(("text/html; charset=utf-8",))})
def page() -> ResponseReturnValue:
    """This page: every call to read, to try out, and to copy."""
    return render_template(
        "api/docs.html", subjects=subjects(document(), request.url_root), root=request.script_root
    )


def document() -> Json:
    """The OpenAPI document of this app, made on first need, with the address that the app is reached at."""
    app = current_app
    if KEPT not in app.extensions:
        app.extensions[KEPT] = make_document(app)
    return {**app.extensions[KEPT], "servers": [{"url": request.script_root or "/"}]}
