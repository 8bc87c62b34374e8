"""Models in JSON: which there are, which version is live, the card of each."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, guard, has, who
from webapp.api.openapi.calls import Call
from webapp.api.schemas import models
from webapp.api.schemas.base import ModelName, Version
from webapp.errors import BadCardError, ModelNotFoundError, ModelRefusedError, PromotionRefusedError
from webapp.extensions import get_registry, load_any_version
from webapp.services.jobs.types import compare_detectors as compare_detectors_job
from webapp.services.models import compare, promotion

bp = guard(Blueprint("api_models", __name__))
_ABSENT = (ModelNotFoundError, BadCardError)
_REFUSED = (*_ABSENT, ModelRefusedError, PromotionRefusedError)


@Call(bp, "GET /models", Need.READING, {200: models.ModelsJson})
def index() -> ResponseReturnValue:
    """Every model that names cars, with its versions and the live one."""
    registry = get_registry()
    return jsonify(items=[models.model_json(name, registry) for name in registry.names()])


@Call(bp, "GET /models/<name>", Need.READING, {200: models.ModelJson}, _ABSENT)
def versions(name: ModelName) -> ResponseReturnValue:
    """One model: its versions and the live one.

    A detector is one too, without labels. With a key of the scope `review` also its `history`: what
    was live when.
    """
    if not get_registry().versions(name):
        raise ModelNotFoundError(f"There is no model called {name[:80]!r}.")
    history = promotion.history(name) if has(Need.REVIEW) else None
    return jsonify(models.model_json(name, get_registry(), history))


@Call(bp, "GET /models/<name>/labels", Need.READING, {200: models.LabelsJson}, _ABSENT)
def labels(name: ModelName) -> ResponseReturnValue:
    """The labels of the live version as people see them, in the order of the network's outputs."""
    return jsonify(models.labels_json(get_registry().card(name)))


@Call(bp, "GET /models/<name>/compare", Need.REVIEW, {200: models.ComparisonJson}, _ABSENT)
def comparison(name: ModelName, query: models.CompareQuery) -> ResponseReturnValue:
    """Two versions on the labelled photos of this history, by their predictions up to now.

    Those of a detector are compared by a job.
    """
    if get_registry().is_detector(name):
        raise ModelNotFoundError(
            f"{name} names no labels: a job compares its versions (POST /jobs with kind compare)."
        )
    result = compare.compare_on_history(get_registry(), name, query.a, query.b)
    return jsonify(models.comparison_json(result))


@Call(bp, "POST /models/<name>/promote", Need.ADMIN, {200: models.PromotionJson}, _REFUSED)
def take_over(name: ModelName, body: models.PromoteBody) -> ResponseReturnValue:
    """Let a version serve, if the comparison says that it is better, or by force with a reason."""
    decision = promotion.Decision(who(), body.why, force=body.force)
    version, registry = body.version, get_registry()
    row = compare_detectors_job.promote(registry, name, version, load_any_version, decision)
    return jsonify(models.promotion_json(row))


@Call(bp, "POST /models/<name>/rollback", Need.ADMIN, {200: models.PromotionJson}, _REFUSED)
def go_back(name: ModelName, body: models.RollbackBody) -> ResponseReturnValue:
    """Let the version serve again that was live before."""
    row = promotion.rollback(
        get_registry(), name, load_any_version, promotion.Decision(who(), body.why)
    )
    return jsonify(models.promotion_json(row))


@Call(
    bp,
    "GET /models/<name>/<int:version>",
    Need.READING,
    {200: models.CardJson | models.DetectorCardJson},
    _ABSENT,
)
def read(name: ModelName, version: Version) -> ResponseReturnValue:
    """The card of one version: labels in order, how it was measured, threshold, limits.

    That of a detector has no labels.
    """
    registry = get_registry()
    live = registry.live_version(name) == version
    return jsonify(models.card_json(registry.any_card(name, version), live))
