"""Models: which there are, and each version's card in plain words."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from webapp.ext import get_card, get_registry
from webapp.inference.card import ModelCard
from webapp.services import cards

bp = Blueprint("models", __name__, url_prefix="/models")


@bp.get("")
def index() -> ResponseReturnValue:
    """Every version with how well it was measured."""
    shelves = cards.catalogue(get_registry())
    return render_template("models/index.html", shelves=[(one, cards.headline(one.card) if one.card else None) for one in shelves])


@bp.get("/<name>/<int:version>")
def version(name: str, version: int) -> ResponseReturnValue:
    """The card of one version."""
    card = _card(name, version)
    return render_template(
        "models/version.html",
        card=card,
        is_live=card == get_card(name),
        is_default=card == get_card(),
        right=cards.headline(card),
        measures=cards.measures(card),
        lines=cards.label_lines(card),
        matrix=cards.matrix(card),
        codes=cards.codes([(label.name, label.display) for label in card.labels]),
        mix_ups=cards.mix_ups(card),
        bins=cards.reliability(card),
    )


def _card(name: str, version: int) -> ModelCard:
    live = get_card(name)
    if live is not None and live.version == version:
        return live
    return get_registry().card(name, version)
