"""Exports in JSON: the stream itself, and the state of an export."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, guard, need, who
from webapp.api.openapi.calls import Call, Content
from webapp.api.schemas.base import ExportId
from webapp.api.schemas.exports import ExportJson, ExportQuery
from webapp.errors import PhotoNotFoundError
from webapp.extensions import get_files, get_limiter, get_registry
from webapp.http.responses import download
from webapp.services.exports import export
from webapp.services.exports.export import Tools

bp = guard(Blueprint("api_export", __name__))
FILE = Content(
    (*export.TYPES.values(), "application/json"),
    {"Marque-Export": "The id of the export: `GET /api/v1/exports/{export_id}`."},
)


@Call(bp, "GET /export", Need.REVIEW, {200: FILE})
def take(query: ExportQuery) -> ResponseReturnValue:
    """Photos as a stream, oldest first, by the gallery's filters."""
    if query.metadata:
        need("admin")
    order = export.make_order(
        query.format,
        query.wanted(),
        after=query.after,
        limit=str(query.limit or ""),
        keep_metadata=bool(query.metadata),
        base_url=request.url_root,
    )
    if request.method == "HEAD":  # an export that nobody reads would be listed as stopped
        return Response(content_type=order.content_type)
    tools = Tools(get_registry(), get_files(), get_limiter())
    row, pieces = export.start_export(order, who=who(), tools=tools)
    return download(pieces, order.content_type, export.name_of(order, row), export_id=row.public_id)


@Call(bp, "GET /exports/<export_id>", Need.REVIEW, {200: ExportJson}, (PhotoNotFoundError,))
def read(export_id: ExportId) -> ResponseReturnValue:
    """The state of an export, and its manifest once it is complete."""
    return jsonify(export.describe(export.get_export(export_id)))
