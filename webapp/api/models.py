"""Models in JSON: which there are, which version is live, the card of each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api import payloads
from webapp.api.keys import guard, has, need, need_for_reading, who
from webapp.errors import BadCardError, BadRequestError, ModelNotFoundError
from webapp.ext import get_registry, load_version
from webapp.services import compare, promote

bp = Blueprint("api_models", __name__)
guard(bp)


@bp.get("/models")
def index() -> ResponseReturnValue:
    """Every model with its versions and the live one."""
    need_for_reading()
    registry = get_registry()
    items = []
    for name in registry.names():
        try:
            card = registry.card(name)
        except (ModelNotFoundError, BadCardError):
            card = None
        items.append(payloads.model(name, registry.versions(name), registry.live_version(name), card))
    return jsonify(items=items)


@bp.get("/models/<name>")
def versions(name: str) -> ResponseReturnValue:
    """One model: its versions, the live one, and with a key of the scope `review` what was live when."""
    need_for_reading()
    registry = get_registry()
    numbers = registry.versions(name)
    if not numbers:
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    try:
        card = registry.card(name)
    except (ModelNotFoundError, BadCardError):
        card = None
    shown = payloads.model(name, numbers, registry.live_version(name), card)
    if has("review"):
        shown["history"] = [payloads.promotion(row) for row in promote.history(name)]
    return jsonify(shown)


@bp.get("/models/<name>/labels")
def labels(name: str) -> ResponseReturnValue:
    """The labels of the live version as people see them, in the order of the network's outputs."""
    need_for_reading()
    card = get_registry().card(name)
    return jsonify(model=card.name, version=card.version, items=payloads.labels(card))


@bp.get("/models/<name>/compare")
def comparison(name: str) -> ResponseReturnValue:
    """Versions `a` (champion) and `b` (challenger) on the labelled photos of this history."""
    need("review")
    asked = [_version(request.args.get(key)) for key in ("a", "b")]
    return jsonify(payloads.standing(compare.standing(get_registry(), name, *asked)))


@bp.post("/models/<name>/promote")
def take_over(name: str) -> ResponseReturnValue:
    """Let a version serve, if the comparison on this history says that it is better, or by force with a reason."""
    need("admin")
    body = _body()
    force = body.get("force", False)
    if not isinstance(force, bool):
        raise BadRequestError("force is true or false.")
    row = compare.promote_here(get_registry(), name, _version(body.get("version")), load_version, who(), force=force, why=_why(body))
    return jsonify(payloads.promotion(row))


@bp.post("/models/<name>/rollback")
def go_back(name: str) -> ResponseReturnValue:
    """Let the version serve again that was live before."""
    need("admin")
    return jsonify(payloads.promotion(promote.rollback(get_registry(), name, load_version, who(), why=_why(_body()))))


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True) if request.content_length else {}
    if not isinstance(body, dict):
        raise BadRequestError("The body must be one JSON object.")
    return body


def _why(body: dict[str, Any]) -> str:
    why = body.get("why", "")
    if not isinstance(why, str):
        raise BadRequestError("why is a text.")
    return why


def _version(given: object) -> int:
    """The number of a version, from JSON or a URL. Raises `BadRequestError`."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, str) and given.isdecimal() and len(given) < 10:
        return int(given)
    raise BadRequestError("Name the versions by number: version in the body; a and b in the address of a comparison.")


@bp.get("/models/<name>/<int:version>")
def read(name: str, version: int) -> ResponseReturnValue:
    """The card of one version."""
    need_for_reading()
    registry = get_registry()
    return jsonify(payloads.card(registry.card(name, version), registry.live_version(name) == version))
