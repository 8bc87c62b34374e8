"""Models: which there are, and each version's card in plain words."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from webapp.errors import ModelNotFoundError
from webapp.extensions import get_card, get_config, get_registry, get_version_card
from webapp.http.responses import text_file
from webapp.reports.charts import reliability_svg
from webapp.services.models import cards, detector_cards
from webapp.services.photos.wording import display

bp = Blueprint("models", __name__, url_prefix="/models")


@bp.get("")
def index() -> ResponseReturnValue:
    """Every version with how well it was measured."""
    registry = get_registry()
    models, detectors = (
        [(name, cards.catalogue(registry, name)) for name in names]
        for names in (registry.names(), registry.detectors())
    )
    return render_template("models/index.html", models=models, detectors=detectors)


@bp.get("/<name>/<int:version>")
def version(name: str, version: int) -> ResponseReturnValue:
    """The card of a version.

    With many labels `?q=` searches among them, `?sort=` orders them, `?labels=all` shows all.
    """
    if get_registry().is_detector(name):
        return _detector_version(name, version)
    card = get_version_card(name, version)
    text, order = request.args.get("q", "").strip()[:100], request.args.get("sort", "")
    found_labels = cards.labels_like(card.labels, text)
    names = {label.name for label in found_labels}
    measured, bins = cards.card_labels(card), cards.reliability(card)
    matrix = cards.confusion(card)
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
        measured_on=cards.measured_on(card),
        many=many,
        text=text,
        order=order if order in cards.ORDERS else "worst",
        order_texts=cards.ORDERS,
        found_labels=found_labels,
        labels=labels if every else labels[: cards.FIRST],
        labels_left=0 if every else max(0, len(labels) - cards.FIRST),
        measured=bool(measured),
        matrix=matrix if len(card.labels) <= cards.MATRIX_MOST else None,
        codes={} if many else cards.codes([(row.name, row.display) for row in card.labels]),
        mix_ups=cards.mix_ups(matrix) if matrix else [],
        name_of=lambda label: display(card, label),
        live_version=get_registry().live_version(name),
        bins=bins,
        reliability=reliability_svg(bins),
        training=cards.training_history(card),
    )


def _detector_version(name: str, version: int) -> ResponseReturnValue:
    """The card of a version of a detector."""
    registry = get_registry()
    card = registry.detector_card(name, version)
    return render_template(
        "models/detector.html",
        card=card,
        is_live=registry.live_version(name) == version,
        off=not get_config().detector,
        main=cards.headline(card),
        measurements=detector_cards.detector_measurements(card),
        training=cards.training_history(card),
    )


@bp.get("/<name>/<int:version>/confusion.csv")
def confusion(name: str, version: int) -> ResponseReturnValue:
    """What the version takes for what, as a table."""
    matrix = cards.confusion(get_version_card(name, version))
    if matrix is None:
        raise ModelNotFoundError(f"The card of {name} {version} has no confusion matrix.")
    return text_file(matrix.to_csv(), f"{name}-{version}-confusion.csv")
