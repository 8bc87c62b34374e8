"""Stats in JSON: how good a version is on checked photos."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from webapp.api import model_shapes, payloads
from webapp.api.calls import Need, call
from webapp.api.keys import guard
from webapp.api.questions import Filters
from webapp.errors import ModelNotFoundError
from webapp.ext import get_classifier, get_version_card
from webapp.services import stats

bp = Blueprint("api_stats", __name__)
guard(bp)


@call(bp, "GET", "/stats", needs=Need.READING, answers={200: model_shapes.Statistics}, errors=(ModelNotFoundError,))
def index(query: Filters) -> ResponseReturnValue:
    """How good a version is on the checked photos that pass the filters; without a model the one that answers now."""
    asked = query.wanted()
    card = get_version_card(asked.model, asked.version) if asked.model else get_classifier().card
    wanted = replace(asked, model="", version=None, sort="newest")
    versions = stats.version_lines(stats.versions(wanted, card.name))
    return jsonify(payloads.statistics(card, stats.count(wanted, card), versions))
