"""Stats in JSON: how good a version is on checked photos."""

from dataclasses import replace

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import guard
from webapp.api.openapi.calls import Call, Need
from webapp.api.schemas.stats import StatisticsJson, StatsQuery, statistics_json
from webapp.errors import ModelNotFoundError, TooMuchToCountError
from webapp.extensions import get_classifier, get_registry, get_version_card
from webapp.services.stats import stats

bp = guard(Blueprint("api_stats", __name__))
ERRORS = (ModelNotFoundError, TooMuchToCountError)


@Call(bp, "GET /stats", Need.READING, {200: StatisticsJson}, ERRORS)
def index(query: StatsQuery) -> ResponseReturnValue:
    """How good a version is on the checked photos that pass the filters.

    Without a model it is the one that answers now. Photos that the version was trained on are only
    counted when `include` says so.
    """
    asked, registry = query.wanted(), get_registry()
    card = get_version_card(asked.model, asked.version) if asked.model else get_classifier().card
    wanted = replace(asked, model="", version=None, sort="newest")
    with_learnt = bool(query.include)
    counts, trained_on = stats.count(wanted, card, registry, with_learnt=with_learnt)
    versions = stats.versions(wanted, card.name, registry, with_learnt=with_learnt)
    return jsonify(statistics_json(card, counts, trained_on, stats.version_lines(versions)))
