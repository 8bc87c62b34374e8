"""Exports in JSON: the stream itself, and what it says about itself."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api.authentication import guard, need, who
from webapp.api.openapi.calls import Content, Need, call
from webapp.api.schemas import responses as shapes
from webapp.api.schemas.requests import ExportId, ExportQuery
from webapp.errors import PhotoNotFoundError
from webapp.extensions import get_files, get_limiter, get_registry
from webapp.http.responses import download
from webapp.services.exports import export
from webapp.services.exports.export import Tools

bp = Blueprint("api_export", __name__)
guard(bp)
FILE = Content(
    (*export.TYPES.values(), "application/json"),
    {"Marque-Export": "The id of the export: `GET /api/v1/exports/{export_id}`."},
)


@call(bp, "GET", "/export", needs=Need.REVIEW, answers={200: FILE})
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
    if (
        request.method == "HEAD"
    ):  # an export that nobody reads would stand in the list as broken off
        return Response(content_type=order.content_type)
    row, pieces = export.start_export(
        order, who=who(), tools=Tools(get_registry(), get_files(), get_limiter())
    )
    return download(pieces, order.content_type, export.name_of(order, row), export_id=row.public_id)


@call(
    bp,
    "GET",
    "/exports/<export_id>",
    needs=Need.REVIEW,
    answers={200: shapes.Export},
    errors=(PhotoNotFoundError,),
)
def read(export_id: ExportId) -> ResponseReturnValue:
    """What an export says about itself: its state, and its manifest once it is whole."""
    return jsonify(export.describe(export.get_export(export_id)))
