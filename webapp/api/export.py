"""Exports in JSON: the stream itself, and what it says about itself."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api.keys import guard, has, need, who
from webapp.delivery import download
from webapp.ext import get_files, get_registry, get_turnstile
from webapp.services import export
from webapp.services.export import Tools
from webapp.services.filters import parse_filter

bp = Blueprint("api_export", __name__)
guard(bp)


@bp.get("/export")
def take() -> ResponseReturnValue:
    """Photos in one of the formats, by the gallery's filters. Needs a key with the scope `review`."""
    need("review")
    order = export.make_order(
        request.args.get("format", "jsonl"),
        parse_filter(request.args),
        after=request.args.get("after", ""),
        limit=request.args.get("limit", ""),
        keep_metadata=request.args.get("metadata") == "keep" and has("admin"),
        base_url=request.url_root,
    )
    if request.method == "HEAD":  # an export that nobody reads would stand in the list as broken off
        return Response(content_type=order.content_type)
    row, pieces = export.start_export(order, who=who(), tools=Tools(get_registry(), get_files(), get_turnstile()))
    return download(pieces, order.content_type, export.name_of(order, row), export_id=row.public_id)


@bp.get("/exports/<export_id>")
def read(export_id: str) -> ResponseReturnValue:
    """What an export says about itself: its state, and its manifest once it is whole. Needs a key with the scope `review`."""
    need("review")
    return jsonify(export.describe(export.get_export(export_id)))
