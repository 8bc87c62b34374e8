"""Statistics: how good a version is on checked photos, with every number leading to its photos."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED
from webapp.errors import BadRequestError, TooMuchToCountError
from webapp.extensions import get_registry
from webapp.http.responses import text_file
from webapp.inference.metrics.counts import calibration_error, calibration_error_by_chance
from webapp.inference.metrics.intervals import Share
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label
from webapp.reports import charts
from webapp.reports.confusion import ConfusionMatrix
from webapp.services.models.cards import MATRIX_MOST, codes
from webapp.services.photos.wording import display
from webapp.services.stats import figures, label_figures
from webapp.services.stats.matrix import confusion_matrix
from webapp.storage.stats.stats import Counts
from webapp.views import guards
from webapp.views.layout import render_page
from webapp.views.stats.query import StatsQuery, need_query, read_query

bp = Blueprint("stats", __name__, url_prefix="/stats")
_ALL_SHOWN, _FIRST_SHOWN = 30, 15  # up to 30 labels are all shown, of more the first 15
_BELOW = 1e-9  # what makes a confidence lie below a limit that filters include
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@bp.get("")
@guards.gallery_open
def index() -> ResponseReturnValue:
    """The figures of one version on the checked photos of a filter."""
    try:
        query = read_query()
    except BadRequestError as error:
        return render_page("stats/empty.html", error, card=None)
    if query is None:
        return render_page("stats/empty.html", card=None)
    try:
        query, counts = _count(query)
    except TooMuchToCountError as error:
        return _empty_page(query, error)
    everything = figures.summarize(counts, query.card)
    if not everything.n:
        return _empty_page(query)
    audited = figures.summarize(figures.of_sample(counts, figures.AUDITED), query.card)
    if query.sample == figures.AUDITED and not audited.n:
        own = {name: value for name, value in query.own.items() if name != "sample"}
        query = replace(query, sample=figures.EVERYTHING, own=own)
    values = _page(query, figures.of_sample(counts, query.sample))
    return render_template("stats/index.html", **values, everything=everything, audited=audited)


@bp.get("/labels.csv")
@guards.gallery_open
def labels_csv() -> ResponseReturnValue:
    """The table label by label, exact."""
    query, counts = _count(need_query())
    table = label_figures.labels_csv(figures.of_sample(counts, query.sample), query.card)
    return text_file(table, f"{query.card.name}-{query.card.version}-labels.csv")


@bp.get("/matrix.csv")
@guards.gallery_open
def matrix_csv() -> ResponseReturnValue:
    """The confusion matrix: rows of truths, columns of decisions."""
    query, counts = _count(need_query())
    name = f"{query.card.name}-{query.card.version}-matrix.csv"
    matrix = _matrix(query, figures.of_sample(counts, query.sample))
    return text_file(matrix.to_csv(), name)


def _count(query: StatsQuery) -> tuple[StatsQuery, Counts]:
    """The query with what is known of the training, and the counts.
    Raises `TooMuchToCountError`."""
    counts, trained = figures.count(
        query.photo_filter, query.card, get_registry(), with_trained=query.with_trained
    )
    return replace(query, trained=trained), counts


def _empty_page(query: StatsQuery, error: TooMuchToCountError | None = None) -> ResponseReturnValue:
    versions = _versions(query)
    return render_page("stats/empty.html", error, card=query.card, query=query, versions=versions)


def _page(query: StatsQuery, counts: Counts) -> dict[str, Any]:
    """Everything about the sample that was asked for, whose counts these are."""
    card, matrix = query.card, _matrix(query, counts)
    small = len(matrix.rows) <= MATRIX_MOST
    labels = label_figures.label_accuracies(counts, card)
    mix_ups = label_figures.mix_ups(counts, card)
    bins = figures.reliability(counts)
    thresholds = figures.threshold_figures(counts)
    return {
        "query": query,
        "card": card,
        "sample": query.sample,
        "versions": _versions(query),
        "labels": labels,
        "shown": len(labels) if len(labels) <= _ALL_SHOWN else _FIRST_SHOWN,
        "most": max((label.recall.n for label in labels), default=0),
        "by_need": sorted(labels, key=lambda row: (-row.more, row.recall.n, row.label)),
        "parents": label_figures.parent_accuracies(counts, card),
        "has_parents": any(label.parent for label in card.labels),
        "name": _namer(card),
        "matrix": matrix,
        "codes": _codes(matrix, card) if small else {},
        "matrix_chart": "" if small else _matrix_chart(query, matrix),
        "all_mix_ups": mix_ups[:_ALL_SHOWN],
        "mix_ups": label_figures.with_photos(mix_ups, query.narrowed()),
        "bins": bins,
        "calibration_error": calibration_error(
            (row.right.n, row.confidence, row.right.share) for row in bins
        ),
        "by_chance": calibration_error_by_chance((row.right.n, row.confidence) for row in bins),
        "reliability": charts.reliability_svg([_bin(row.right, row.confidence) for row in bins]),
        "threshold": thresholds[query.percent],
        "thresholds": [thresholds[percent] for percent in figures.THRESHOLDS],
        "curve": _curve(thresholds, query.percent),
        "bands": [[row.right.hits, row.right.n] for row in thresholds],
        "below": lambda percent: 1.0 if percent >= 100 else percent / 100 - _BELOW,
        **_month_values(counts),
        "version_rows": figures.versions(
            query.photo_filter, card.name, get_registry(), with_trained=query.with_trained
        ),
        "held_out": figures.held_out(card),
        "split_labels": label_figures.split_labels(card),
    }


def _versions(query: StatsQuery) -> list[tuple[str, str]]:
    """Every version as (value in the URL, text), the newest of each model first."""
    registry = get_registry()
    choices = []
    for name in dict.fromkeys([query.card.name, *registry.names()]):
        live = registry.live_version(name)
        for number in reversed(registry.versions(name)):
            text = f"{name} {number}{' (live)' if number == live else ''}"
            choices.append((f"{name}@{number}", text))
    if query.version not in dict(choices):
        choices.insert(0, (query.version, f"{query.card.name} {query.card.version}"))
    return choices


def _bin(right: Share, confidence: float = 0.0) -> charts.ReliabilityBin:
    return charts.ReliabilityBin(confidence, right.share, right.low, right.high, right.n)


def _curve(thresholds: list[figures.ThresholdFigures], chosen: int) -> charts.Svg:
    return charts.lines_svg(
        {
            "right names": [(row.percent, row.right.share) for row in thresholds if row.right.n],
            "no name": [(row.percent, row.unsure.share) for row in thresholds],
        },
        title="Right names and photos without one, by threshold",
        description="The higher the threshold, the more of the names are right, "
        "and the fewer there are. The numbers are beside it.",
        x_label="threshold, %",
        shares=True,
        marks={float(chosen): ""},
        ident="curve",
    )


def _month_values(counts: Counts) -> dict[str, Any]:
    months = figures.by_month(counts)
    timeline = charts.shares_svg(
        [(f"{_MONTHS[row.month - 1]} {row.year % 100:02d}", _bin(row.right)) for row in months],
        title="Right, month by month",
        description="A dot with its plausible range for each month. "
        "The numbers are in the table beside it.",
    )
    return {"months": months, "month_names": _MONTHS, "timeline": timeline}


# ---- the confusion matrix ----


def _matrix(query: StatsQuery, counts: Counts) -> ConfusionMatrix:
    """The matrix that was asked for; of many labels those without a count are left out."""
    matrix = confusion_matrix(counts, query.card, order=query.order, grouped=query.grouped)
    if not query.diagonal:
        mistakes = {key: n for key, n in matrix.counts.items() if not matrix.is_hit(*key)}
        matrix = replace(matrix, counts=mistakes)
    if len(matrix.rows) <= MATRIX_MOST:
        return matrix
    used = {name for pair in matrix.counts for name in pair}
    rows = tuple(name for name in matrix.rows if name in used)
    return replace(
        matrix, rows=rows, columns=tuple(name for name in matrix.columns if name in used)
    )


def _matrix_chart(query: StatsQuery, matrix: ConfusionMatrix) -> charts.Svg:
    gallery = query.gallery()

    def address(truth: str, decision: str) -> str:
        if query.grouped:
            return ""
        return f"{gallery}&{urlencode({'ground_truth': truth, 'decision': decision})}"

    return charts.links_svg(matrix, _namer(query.card), address, title="What it takes for what")


def _namer(card: ModelCard) -> Callable[[str], str]:
    names = {label.name: label.display for label in (*card.labels, *every_label(card))}
    return lambda label: names.get(label) or display(None, label)


def _codes(matrix: ConfusionMatrix, card: ModelCard) -> dict[str, str]:
    name = _namer(card)
    marked = (NONE_OF_THESE, UNCLASSIFIED)
    labels = dict.fromkeys((*matrix.rows, *matrix.columns))
    named = [(label, name(label)) for label in labels if label not in marked]
    return {**codes(named), NONE_OF_THESE: "–", UNCLASSIFIED: "?"}
