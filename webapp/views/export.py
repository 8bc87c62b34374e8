"""Taking photos and answers out: how much there is, in which form, what was taken before."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from webapp.delivery import download
from webapp.errors import BadRequestError
from webapp.ext import get_files, get_registry, get_turnstile
from webapp.services import export
from webapp.services.export import Tools
from webapp.services.filters import filter_params, parse_filter
from webapp.values import GalleryFilter
from webapp.views import guards

bp = Blueprint("export", __name__)


@bp.get("/export")
@guards.people_only
def index() -> ResponseReturnValue:
    """Counts first, then the forms to choose from, then what was exported earlier. The filter is that of the gallery, in the URL."""
    return _page()


@bp.post("/export")
@guards.people_only
def take() -> ResponseReturnValue:
    """The export itself, piece by piece."""
    try:
        order = export.make_order(
            request.form.get("format", ""),
            parse_filter(request.form),
            after=request.form.get("after", ""),
            keep_metadata=bool(request.form.get("metadata")) and _is_admin(),
            base_url=request.url_root,
        )
        row, pieces = export.start_export(order, who=guards.who(), tools=Tools(get_registry(), get_files(), get_turnstile()))
    except BadRequestError as error:
        return _page(error)
    return download(pieces, order.content_type, export.name_of(order, row), export_id=row.public_id)


@bp.get("/export/<public_id>/manifest.json")
@guards.people_only
def manifest(public_id: str) -> Response:
    """What an export says about itself."""
    return jsonify(export.describe(export.get_export(public_id)))


def _page(error: BadRequestError | None = None) -> ResponseReturnValue:
    asked, wanted = request.values, GalleryFilter()
    try:
        wanted = parse_filter(asked)
    except BadRequestError as trouble:
        error = trouble
    params = export.question_of(wanted)
    body = render_template(
        "export/index.html",
        size=export.size_of(wanted),
        params=params,
        chosen=request.values.get("format", "csv"),
        after=request.values.get("after", ""),
        going_on="go_on" in request.args,
        earlier=[_earlier(row) for row in export.last_exports()],
        zip_photos=export.ZIP_PHOTOS,
        whole=not filter_params(wanted),
        error=error,
    )
    return body, 400 if error else 200


def _earlier(row: export.Export) -> dict[str, Any]:
    """A line about an export and what can be done about the rest of it: the next part (`after` which photo), the same again, or, where
    what has arrived is of use, going on after the last photo of that, which only the reader knows."""
    manifest, broken = row.manifest or {}, row.state == "stopped"
    return {
        "row": row,
        "params": json.loads(row.question),
        "after": manifest.get("next") or "",
        "again": broken and row.format not in export.GOES_ON,
        "go_on": broken and row.format in export.GOES_ON,
        "sha256": manifest.get("sha256", ""),
    }


def _is_admin() -> bool:
    somebody = guards.person()
    return somebody is not None and somebody.is_admin
