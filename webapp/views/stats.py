"""Stats: how good a version is on checked photos, with every number leading to its photos."""

import calendar
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.domain import (
    AMONG_FIVE,
    FIRST_GUESS,
    KNOWN,
    NO,
    NONE_OF_THESE,
    UNCLASSIFIED,
    YES,
    GalleryFilter,
)
from webapp.errors import BadRequestError, ModelError, ModelUnavailableError, TooMuchToCountError
from webapp.extensions import get_card, get_registry, get_version_card
from webapp.inference.metrics.intervals import Share
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label
from webapp.reports.charts import Bin, Svg, lines_svg, links_svg, reliability_svg, shares_svg
from webapp.services.models.cards import MATRIX_MOST, codes
from webapp.services.photos.query_filters import filter_params, parse_filter
from webapp.services.photos.wording import display
from webapp.services.stats import stats
from webapp.services.stats.stats import Counts, Learnt, Matrix, Point, Step
from webapp.views import guards

bp = Blueprint("stats", __name__, url_prefix="/stats")
OWN = ("sample", "include", "order", "diagonal", "group", "at")
"""Parameters of this page's URL beside the filters of the gallery, which has `model` and `version`."""
FEW = 30
"""Labels of which all are shown; of more only the first `FIRST`, and the rest is folded."""
FIRST = 15
NARROWER = ("", YES, KNOWN, AMONG_FIVE, FIRST_GUESS)
"""Values of the filter `checked`, each of which lets through only what the one before it does."""
BELOW = 1e-9
"""What makes a confidence lie below a limit that filters count in."""
NOT_COUNTED_YET = Learnt(known=False, photos=0, counted=False)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Asked:
    """What the URL asks for. `wanted` are the filters of the gallery without the version, which is `card`; `own` this page's parameters.

    `learnt` is known once it was counted.
    """

    card: ModelCard
    wanted: GalleryFilter
    own: dict[str, str]
    sample: str
    order: str
    grouped: bool
    diagonal: bool
    at: int
    with_learnt: bool
    learnt: Learnt = NOT_COUNTED_YET

    @property
    def version(self) -> str:
        """The version as a URL names it."""
        return f"{self.card.name}@{self.card.version}"

    @property
    def filters(self) -> dict[str, str]:
        """The parameters of the filters that are on."""
        return filter_params(self.wanted)

    @property
    def params(self) -> dict[str, str]:
        """All parameters of this page."""
        return {"model": self.version, **self.own, **self.filters}

    def gallery(self, **more: Any) -> str:
        """The gallery with this version's answers, the filters that are on, the sample, and `more`, which only ever narrows."""
        found: dict[str, Any] = {"model": self.card.name, "version": self.card.version}
        if self.sample == stats.AUDITED:
            found["audited"] = YES
        if self.learnt.photos and not self.learnt.counted:
            found["learnt"] = NO
        both = {
            name: _both(name, getattr(self.wanted, name), value) for name, value in more.items()
        }
        return f"{url_for('gallery.index')}?{urlencode(filter_params(replace(self.wanted, **found | both)))}"

    def month(self, one: Point, **more: Any) -> str:
        """The same for the photos of one month."""
        first = date(one.year, one.month, 1)
        last = date(one.year, one.month, calendar.monthrange(one.year, one.month)[1])
        return self.gallery(since=first, until=last, **more)

    def here(self, **changes: str) -> str:
        """This page with some parameters changed; an empty one is taken out."""
        asked = {key: value for key, value in {**self.params, **changes}.items() if value}
        return f"{url_for('.index')}?{urlencode(asked)}"


def _both(name: str, first: Any, second: Any) -> Any:
    """What two values of the same filter let through together. Of others the second one: a number that is not 0 has passed the first."""
    if name == "checked":
        return max(first, second, key=NARROWER.index)
    if name in ("min_confidence", "max_confidence", "since", "until") and first is not None:
        return (max if name in ("min_confidence", "since") else min)(first, second)
    return second


@bp.get("")
@guards.gallery_open
def index() -> ResponseReturnValue:
    """The figures of one version on the checked photos of a filter."""
    try:
        asked = _read()
    except BadRequestError as trouble:
        return render_template("stats/empty.html", error=trouble, card=None), 400
    if asked is None:
        return render_template("stats/empty.html", error=None, card=None)
    try:
        asked, counts = _count(asked)
    except TooMuchToCountError as trouble:
        return render_template(
            "stats/empty.html",
            error=trouble,
            card=asked.card,
            asked=asked,
            versions=_versions(asked),
        ), 422
    everything = stats.summarize(counts, asked.card, stats.EVERYTHING)
    if not everything.n:
        return render_template(
            "stats/empty.html", error=None, card=asked.card, asked=asked, versions=_versions(asked)
        )
    audited = stats.summarize(counts, asked.card, stats.AUDITED)
    if asked.sample == stats.AUDITED and not audited.n:
        asked = _without_audit(asked)
    return render_template(
        "stats/index.html", **_page(asked, counts), everything=everything, audited=audited
    )


@bp.get("/labels.csv")
@guards.gallery_open
def labels_csv() -> ResponseReturnValue:
    """The table label by label, exact."""
    asked, counts = _count(_need())
    table = stats.labels_csv(counts, asked.card, asked.sample)
    return _csv(table, f"{asked.card.name}-{asked.card.version}-labels.csv")


@bp.get("/matrix.csv")
@guards.gallery_open
def matrix_csv() -> ResponseReturnValue:
    """The matrix: rows of truth, columns of what was said."""
    asked, counts = _count(_need())
    table = stats.matrix_csv(_matrix(asked, counts))
    return _csv(table, f"{asked.card.name}-{asked.card.version}-matrix.csv")


# ---- what the URL asks for ----


def _read() -> Asked | None:
    """None when there is no model at all. Raises `BadRequestError` or `ModelNotFoundError`."""
    args = request.args
    wanted = parse_filter(args)
    card = _card(wanted.model, wanted.version)
    if card is None:
        return None
    return Asked(
        card=card,
        wanted=replace(wanted, model="", version=None, sort="newest"),
        own={name: args[name] for name in OWN if args.get(name)},
        sample=_one_of("sample", stats.SAMPLES),
        order=_one_of("order", stats.ORDERS),
        grouped=_one_of("group", ("", "parent")) == "parent"
        and any(label.parent for label in card.labels),
        diagonal=_one_of("diagonal", ("", "hide")) != "hide",
        at=_percent(args.get("at", ""), round(card.threshold * 100)),
        with_learnt=_one_of("include", ("", "learnt")) == "learnt",
    )


def _count(asked: Asked) -> tuple[Asked, Counts]:
    """The counts, and the question with what is known of photos that the version has learnt from. Raises `TooMuchToCountError`."""
    counts, learnt = stats.count(
        asked.wanted, asked.card, get_registry(), with_learnt=asked.with_learnt
    )
    return replace(asked, learnt=learnt), counts


def _need() -> Asked:
    asked = _read()
    if asked is None:
        raise ModelUnavailableError("No model is installed: there is nothing to measure.")
    return asked


def _card(name: str, version: int | None) -> ModelCard | None:
    """A version's card, a model's live one, or the site's own; None when there is no model. Raises `ModelNotFoundError`."""
    return get_version_card(name, version) if name else get_card() or _any_card()


def _any_card() -> ModelCard | None:
    registry = get_registry()
    for name in registry.names():
        for version in reversed(registry.versions(name)):
            try:
                return registry.card(name, version)
            except ModelError:
                continue
    return None


def _one_of(name: str, allowed: tuple[str, ...]) -> str:
    value = request.args.get(name, "") or allowed[0]
    if value not in allowed:
        raise BadRequestError(f"{name} must be one of {', '.join(one for one in allowed if one)}.")
    return value


def _percent(text: str, default: int) -> int:
    text = text.removesuffix("%").strip()
    if not text:
        return min(99, default)
    if not text.isdecimal() or len(text) > 3 or int(text) > 99:
        raise BadRequestError("The threshold is a whole number from 0 to 99.")
    return int(text)


def _without_audit(asked: Asked) -> Asked:
    """The same page about everything, since no photo of this filter was audited."""
    own = {name: value for name, value in asked.own.items() if name != "sample"}
    return replace(asked, sample=stats.EVERYTHING, own=own)


# ---- what the page draws ----


def _page(asked: Asked, counts: Counts) -> dict[str, Any]:
    card, sample = asked.card, asked.sample
    bins = stats.reliability(counts, sample)
    points = stats.over_time(counts, sample)
    every = [stats.threshold(counts, sample, percent) for percent in range(100)]
    matrix = _matrix(asked, counts)
    lines = stats.lines(counts, card, sample)
    mixed = stats.mix_ups(counts, sample)
    small = len(matrix.rows) <= MATRIX_MOST
    return {
        "asked": asked,
        "card": card,
        "sample": sample,
        "versions": _versions(asked),
        "lines": lines,
        "shown": len(lines) if len(lines) <= FEW else FIRST,
        "most": max((line.found.n for line in lines), default=0),
        "by_need": sorted(lines, key=lambda line: (-line.more, line.found.n, line.label)),
        "matrix": matrix,
        "has_parents": any(label.parent for label in card.labels),
        "codes": _codes(matrix, card) if small else {},
        "name": _namer(card),
        "heat": _heat(matrix),
        "plane": "" if small else _plane(asked, matrix),
        "mixed": mixed[:FEW],
        "mix_ups": stats.with_photos(
            mixed[: stats.MIX_UPS], asked.wanted, card, sample, with_learnt=asked.learnt.counted
        ),
        "bins": bins,
        "error_of_confidence": stats.mean_error(bins),
        "reliability": reliability_svg(
            [_bin(one.right, one.said) for one in bins],
            title="Said against right",
            description="Dots near the dashed line mean honest confidence. The numbers are in the table beside it.",
        ),
        "step": every[asked.at],
        "steps": [every[percent] for percent in stats.STEPS],
        "curve": _curve(every, asked.at),
        "bands": [[one.right.hits, one.right.n] for one in every],
        "points": points,
        "timeline": shares_svg(
            [(f"{MONTHS[one.month - 1]} {one.year % 100:02d}", _bin(one.right)) for one in points],
            title="Right, month by month",
            description="A dot with its plausible range for each month. The numbers are in the table beside it.",
        ),
        "months": MONTHS,
        "below": lambda percent: 1.0 if percent >= 100 else percent / 100 - BELOW,
        "version_lines": stats.version_lines(
            stats.versions(asked.wanted, card.name, get_registry(), with_learnt=asked.with_learnt)
        ),
        "held_out": stats.held_out(card),
        "folded": stats.folded(card),
    }


def _versions(asked: Asked) -> list[tuple[str, str]]:
    """Every version of every model, as (what the URL says, what people read); the newest of each first."""
    registry = get_registry()
    found = []
    for name in dict.fromkeys([asked.card.name, *registry.names()]):
        live = registry.live_version(name)
        for number in reversed(registry.versions(name)):
            found.append(
                (f"{name}@{number}", f"{name} {number}{' (live)' if number == live else ''}")
            )
    mine = asked.version
    return (
        found
        if mine in dict(found)
        else [(mine, f"{asked.card.name} {asked.card.version}"), *found]
    )


def _matrix(asked: Asked, counts: Counts) -> Matrix:
    """The matrix that was asked for. Of many labels those without a photo and without an answer are left out."""
    found = stats.matrix(counts, asked.card, asked.sample, order=asked.order, grouped=asked.grouped)
    if not asked.diagonal:
        found = Matrix(
            found.rows,
            found.columns,
            {key: n for key, n in found.counts.items() if not found.is_hit(*key)},
        )
    if len(found.rows) <= MATRIX_MOST:
        return found
    seen = {truth for truth, _said in found.counts} | {said for _truth, said in found.counts}
    return Matrix(
        tuple(one for one in found.rows if one in seen),
        tuple(one for one in found.columns if one in seen),
        found.counts,
    )


def _bin(right: Share, said: float = 0.0) -> Bin:
    return Bin(said, right.share, right.low, right.high, right.n)


def _curve(steps: list[Step], chosen: int) -> Svg:
    return lines_svg(
        {
            "right names": [(one.percent, one.right.share) for one in steps if one.right.n],
            "no name": [(one.percent, one.unsure.share) for one in steps],
        },
        title="Right names and photos without one, by threshold",
        description="The higher the threshold, the more of the names are right, and the fewer there are. The numbers are beside it.",
        x_label="threshold, %",
        shares=True,
        marks={float(chosen): ""},
        ident="curve",
    )


def _plane(asked: Asked, matrix: Matrix) -> Svg:
    link = asked.gallery()

    def address(truth: str, said: str) -> str:
        return (
            ""
            if asked.grouped
            else f"{link}&{urlencode({'ground_truth': truth, 'decision': said})}"
        )

    return links_svg(
        matrix.rows,
        matrix.columns,
        matrix.counts,
        look=_heat(matrix),
        name=_namer(asked.card),
        address=address,
        title="What it takes for what",
    )


def _namer(card: ModelCard) -> Callable[[str], str]:
    names = {label.name: label.display for label in (*card.labels, *every_label(card))}
    return lambda label: names.get(label) or display(None, label)


def _codes(matrix: Matrix, card: ModelCard) -> dict[str, str]:
    name = _namer(card)
    labels = [one for one in matrix.rows if one != NONE_OF_THESE]
    return {**codes([(one, name(one)) for one in labels]), NONE_OF_THESE: "–", UNCLASSIFIED: "?"}


def _heat(matrix: Matrix) -> Callable[[str, str, int], str]:
    """How a cell is coloured: "hit" on the diagonal, "unsure" in the last column, "h1" to "h4" by how often it went wrong."""
    most = max(matrix.most_wrong, 4)

    def heat(truth: str, said: str, n: int) -> str:
        if not n:
            return ""
        if matrix.is_hit(truth, said):
            return "hit"
        return "unsure" if said == UNCLASSIFIED else f"h{max(1, math.ceil(4 * n / most))}"

    return heat


def _csv(table: str, name: str) -> Response:
    """A table to keep."""
    response = Response(table, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
