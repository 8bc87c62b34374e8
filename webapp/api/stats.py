"""Stats in JSON: how good a version is on checked photos."""

from dataclasses import replace

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api.authentication import guard
from webapp.api.openapi.calls import Need, call
from webapp.api.schemas import model_responses as model_shapes
from webapp.api.schemas import presenters as payloads
from webapp.api.schemas.requests import StatsQuery
from webapp.errors import ModelNotFoundError, TooMuchToCountError
from webapp.extensions import get_classifier, get_registry, get_version_card
from webapp.services.stats import stats

bp = Blueprint("api_stats", __name__)
guard(bp)


@call(
    bp,
    "GET",
    "/stats",
    needs=Need.READING,
    answers={200: model_shapes.Statistics},
    errors=(ModelNotFoundError, TooMuchToCountError),
)
def index(query: StatsQuery) -> ResponseReturnValue:
    """How good a version is on the checked photos that pass the filters; without a model the one that answers now.

    Photos that the version has learnt from are only counted with `include=learnt`.
    """
    asked = query.wanted()
    card = get_version_card(asked.model, asked.version) if asked.model else get_classifier().card
    wanted = replace(asked, model="", version=None, sort="newest")
    with_learnt = bool(query.include)
    counts, learnt = stats.count(wanted, card, get_registry(), with_learnt=with_learnt)
    versions = stats.version_lines(
        stats.versions(wanted, card.name, get_registry(), with_learnt=with_learnt)
    )
    return jsonify(payloads.statistics(card, counts, learnt, versions))
