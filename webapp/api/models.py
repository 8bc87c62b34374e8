"""Models in JSON: which there are, which version is live, the card of each."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import guard, has, who
from webapp.api.openapi.calls import Need, call
from webapp.api.schemas import model_responses as model_shapes
from webapp.api.schemas import presenters as payloads
from webapp.api.schemas.requests import CompareQuery, ModelName, PromoteBody, RollbackBody, Version
from webapp.errors import BadCardError, ModelNotFoundError, ModelRefusedError, PromotionRefusedError
from webapp.extensions import get_registry, load_version
from webapp.services.models import compare
from webapp.services.models import promotion as promote

bp = Blueprint("api_models", __name__)
guard(bp)
ABSENT = (ModelNotFoundError, BadCardError)


@call(bp, "GET", "/models", needs=Need.READING, answers={200: model_shapes.Models})
def index() -> ResponseReturnValue:
    """Every model with its versions and the live one."""
    return jsonify(payloads.models(get_registry()))


@call(
    bp,
    "GET",
    "/models/<name>",
    needs=Need.READING,
    answers={200: model_shapes.Model},
    errors=ABSENT,
)
def versions(name: ModelName) -> ResponseReturnValue:
    """One model: its versions, the live one, and with a key of the scope `review` what was live when."""
    if not get_registry().versions(name):
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    return jsonify(
        payloads.model(name, get_registry(), promote.history(name) if has("review") else None)
    )


@call(
    bp,
    "GET",
    "/models/<name>/labels",
    needs=Need.READING,
    answers={200: model_shapes.Labels},
    errors=ABSENT,
)
def labels(name: ModelName) -> ResponseReturnValue:
    """The labels of the live version as people see them, in the order of the network's outputs."""
    return jsonify(payloads.labels(get_registry().card(name)))


@call(
    bp,
    "GET",
    "/models/<name>/compare",
    needs=Need.REVIEW,
    answers={200: model_shapes.Standing},
    errors=ABSENT,
)
def comparison(name: ModelName, query: CompareQuery) -> ResponseReturnValue:
    """Two versions on the labelled photos of this history, by what they have said so far."""
    return jsonify(payloads.standing(compare.standing(get_registry(), name, query.a, query.b)))


@call(
    bp,
    "POST",
    "/models/<name>/promote",
    needs=Need.ADMIN,
    answers={200: model_shapes.Promotion},
    errors=(*ABSENT, ModelRefusedError, PromotionRefusedError),
)
def take_over(name: ModelName, body: PromoteBody) -> ResponseReturnValue:
    """Let a version serve, if the comparison on this history says that it is better, or by force with a reason."""
    row = compare.promote_here(
        get_registry(), name, body.version, load_version, who(), force=body.force, why=body.why
    )
    return jsonify(payloads.promotion(row))


@call(
    bp,
    "POST",
    "/models/<name>/rollback",
    needs=Need.ADMIN,
    answers={200: model_shapes.Promotion},
    errors=(*ABSENT, ModelRefusedError, PromotionRefusedError),
)
def go_back(name: ModelName, body: RollbackBody) -> ResponseReturnValue:
    """Let the version serve again that was live before."""
    return jsonify(
        payloads.promotion(
            promote.rollback(get_registry(), name, load_version, who(), why=body.why)
        )
    )


@call(
    bp,
    "GET",
    "/models/<name>/<int:version>",
    needs=Need.READING,
    answers={200: model_shapes.Card},
    errors=ABSENT,
)
def read(name: ModelName, version: Version) -> ResponseReturnValue:
    """The card of one version: labels in order, how it was measured, threshold, limits."""
    registry = get_registry()
    return jsonify(
        payloads.card(registry.card(name, version), registry.live_version(name) == version)
    )
