"""Exports in JSON: the stream itself, and the state of an export."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, check, guard, who
from webapp.api.openapi.calls import Call, Content
from webapp.api.schemas.base import ExportId
from webapp.api.schemas.exports import ExportJson, ExportQuery
from webapp.errors import ModelNotFoundError, PhotoNotFoundError
from webapp.extensions import get_tools
from webapp.http.responses import download
from webapp.services.exports import downloads
from webapp.services.exports.formats import CONTENT_TYPES

bp = guard(Blueprint("api_export", __name__))
_FILE = Content(
    CONTENT_TYPES,
    {"Marque-Export": "The id of the export: `GET /api/v1/exports/{export_id}`."},
)


@Call(bp, "GET /export", Need.REVIEW, {200: _FILE}, (ModelNotFoundError,))
def take(query: ExportQuery) -> ResponseReturnValue:
    """Photos as a stream, oldest first, by the gallery's filters."""
    if query.metadata:
        check(Need.ADMIN)
    order = query.order(query, query.limit)
    content_type = order.format.content_type
    if request.method == "HEAD":  # an export that nobody reads would be listed as stopped
        return Response(content_type=content_type)
    export, pieces = downloads.start_export(order, who=who(), tools=get_tools())
    name = downloads.name_of(order, export)
    return download(pieces, content_type, name, export_id=export.public_id)


@Call(bp, "GET /exports/<export_id>", Need.REVIEW, {200: ExportJson}, (PhotoNotFoundError,))
def read(export_id: ExportId) -> ResponseReturnValue:
    """The state of an export, and its manifest once it is complete."""
    return jsonify(downloads.describe(downloads.get_export(export_id)))
