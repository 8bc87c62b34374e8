"""Stats in JSON: how good a version is on checked photos."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from webapp.api import payloads
from webapp.api.keys import guard, need_for_reading
from webapp.ext import get_classifier, get_registry, get_version_card
from webapp.services import stats
from webapp.services.filters import parse_filter

bp = Blueprint("api_stats", __name__)
guard(bp)


@bp.get("/stats")
def index() -> ResponseReturnValue:
    """The figures of `?model=` (a name, or NAME@VERSION) on the checked photos of the gallery's filters.

    Photos that the version has learnt from are only counted with `include=learnt`.
    """
    need_for_reading()
    asked = parse_filter(request.args)
    card = get_version_card(asked.model, asked.version) if asked.model else get_classifier().card
    wanted = replace(asked, model="", version=None, sort="newest")
    with_learnt = request.args.get("include") == "learnt"
    counts, learnt = stats.count(wanted, card, get_registry(), with_learnt=with_learnt)
    versions = stats.version_lines(stats.versions(wanted, card.name, get_registry(), with_learnt=with_learnt))
    return jsonify(payloads.statistics(card, counts, learnt, versions))
