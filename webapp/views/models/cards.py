"""Models: which there are, and each version's card in plain words."""

from itertools import groupby

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from webapp.extensions import get_card, get_registry
from webapp.inference.models.card import ModelCard
from webapp.services.models import cards
from webapp.services.models.training_history import learning
from webapp.services.photos.wording import display

bp = Blueprint("models", __name__, url_prefix="/models")
ORDER_WORDS = {
    "worst": "Worst first",
    "best": "Best first",
    "photos": "Fewest photos",
    "trust": "Least trust",
    "name": "By name",
}


@bp.get("")
def index() -> ResponseReturnValue:
    """Every version with how well it was measured."""
    models = [
        (name, list(shelves))
        for name, shelves in groupby(cards.catalogue(get_registry()), key=lambda one: one.name)
    ]
    return render_template(
        "models/index.html",
        models=[
            (name, [(one, cards.headline(one.card) if one.card else None) for one in shelves])
            for name, shelves in models
        ],
    )


@bp.get("/<name>/<int:version>")
def version(name: str, version: int) -> ResponseReturnValue:
    """The card of one version. With many labels `?q=` looks among them, `?sort=` orders them, `?labels=all` shows all."""
    card = _card(name, version)
    asked, order = request.args.get("q", "").strip()[:100], request.args.get("sort", "")
    found = cards.labels_like(card.labels, asked)
    names = {one.name for one in found}
    lines = [one for one in cards.label_lines(card) if one.label in names]
    every = bool(asked) or request.args.get("labels") == "all" or len(card.labels) <= cards.MANY
    return render_template(
        "models/version.html",
        card=card,
        is_live=card == get_card(name),
        is_default=card == get_card(),
        right=cards.headline(card),
        measures=cards.measures(card),
        many=len(card.labels) > cards.MANY,
        asked=asked,
        order=order if order in cards.ORDERS else cards.ORDERS[0],
        orders=cards.ORDERS,
        found_labels=found,
        lines=cards.in_order(lines, order, card)[: None if every else cards.FIRST],
        lines_left=0 if every else max(0, len(lines) - cards.FIRST),
        measured=bool(lines) or bool(cards.label_lines(card)),
        matrix=cards.matrix(card),
        codes=cards.codes([(label.name, label.display) for label in card.labels])
        if len(card.labels) <= cards.MANY
        else {},
        mix_ups=cards.mix_ups(card),
        shown=lambda label: display(card, label),
        order_words=ORDER_WORDS,
        live_version=get_registry().live_version(name),
        bins=cards.reliability(card),
        learning=learning(card),
    )


@bp.get("/<name>/<int:version>/confusion.csv")
def confusion(name: str, version: int) -> ResponseReturnValue:
    """What the version takes for what, for a table program."""
    text = cards.confusion_csv(_card(name, version))
    answer = Response(text, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}-{version}-confusion.csv"'
    return answer


def _card(name: str, version: int) -> ModelCard:
    live = get_card(name)
    if live is not None and live.version == version:
        return live
    return get_registry().card(name, version)
