"""Is it there, is it alive, can it answer photos: for load balancers and people with curl."""

from typing import NotRequired

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need
from webapp.api.openapi.calls import Call
from webapp.api.schemas.base import JsonShape, ModelVersionJson
from webapp.errors import MarqueError
from webapp.extensions import get_classifier, get_extensions
from webapp.services.jobs import queue
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.operations.health import check_database

bp = Blueprint("health", __name__)


class _GreetingJson(JsonShape):
    """The shortest answer there is."""

    message: str


class _LiveJson(JsonShape):
    """The process answers."""

    status: str


class _ReadyJson(JsonShape):
    """Photos are answered."""

    status: str
    model: ModelVersionJson
    trouble: NotRequired[str]
    """Why another version answers than the live one."""


class _NotReadyJson(JsonShape):
    """Photos cannot be answered now."""

    status: str
    problems: dict[str, str]
    """A sentence for each part that does not work."""


@Call(bp, "GET /ping", Need.NOTHING, {200: _GreetingJson}, strict_slashes=False)
def ping() -> ResponseReturnValue:
    """The shortest answer there is."""
    return jsonify(message="pong")


@Call(bp, "GET /health/live", Need.NOTHING, {200: _LiveJson})
def live() -> ResponseReturnValue:
    """200 as long as this process answers at all."""
    return jsonify(status="live")


@Call(bp, "GET /health/ready", Need.NOTHING, {200: _ReadyJson, 503: _NotReadyJson})
def ready() -> ResponseReturnValue:
    """200 when a photo could be answered now, else 503.

    The history can be written, and a version of the model passed its self-test. When that is not
    the live version, `trouble` says why; also when jobs wait and no worker was active for a while.
    """
    problems: dict[str, str] = {}
    for name, check in (("database", check_database), ("model", get_classifier)):
        try:
            check()
        except MarqueError as error:
            problems[name] = str(error)
    if problems:
        return jsonify(status="not ready", problems=problems), 503, {"Retry-After": "5"}
    card = get_classifier().card
    model = {"name": card.name, "version": card.version}
    trouble = " ".join(filter(None, (get_extensions().trouble(), queue.missing_worker(JOB_TYPES))))
    return jsonify(status="ready", model=model, **({"trouble": trouble} if trouble else {}))
