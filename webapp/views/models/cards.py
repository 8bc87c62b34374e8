"""Models: which there are, and each version's card in plain words."""

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from webapp.extensions import get_card, get_registry
from webapp.http.responses import attachment
from webapp.inference.models.card import ModelCard
from webapp.reports.charts import reliability_svg
from webapp.services.models import cards
from webapp.services.models.training_history import training_history
from webapp.services.photos.wording import display

bp = Blueprint("models", __name__, url_prefix="/models")
_ORDER_TEXTS = {
    "worst": "Worst first",
    "best": "Best first",
    "photos": "Fewest photos",
    "trust": "Least trust",
    "name": "By name",
}


@bp.get("")
def index() -> ResponseReturnValue:
    """Every version with how well it was measured."""
    registry = get_registry()
    models = [(name, cards.catalogue(registry, [name])) for name in registry.names()]
    return render_template("models/index.html", models=models)


@bp.get("/<name>/<int:version>")
def version(name: str, version: int) -> ResponseReturnValue:
    """The card of a version.

    With many labels `?q=` searches among them, `?sort=` orders them, `?labels=all` shows all.
    """
    card = _card(name, version)
    text, order = request.args.get("q", "").strip()[:100], request.args.get("sort", "")
    found_labels = cards.labels_like(card.labels, text)
    names = {label.name for label in found_labels}
    measured = cards.card_labels(card)
    labels = cards.in_order([row for row in measured if row.label in names], order, card)
    many = len(card.labels) > cards.MANY
    every = bool(text) or request.args.get("labels") == "all" or not many
    return render_template(
        "models/version.html",
        card=card,
        is_live=card == get_card(name),
        is_default=card == get_card(),
        right=cards.headline(card),
        measurements=cards.measurements(card),
        many=many,
        text=text,
        order=order if order in cards.ORDERS else cards.ORDERS[0],
        order_texts=_ORDER_TEXTS,
        found_labels=found_labels,
        labels=labels if every else labels[: cards.FIRST],
        labels_left=0 if every else max(0, len(labels) - cards.FIRST),
        measured=bool(measured),
        matrix=cards.matrix(card),
        codes={} if many else cards.codes([(row.name, row.display) for row in card.labels]),
        mix_ups=cards.mix_ups(card),
        name_of=lambda label: display(card, label),
        live_version=get_registry().live_version(name),
        **_reliability_values(card),
        training=training_history(card),
    )


@bp.get("/<name>/<int:version>/confusion.csv")
def confusion(name: str, version: int) -> ResponseReturnValue:
    """What the version takes for what, as a table."""
    table = cards.confusion_csv(_card(name, version))
    response = Response(table, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = attachment(f"{name}-{version}-confusion.csv")
    return response


def _reliability_values(card: ModelCard) -> dict[str, object]:
    bins = cards.reliability(card)
    chart = reliability_svg(
        bins,
        title="Said against right",
        description="Dots near the dashed line mean honest confidence. "
        "The numbers are in the table beside it.",
    )
    return {"bins": bins, "reliability": chart}


def _card(name: str, version: int) -> ModelCard:
    live = get_card(name)
    if live is not None and live.version == version:
        return live
    return get_registry().card(name, version)
