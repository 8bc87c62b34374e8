"""Charts as accessible SVG, for pages as they are and for files of their own (`as_file`).

Their look is `static/charts.css`, their colours are the tokens of `static/marque.css`.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import cycle, groupby
from pathlib import Path

from webapp import domain
from webapp.reports.confusion import ConfusionMatrix, heat

_STATIC = Path(__file__).resolve().parents[1] / "static"
_MARGIN = 16  # pixels of paper round a chart in a file
_LONGEST_LABEL = 40  # characters that a chart shows; its tooltip has them all
_NUMBERED = 40  # labels up to which a matrix writes its counts into the cells
_AXES = ("down: what it is", "across: what was said")
_SMALL_CELL, _SMALL_LETTER = 12.0, 5.2  # pixels, of matrices of many labels
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 384.0, 20.0, 236.0  # pixels, of shares in percent


class Svg(str):
    """A drawing whose texts are escaped: templates take it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@dataclass(frozen=True)
class ReliabilityBin:
    """`n` answers of about the same confidence, which is their mean.

    `right` is the share that was right, `low` to `high` its plausible range; all in [0, 1].
    """

    confidence: float
    right: float
    low: float
    high: float
    n: int


def reliability_svg(
    bins: Sequence[ReliabilityBin],
    *,
    title: str = "Said against right",
    description: str = "Dots near the dashed line mean honest confidence. "
    "The numbers are in the table beside it.",
) -> Svg:
    """Confidence against how often it was right, with plausible ranges, and bars for the counts.

    The reliability diagram of DeGroot and Fienberg (1983), "The Comparison and Evaluation of
    Forecasters".
    """
    floor, width = 280.0, _RIGHT - _LEFT
    parts = _percent_grid()
    for tick in (0, 25, 50, 75, 100):
        parts.append(_text(_LEFT + tick / 100 * width, floor + 18, str(tick), "middle"))
    parts.append(f'<path class="ideal" d="M{_LEFT:g} {_BOTTOM:g}L{_RIGHT:g} {_TOP:g}"/>')
    most = max((row.n for row in bins), default=1)
    for row in bins:
        x, bar = _LEFT + row.confidence * width, max(1.0, 34 * row.n / most)
        amount = (
            f'<rect class="amount" x="{x - 5.5:.1f}" y="{floor - bar:.1f}" '
            f'width="11" height="{bar:.1f}"/>'
        )
        parts.append(_whisker(x, row, f"Said {_percent(row.confidence)} on average,", amount))
    parts += [
        f'<path class="grid" d="M{_LEFT:g} {floor:g}H{_RIGHT:g}"/>',
        _text(_RIGHT, floor + 36, "said, %", "end"),
        _text(_LEFT, floor + 36, "bars: number of answers"),
    ]
    return _svg((400, 322), parts, (title, description, "reliability"))


def matrix_svg(
    counts: Sequence[Sequence[int]],
    labels: Sequence[str],
    *,
    title: str,
    description: str,
    parents: Sequence[str] = (),
) -> Svg:
    """A confusion matrix: rows are truths, columns answers; the redder a cell, the more mistakes.

    Counts stand in the cells of up to 40 labels. In a larger one cells are small, only those with a
    count are drawn, labels stand on all four sides, and a line divides neighbours of different
    `parents`. Tooltips say what each cell counts. It has its natural size in pixels: give it a
    region that scrolls.
    """
    large = len(labels) > _NUMBERED
    cell, letter = (_SMALL_CELL, _SMALL_LETTER) if large else (34.0, 6.6)
    names = [_short(label) for label in labels]
    margin = 16 + letter * max(map(len, names), default=0)
    # names above a large matrix stand upright, else they lean
    head = margin if large else 16 + 0.75 * margin
    side = len(labels) * cell
    parts = _matrix_frame(names, parents, (margin, head, cell), large=large)
    cells = [
        (row, column, count)
        for row, row_counts in enumerate(counts)
        for column, count in enumerate(row_counts)
        if count
    ]
    most = max((count for row, column, count in cells if row != column), default=0)
    for row, column, count in cells:
        hit = row == column
        text = f"{labels[row]}, answered {labels[column]}: {count}"
        look = heat(count, most, hit=hit)
        if large and look == "h1":  # the palest one would be lost in so small a cell
            look = "h2"
        box = (margin + column * cell, head + row * cell, cell)
        text = f"{labels[row]}: {count} right" if hit else text
        parts.append(_cell(box, count, look, text))
    if large:
        parts += [_text(6, 12, _AXES[0]), _text(6, 26, _AXES[1])]
        size = (margin + side + margin, head + side + margin)
    else:
        parts.append(_text(6, head + side + 18, ", ".join(_AXES)))
        size = (margin + side + max(8.0, 0.7 * margin), head + side + 24.0)
    classes = "chart natural dense" if large else "chart natural"
    return _svg((max(260, size[0]), size[1]), parts, (title, description, "matrix"), classes)


def links_svg(
    matrix: ConfusionMatrix,
    name: Callable[[str], str],
    address: Callable[[str, str], str],
    *,
    title: str,
) -> Svg:
    """A matrix of many labels with a small square for each count, which opens its photos.

    Links are no part of a picture, so this is a group of them and not an image.

    Args:
        name: The display name of a label.
        address: What the cell of a truth and an answer opens, "" for nothing.
    """
    cell = _SMALL_CELL
    names = {label: _short(name(label)) for label in (*matrix.rows, *matrix.columns)}
    room = 16 + _SMALL_LETTER * max(map(len, names.values()), default=0)
    across = {label: room + cell * place for place, label in enumerate(matrix.columns)}
    down = {label: room + cell * place for place, label in enumerate(matrix.rows)}
    width, height = cell * len(across), cell * len(down)
    parts = [
        f'<rect class="field" x="{room:g}" y="{room:g}" width="{width:g}" height="{height:g}"/>'
    ]
    parts += [_text(room - 6, y + cell / 2 + 3, names[row], "end") for row, y in down.items()]
    parts += [
        _text(x + cell / 2 + 3, room - 6, names[column], "start", -90)
        for column, x in across.items()
    ]
    for (truth, answer), n in matrix.counts.items():
        if truth in down and answer in across:
            text = f"{name(truth)}, answered {name(answer)}: {n:,}"
            look = matrix.look(truth, answer, n)
            drawn = _cell((across[answer], down[truth], cell), n, look, text)
            url = address(truth, answer)
            parts.append(f'<a href="{escape(url)}">{drawn}</a>' if url else drawn)
    box = _view_box(room + width, room + height)
    return Svg(
        f'<svg class="chart natural dense" {box} role="group" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def shares_svg(
    shares: Sequence[tuple[str, ReliabilityBin]], *, title: str, description: str
) -> Svg:
    """Shares in a row, each over its name with its plausible range, joined by a line."""
    step = (_RIGHT - _LEFT) / max(1, len(shares))
    points = [
        (_LEFT + step * (place + 0.5), _BOTTOM - share.right * (_BOTTOM - _TOP))
        for place, (_name, share) in enumerate(shares)
    ]
    parts = _percent_grid()
    every = max(1, math.ceil(len(shares) / 6))
    for place in range(0, len(shares), every):
        parts.append(_text(points[place][0], _BOTTOM + 20, shares[place][0], "middle"))
    if points:
        parts.append(f'<path class="line ink" d="{_path(points)}"/>')
    for (x, _y), (name, share) in zip(points, shares, strict=True):
        parts.append(_whisker(x, share, f"{name}:"))
    return _svg((400, 268), parts, (title, description, "shares"))


def lines_svg(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str,
    description: str,
    x_label: str,
    y_label: str = "",
    shares: bool = False,
    marks: Mapping[float, str] | None = None,
    ident: str = "lines",
) -> Svg:
    """A line for each series of (x, y), named at its end, told apart by colour: at most two.

    `shares`: y is in [0, 1], shown in percent; `marks` are upright lines with a word, such as where
    a stage begins. Points that are not numbers leave a gap.
    """
    points = [point for values in series.values() for point in values if _is_drawn(point)]
    first, last = min((x for x, _ in points), default=0.0), max((x for x, _ in points), default=1.0)
    x_ticks = [tick for tick in _ticks([first, last], whole=True) if first <= tick <= last]
    y_ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if shares else _ticks([0.0, *(y for _, y in points)])
    left, top, bottom = 44.0, 24.0, 236.0
    right = 392.0 - 6.6 * max((len(_short(name)) for name in series), default=0)

    def x_of(value: float) -> float:
        return left + (value - first) / ((last - first) or 1.0) * (right - left)

    def y_of(value: float) -> float:
        return bottom - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - top)

    parts: list[str] = []
    for tick in y_ticks:
        text = f"{tick * 100:g}" if shares else f"{tick:g}"
        parts.append(f'<path class="grid" d="M{left:g} {y_of(tick):.1f}H{right:.1f}"/>')
        parts.append(_text(left - 8, y_of(tick) + 4, text, "end"))
    parts += [_text(x_of(tick), bottom + 18, f"{tick:g}", "middle") for tick in x_ticks]
    for place, word in (marks or {}).items():
        x = x_of(place)
        parts.append(f'<path class="ideal" d="M{x:.1f} {top:g}V{bottom:g}"/>')
        parts.append(_text(x + 4, top + 10, word))
    ends: list[tuple[float, str]] = []
    for color, (name, values) in zip(cycle(("ink", "red")), series.items()):
        stretches = (run for drawn, run in groupby(values, _is_drawn) if drawn)
        runs = [[(x_of(x), y_of(y)) for x, y in run] for run in stretches]
        drawn = " ".join(map(_path, runs))
        title_of_line = f"<title>{escape(name)}</title>"
        parts.append(f'<path class="line {color}" d="{drawn}">{title_of_line}</path>')
        ends += [(run[-1][1], name) for run in runs[-1:]]
    lowest = -math.inf
    for y, name in sorted(ends):  # moved down where two would cover each other
        lowest = max(y, lowest + 14)
        parts.append(_text(right + 6, lowest + 4, _short(name)))
    parts.append(_text(left, 12, (y_label + (", %" if shares else "")).lstrip(", ")))
    parts.append(_text(right, bottom + 36, x_label, "end"))
    return _svg((400, 280), parts, (title, description, ident))


def as_file(drawing: Svg) -> str:
    """The same chart as a file with its look inside: light, or dark where the reader's machine
    is."""

    def with_margin(match: re.Match[str]) -> str:
        width, height = int(match[1]) + 2 * _MARGIN, int(match[2]) + 2 * _MARGIN
        return f'viewBox="-{_MARGIN} -{_MARGIN} {width} {height}" width="{width}" height="{height}"'

    size = r'viewBox="0 0 (\d+) (\d+)" width="\d+" height="\d+"'
    opening, _, rest = re.sub(size, with_margin, drawing, count=1).partition(">")
    titles, _, content = rest.partition("</desc>")
    paper = f'<rect class="paper" x="-{_MARGIN}" y="-{_MARGIN}" width="100%" height="100%"/>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}>{titles}</desc>'
        f"<style>{_file_style()}</style>{paper}{content}\n"
    )


@cache
def _file_style() -> str:
    """The stylesheet with its colours in place: not every viewer of SVG knows custom properties."""
    tokens = (_STATIC / "marque.css").read_text(encoding="utf-8")
    rules = (_STATIC / "charts.css").read_text(encoding="utf-8")
    pairs = dict(re.findall(r"(--[\w-]+): light-dark\(([^,]+, [^)]+)\);", tokens))
    plain = dict(re.findall(r"(--[\w-]+): ([^;]+);", tokens))

    def themed(place: int) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            return pairs[name].split(", ")[place] if name in pairs else plain[name]

        return re.sub(r"var\((--[\w-]+)\)", value, rules)

    return f"{themed(0)}@media (prefers-color-scheme: dark) {{{themed(1)}}}"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", "\u202f%")


def _percent_grid() -> list[str]:
    parts = [_text(_LEFT, 10, "right, %")]
    for tick in (0, 25, 50, 75, 100):
        y = _BOTTOM - tick / 100 * (_BOTTOM - _TOP)
        parts.append(f'<path class="grid" d="M{_LEFT:g} {y:g}H{_RIGHT:g}"/>')
        parts.append(_text(_LEFT - 8, y + 4, str(tick), "end"))
    return parts


def _whisker(x: float, row: ReliabilityBin, about: str, more: str = "") -> str:
    shares = (row.right, row.low, row.high)
    right, low, high = (_BOTTOM - share * (_BOTTOM - _TOP) for share in shares)
    texts = [_percent(share) for share in shares]
    answers = domain.count(row.n, "answer")
    text = f"{about} right {texts[0]} ({texts[1]} to {texts[2]}), {answers}"
    return (
        f'<g><title>{escape(text)}</title><path class="whisker" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
        f'<circle class="point" cx="{x:.1f}" cy="{right:.1f}" r="5"/>{more}</g>'
    )


def _svg(
    size: tuple[float, float],
    parts: Sequence[str],
    caption: tuple[str, str, str],
    classes: str = "chart",
) -> Svg:
    """`caption` is title, description, and what the ids begin with: no two alike on a page."""
    title, description, ident = map(escape, caption)
    return Svg(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" {_view_box(*size)} role="img" '
        f'aria-labelledby="{ident}-t {ident}-d"><title id="{ident}-t">{title}</title>'
        f'<desc id="{ident}-d">{description}</desc>{"".join(parts)}</svg>'
    )


def _view_box(width: float, height: float) -> str:
    return f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'


def _text(x: float, y: float, text: str, anchor: str = "start", turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}>{escape(text)}</text>'


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1].rstrip() + "…"


def _matrix_frame(
    names: Sequence[str],
    parents: Sequence[str],
    geometry: tuple[float, float, float],
    *,
    large: bool,
) -> list[str]:
    """Names on two sides or four, and lines: between parents, or every five labels when large."""
    margin, head, cell = geometry
    side = len(names) * cell
    parts: list[str] = []
    borders = [
        place
        for place in range(1, len(names))
        if (parents[place] != parents[place - 1] if parents else large and place % 5 == 0)
    ]
    for place in (0, *borders, len(names)):
        x, y = margin + place * cell, head + place * cell
        parts.append(
            f'<path class="grid" d="M{margin:.1f} {y:.1f}h{side:.1f}'
            f'M{x:.1f} {head:.1f}v{side:.1f}"/>'
        )
    for place, name in enumerate(names):
        x, y = margin + (place + 0.5) * cell, head + (place + 0.5) * cell
        parts.append(_text(margin - 6, y + (3 if large else 4), name, "end"))
        turn = -90 if large else -45
        parts.append(_text(x + (3 if large else 0), head - 6, name, "start", turn))
        if large:
            parts.append(_text(margin + side + 6, y + 3, name, "start"))
            parts.append(_text(x + 3, head + side + 6, name, "end", -90))
    return parts


def _cell(box: tuple[float, float, float], count: int, look: str, text: str) -> str:
    x, y, size = box
    small = size <= _SMALL_CELL
    gap = 0.5 if small else 1.0
    side = size - 2 * gap
    number = f'<text x="{x + size / 2:.1f}" y="{y + size / 2 + 4:.1f}">{count}</text>'
    return (
        f'<g class="cell {look}"><title>{escape(text)}</title>'
        f'<rect x="{x + gap:.1f}" y="{y + gap:.1f}" width="{side:.1f}" height="{side:.1f}" '
        f'rx="{1 if small else 3}"/>{"" if small else number}</g>'
    )


def _ticks(values: Sequence[float], *, whole: bool = False) -> list[float]:
    """About five round numbers that hold all values between them; at least two."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    rough = (high - low) / 4 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough * 0.999)
    step = max(1.0, math.ceil(step)) if whole else step
    first = math.floor(low / step)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [round(place * step, 10) for place in range(first, last + 1)]


def _is_drawn(point: tuple[float, float]) -> bool:
    return all(map(math.isfinite, point))


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A line through the points; a single one is a dash that can be seen."""
    if len(points) == 1:
        return f"M{points[0][0] - 2:.1f} {points[0][1]:.1f}h4"
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
