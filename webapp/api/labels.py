"""Ground truths for many photos in JSON, and taking them back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api import payloads
from webapp.api.keys import guard, need, who
from webapp.errors import BadRequestError
from webapp.ext import get_cards, get_classifier
from webapp.services import many, relabel
from webapp.services.filters import NAMES, parse_filter
from webapp.services.many import Selection
from webapp.services.relabel import Relabelled

bp = Blueprint("api_labels", __name__)
guard(bp)
EXAMPLE = 'Send JSON like {"ids": ["…"], "label": "mclaren"} or {"filter": {"decision": "mclaren"}, "label": "mclaren"}.'


@bp.post("/labels")
def add() -> ResponseReturnValue:
    """Give photos a ground truth, all in one batch: those named by id, or all that match a filter."""
    need("review")
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not all(isinstance(body.get(name, ""), str) for name in ("label", "why", "model")):
        raise BadRequestError(EXAMPLE)
    selection, model = _selection(body), body.get("model", "")
    first, *others = [get_classifier(model).card] if model else get_cards() or [get_classifier().card]
    done = many.relabel_all(selection, body.get("label", ""), card=first, others=others, who=who(), place="api", why=body.get("why", ""))
    return jsonify(_told(done) | payloads.taken_as(body.get("label", ""), done))


@bp.delete("/labels/batches/<batch>")
def undo(batch: str) -> ResponseReturnValue:
    """Take back what was done together."""
    need("review")
    return jsonify(_told(relabel.undo_batch(batch, who=who(), place="api")))


def _selection(body: dict[str, Any]) -> Selection:
    """The photos that are meant. Raises `BadRequestError` unless there are either ids or a filter of known parameters."""
    ids, wanted = body.get("ids"), body.get("filter")
    if (ids is None) == (wanted is None):
        raise BadRequestError(EXAMPLE)
    if ids is not None:
        if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
            raise BadRequestError(EXAMPLE)
        return Selection(ids=tuple(dict.fromkeys(ids)))
    if not isinstance(wanted, dict) or not all(isinstance(value, str | int | float) for value in wanted.values()):
        raise BadRequestError(EXAMPLE)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise BadRequestError(f"There is no filter called {unknown[0][:80]}. Nothing was changed.")
    return Selection(wanted=parse_filter({name: str(value) for name, value in wanted.items()}))


def _told(done: Relabelled) -> dict[str, Any]:
    return {"processed": done.changed, "skipped": done.skipped, "batch": done.batch or None}
