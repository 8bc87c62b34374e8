"""Models in JSON: which there are, which version is live, the card of each."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api import payloads
from webapp.api.keys import guard, need_for_reading
from webapp.errors import BadCardError, ModelNotFoundError
from webapp.ext import get_registry

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


@bp.get("/models/<name>/<int:version>")
def read(name: str, version: int) -> ResponseReturnValue:
    """The card of one version."""
    need_for_reading()
    registry = get_registry()
    return jsonify(payloads.card(registry.card(name, version), registry.live_version(name) == version))
