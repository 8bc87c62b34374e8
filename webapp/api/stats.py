"""Stats in JSON: how good a version is on checked photos."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import Need, guard
from webapp.api.openapi.calls import Call
from webapp.api.schemas.stats import StatisticsJson, StatisticsQuery, statistics_json
from webapp.errors import ModelNotFoundError, TooMuchToCountError
from webapp.extensions import get_classifier, get_registry, get_version_card
from webapp.services.stats import figures

bp = guard(Blueprint("api_stats", __name__))
_ERRORS = (ModelNotFoundError, TooMuchToCountError)


@Call(bp, "GET /stats", Need.READING, {200: StatisticsJson}, _ERRORS)
def index(query: StatisticsQuery) -> ResponseReturnValue:
    """How good a version is on the checked photos that pass the filters.

    Without a model it is the one that answers now. Photos that the version was trained on are only
    counted when `include` says so.
    """
    name, version = query.model, query.version
    card = get_version_card(name, version) if name else get_classifier().card
    photo_filter = query.replace(model="", version=None, sort="newest")
    registry, with_trained = get_registry(), bool(query.include)
    counts, trained = figures.count(photo_filter, card, registry, with_trained=with_trained)
    versions = figures.versions(photo_filter, card.name, registry, with_trained=with_trained)
    return jsonify(statistics_json(card, counts, trained, versions))
