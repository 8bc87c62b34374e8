"""Is it there, is it alive, can it answer photos: for load balancers and people with curl."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.openapi.calls import Need, call
from webapp.api.schemas import responses as shapes
from webapp.errors import MarqueError
from webapp.extensions import get_classifier, get_trouble
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.operations.health import check_database

bp = Blueprint("health", __name__)


@call(bp, "GET", "/ping", strict_slashes=False, needs=Need.NOTHING, answers={200: shapes.Greeting})
def ping() -> ResponseReturnValue:
    """The shortest answer there is."""
    return jsonify(message="pong")


@call(bp, "GET", "/health/live", needs=Need.NOTHING, answers={200: shapes.Live})
def live() -> ResponseReturnValue:
    """200 as long as this process answers at all."""
    return jsonify(status="live")


@call(
    bp,
    "GET",
    "/health/ready",
    needs=Need.NOTHING,
    answers={200: shapes.Ready, 503: shapes.NotReady},
)
def ready() -> ResponseReturnValue:
    """200 when a photo could be answered now: the history can be written and a version of the model passed its self-test; else 503.

    When that is not the live version, `trouble` says why; also when jobs wait and no worker was seen for a while.
    """
    checks: dict[str, str] = {}
    for name, check in (("database", check_database), ("model", get_classifier)):
        try:
            check()
        except MarqueError as error:
            checks[name] = str(error)
    if checks:
        return jsonify(status="not ready", problems=checks), 503, {"Retry-After": "5"}
    card = get_classifier().card
    trouble = " ".join(filter(None, (get_trouble(), jobs.missing_worker(JOB_TYPES))))
    return jsonify(
        status="ready",
        model={"name": card.name, "version": card.version},
        **({"trouble": trouble} if trouble else {}),
    )
