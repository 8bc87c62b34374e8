"""Charts as accessible SVG: reliability, a matrix of counts, lines over epochs. For pages as they are, for files through `as_file`."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

FRAME = 16
"""Pixels of paper round a chart in a file."""
NARROW = "\u202f"
LONGEST_LABEL = 40
"""Characters of a label that a chart shows; its tooltip has them all."""
NUMBERED = 40
"""Labels up to which a matrix writes its counts into the cells; above it they are small and their tooltips say it."""
AXES = ("down: what it is", "across: what was said")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
STYLE = """
text { fill: %(ink_2)s; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.paper { fill: %(paper)s; } .grid { stroke: %(line)s; } .ideal { stroke: %(edge)s; stroke-dasharray: 3 4; }
.whisker { stroke: %(ink)s; stroke-width: 1.5; } .point { fill: %(ink)s; stroke: %(paper)s; stroke-width: 1.5; } .amount { fill: %(bar)s; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .ink { stroke: %(ink)s; } .red { stroke: %(red)s; }
.cell text { fill: %(ink)s; text-anchor: middle; } .hit rect { fill: %(sunk)s; } .hit text, .h4 text { font-weight: 600; }
.h1 rect { fill: %(heat_1)s; } .h2 rect { fill: %(heat_2)s; } .h3 rect { fill: %(heat_3)s; } .h4 rect { fill: %(red)s; }
.h4 text { fill: %(on_red)s; } .dense text { font-size: 9px; }
"""
LIGHT = {
    "paper": "#fbfbfa", "sunk": "#e4e4e1", "ink": "#121316", "ink_2": "#575b62", "line": "#e2e2df", "edge": "#85888e", "bar": "#8d9197",
    "red": "#c8102e", "on_red": "#ffffff", "heat_1": "#fbe6e6", "heat_2": "#f6c9cb", "heat_3": "#eda0a6",
}  # fmt: skip
DARK = {
    "paper": "#0e0f11", "sunk": "#2a2d32", "ink": "#f1f1ef", "ink_2": "#a4a9b1", "line": "#2a2d32", "edge": "#7a7f88", "bar": "#70757d",
    "red": "#ff5a5f", "on_red": "#16080a", "heat_1": "#33191d", "heat_2": "#57212a", "heat_3": "#8c2936",
}  # fmt: skip


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
    bins: Sequence[ReliabilityBin], *, title: str, description: str, ident: str = "reliability"
) -> Svg:
    """What was said against how often it was right, with plausible ranges, and bars for the number of answers below.

    The reliability diagram of DeGroot and Fienberg (1983), "The Comparison and Evaluation of Forecasters". `ident` begins the ids, which
    must differ between the charts of one page.
    """
    left, right, top, bottom, floor = 44.0, 384.0, 20.0, 236.0, 280.0
    parts: list[str] = []

    def x(share: float) -> float:
        return left + share * (right - left)

    def y(share: float) -> float:
        return bottom - share * (bottom - top)

    for tick in (0, 25, 50, 75, 100):
        parts += [
            f'<path class="grid" d="M{left:g} {y(tick / 100):g}H{right:g}"/>',
            _text(left - 8, y(tick / 100) + 4, str(tick), "end"),
            _text(x(tick / 100), floor + 18, str(tick), "middle"),
        ]
    parts.append(f'<path class="ideal" d="M{left:g} {bottom:g}L{right:g} {top:g}"/>')
    most = max((one.n for one in bins), default=1)
    for one in bins:
        at, height = x(one.confidence), max(1.0, 34 * one.n / most)
        words = f"Said {percent(one.confidence)} on average, right {percent(one.right)} ({percent(one.low)} to {percent(one.high)}), {one.n} answers"
        parts += [
            f"<g><title>{escape(words)}</title>",
            f'<path class="whisker" d="M{at:.1f} {y(one.low):.1f}V{y(one.high):.1f}"/>',
            f'<circle class="point" cx="{at:.1f}" cy="{y(one.right):.1f}" r="5"/>',
            f'<rect class="amount" x="{at - 5.5:.1f}" y="{floor - height:.1f}" width="11" height="{height:.1f}"/></g>',
        ]
    parts += [
        f'<path class="grid" d="M{left:g} {floor:g}H{right:g}"/>',
        _text(left, 10, "right, %", "start"),
        _text(right, floor + 36, "said, %", "end"),
        _text(left, floor + 36, "bars: number of answers", "start"),
    ]
    return _svg(400, 322, parts, "chart", title, description, ident)


def matrix_svg(
    counts: Sequence[Sequence[int]],
    labels: Sequence[str],
    *,
    title: str,
    description: str,
    parents: Sequence[str] = (),
    ident: str = "matrix",
) -> Svg:
    """A confusion matrix: row = truth, column = answer, both in the order of `labels`. The redder a cell, the more mistakes.

    Counts stand in the cells up to `NUMBERED` labels; in a larger one cells are small, only those with a count are drawn, each says in
    its tooltip what it counts, labels stand on all four sides, and a line parts each two neighbours that have different `parents`. It has
    its natural size in pixels: give it a region that scrolls.
    """
    n = len(labels)
    large = n > NUMBERED
    cell, letter = (12.0, 5.2) if large else (34.0, 6.6)
    shown = [_short(label) for label in labels]
    margin = 16 + letter * max((len(label) for label in shown), default=0)
    after = margin if large else 8.0
    head = (
        margin if large else 16 + 0.75 * margin
    )  # names above a large matrix stand upright, else they lean
    beyond = 0.0 if large else 0.7 * margin  # the last leaning name
    side = n * cell
    parts = _matrix_frame(shown, parents, margin, head, cell, large=large)
    most = max(
        (count for at, row in enumerate(counts) for there, count in enumerate(row) if at != there),
        default=0,
    )
    for at, row in enumerate(counts):
        for there, count in enumerate(row):
            if count:
                words = (
                    f"{labels[at]}, answered {labels[there]}: {count}"
                    if at != there
                    else f"{labels[at]}: {count} right"
                )
                look = heat(count, most, hit=at == there)
                look = (
                    "h2" if large and look == "h1" else look
                )  # the palest one would be lost in so small a cell
                parts.append(
                    _cell(margin + there * cell, head + at * cell, cell, count, look, words, large)
                )
    foot = after if large else 24.0
    parts.append(
        _text(6, 12, AXES[0], "start") + _text(6, 26, AXES[1], "start")
        if large
        else _text(6, head + side + 18, ", ".join(AXES), "start")
    )
    classes = "chart natural dense" if large else "chart natural"
    return _svg(
        max(260, margin + side + max(after, beyond)),
        head + side + foot,
        parts,
        classes,
        title,
        description,
        ident,
    )


def heat(count: int, most: int, *, hit: bool) -> str:
    """The class of a cell: "hit" on the diagonal, else "h1" to "h4" by its share of the commonest mistake; a lone mistake never is h4."""
    return "hit" if hit else f"h{max(1, math.ceil(4 * count / max(most, 4)))}"


def links_svg(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Mapping[tuple[str, str], int],
    *,
    look: Callable[[str, str, int], str],
    name: Callable[[str], str],
    address: Callable[[str, str], str],
    title: str,
) -> Svg:
    """A matrix of many labels whose rows (truths) and columns (answers) may differ: a small square for each count, which says its numbers
    and opens what `address` gives ("" for nothing). `look` is its class, `name` how people read a label. Links are no part of a picture,
    so this is a group of them and not an image."""
    cell, room = (
        12.0,
        16 + 5.2 * max((len(_short(name(one))) for one in (*rows, *columns)), default=0),
    )
    across, down = (
        {one: at for at, one in enumerate(columns)},
        {one: at for at, one in enumerate(rows)},
    )
    width, height = room + cell * len(columns), room + cell * len(rows)
    parts = [
        f'<rect class="field" x="{room:g}" y="{room:g}" width="{cell * len(columns):g}" height="{cell * len(rows):g}"/>'
    ]
    parts += [
        _text(room - 6, room + cell * (at + 0.5) + 3, _short(name(one)), "end")
        for one, at in down.items()
    ]
    parts += [
        _text(room + cell * (at + 0.5) + 3, room - 6, _short(name(one)), "start", -90)
        for one, at in across.items()
    ]
    for (truth, said), n in counts.items():
        if truth in down and said in across:
            words = f"{name(truth)}, answered {name(said)}: {n:,}"
            drawn = _cell(
                room + across[said] * cell,
                room + down[truth] * cell,
                cell,
                n,
                look(truth, said, n),
                words,
                large=True,
            )
            where = address(truth, said)
            parts.append(f'<a href="{escape(where)}">{drawn}</a>' if where else drawn)
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return Svg(
        f'<svg class="chart natural dense" {box} role="group" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def shares_svg(
    shares: Sequence[tuple[str, ReliabilityBin]],
    *,
    title: str,
    description: str,
    ident: str = "shares",
) -> Svg:
    """Shares in a row, each under its name with its plausible range, joined by a line: how often it was right, month by month."""
    left, right, top, bottom = 44.0, 384.0, 20.0, 236.0
    step = (right - left) / max(1, len(shares))
    points = [
        (left + step * (at + 0.5), bottom - one.right * (bottom - top))
        for at, (_name, one) in enumerate(shares)
    ]
    parts: list[str] = []
    for tick in (0, 25, 50, 75, 100):
        y = bottom - tick / 100 * (bottom - top)
        parts += [
            f'<path class="grid" d="M{left:g} {y:g}H{right:g}"/>',
            _text(left - 8, y + 4, str(tick), "end"),
        ]
    every = max(1, math.ceil(len(shares) / 6))
    parts += [
        _text(x, bottom + 20, name, "middle")
        for at, ((x, _y), (name, _)) in enumerate(zip(points, shares, strict=True))
        if at % every == 0
    ]
    parts.append(f'<path class="line ink" d="{_path(points)}"/>' if points else "")
    for (x, y), (name, one) in zip(points, shares, strict=True):
        words = f"{name}: right {percent(one.right)} ({percent(one.low)} to {percent(one.high)}), {one.n} answers"
        low, high = (bottom - bound * (bottom - top) for bound in (one.low, one.high))
        parts.append(f"<g><title>{escape(words)}</title>")
        parts.append(
            f'<path class="whisker" d="M{x:.1f} {low:.1f}V{high:.1f}"/><circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="5"/></g>'
        )
    return _svg(
        400, 268, [*parts, _text(left, 10, "right, %", "start")], "chart", title, description, ident
    )


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
    """A line for each series of (x, y), named at its end; told apart by colour and by dashes. `shares`: y is in [0, 1], shown in percent.

    `marks` are upright lines with a word, such as where a stage begins. Points that are not numbers leave a gap. At most eight series.
    """
    points = [point for one in series.values() for point in one if all(map(math.isfinite, point))]
    first, last = (
        min((at for at, _ in points), default=0.0),
        max((at for at, _ in points), default=1.0),
    )
    x_ticks = [tick for tick in _ticks([first, last], whole=True) if first <= tick <= last]
    y_ticks = (
        [0.0, 0.25, 0.5, 0.75, 1.0] if shares else _ticks([0.0, *(height for _, height in points)])
    )
    left, top, bottom = 44.0, 24.0, 236.0
    right = 392.0 - 6.6 * max((len(_short(name)) for name in series), default=0)

    def x(value: float) -> float:
        return left + (value - first) / ((last - first) or 1.0) * (right - left)

    def y(value: float) -> float:
        return bottom - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - top)

    parts: list[str] = []
    for tick in y_ticks:
        parts.append(f'<path class="grid" d="M{left:g} {y(tick):.1f}H{right:.1f}"/>')
        parts.append(
            _text(left - 8, y(tick) + 4, f"{tick * 100:g}" if shares else f"{tick:g}", "end")
        )
    parts += [_text(x(tick), bottom + 18, f"{tick:g}", "middle") for tick in x_ticks]
    for at, word in (marks or {}).items():
        parts.append(
            f'<path class="ideal" d="M{x(at):.1f} {top:g}V{bottom:g}"/>{_text(x(at) + 4, top + 10, word, "start")}'
        )
    ends: list[tuple[float, str]] = []
    for place, (name, values) in enumerate(series.items()):
        color, dash = ("ink", "red")[place % 2], DASHES[place // 2 % len(DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        drawn = " ".join(_path([(x(a), y(b)) for a, b in run]) for run in _runs(values))
        parts.append(
            f'<path class="line {color}"{dashed} d="{drawn}"><title>{escape(name)}</title></path>'
        )
        ends += [(y(run[-1][1]), name) for run in _runs(values)[-1:]]
    parts += [_text(right + 6, at + 4, _short(name), "start") for at, name in _spread(ends, 14)]
    unit = y_label + (", %" if shares else "")
    parts += [
        _text(left, 12, unit.lstrip(", "), "start"),
        _text(right, bottom + 36, x_label, "end"),
    ]
    return _svg(400, 280, parts, "chart", title, description, ident)


def as_file(drawing: Svg) -> str:
    """The same chart as a file of its own, with its look inside: light, or dark where the reader's machine is."""
    opening, _, rest = re.sub(
        r'viewBox="0 0 (\d+) (\d+)" width="\d+" height="\d+"', _framed, drawing, count=1
    ).partition(">")
    dark = "@media (prefers-color-scheme: dark) {" + STYLE % DARK + "}"
    style = f'<style>{STYLE % LIGHT}{dark}</style><rect class="paper" x="-{FRAME}" y="-{FRAME}" width="100%" height="100%"/>'
    words, _, content = rest.partition("</desc>")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}>{words}</desc>{style}{content}\n'


def percent(share: float) -> str:
    """A share in whole percent, with a narrow space."""
    return f"{share:.0%}".replace("%", f"{NARROW}%")


def _framed(found: re.Match[str]) -> str:
    width, height = int(found[1]) + 2 * FRAME, int(found[2]) + 2 * FRAME
    return f'viewBox="-{FRAME} -{FRAME} {width} {height}" width="{width}" height="{height}"'


def _svg(
    width: float,
    height: float,
    parts: Sequence[str],
    classes: str,
    title: str,
    description: str,
    ident: str,
) -> Svg:
    names = f'aria-labelledby="{escape(ident)}-t {escape(ident)}-d"'
    words = f'<title id="{escape(ident)}-t">{escape(title)}</title><desc id="{escape(ident)}-d">{escape(description)}</desc>'
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return Svg(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" {box} role="img" {names}>{words}{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str, turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}>{escape(words)}</text>'


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1].rstrip() + "…"


def _matrix_frame(
    shown: Sequence[str],
    parents: Sequence[str],
    margin: float,
    head: float,
    cell: float,
    *,
    large: bool,
) -> list[str]:
    """Names on two sides or four, and lines: between parents, or between every five labels of a large matrix without them."""
    side = len(shown) * cell
    parts: list[str] = []
    borders = [
        place
        for place in range(1, len(shown))
        if (parents[place] != parents[place - 1] if parents else large and place % 5 == 0)
    ]
    for place in (0, *borders, len(shown)):
        at = place * cell
        parts.append(
            f'<path class="grid" d="M{margin:.1f} {head + at:.1f}h{side:.1f}M{margin + at:.1f} {head:.1f}v{side:.1f}"/>'
        )
    for place, name in enumerate(shown):
        middle = (place + 0.5) * cell
        parts.append(_text(margin - 6, head + middle + (3 if large else 4), name, "end"))
        parts.append(
            _text(
                margin + middle + (3 if large else 0),
                head - 6,
                name,
                "start",
                -90 if large else -45,
            )
        )
        if large:
            parts.append(_text(margin + side + 6, head + middle + 3, name, "start"))
            parts.append(_text(margin + middle + 3, head + side + 6, name, "end", -90))
    return parts


def _cell(x: float, y: float, size: float, count: int, look: str, words: str, large: bool) -> str:
    gap = 0.5 if large else 1.0
    box = f'x="{x + gap:.1f}" y="{y + gap:.1f}" width="{size - 2 * gap:.1f}" height="{size - 2 * gap:.1f}" rx="{1 if large else 3}"'
    number = (
        "" if large else f'<text x="{x + size / 2:.1f}" y="{y + size / 2 + 4:.1f}">{count}</text>'
    )
    return f'<g class="cell {look}"><title>{escape(words)}</title><rect {box}/>{number}</g>'


def _ticks(values: Sequence[float], *, whole: bool = False) -> list[float]:
    """About five round numbers that hold all values between them; at least two, also without values."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    rough = (high - low) / 4 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in (1, 2, 2.5, 5, 10) if power * one >= rough * 0.999)
    step = max(1.0, math.ceil(step)) if whole else step
    first, last = (
        math.floor(low / step),
        max(math.ceil(high / step - 1e-9), math.floor(low / step) + 1),
    )
    return [round(place * step, 10) for place in range(first, last + 1)]


def _runs(values: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The stretches of a series between points that are not numbers."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in values:
        if all(map(math.isfinite, point)):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A line through the points; a single one is drawn as a dash that can be seen."""
    if len(points) == 1:
        return f"M{points[0][0] - 2:.1f} {points[0][1]:.1f}h4"
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _spread(ends: Sequence[tuple[float, str]], apart: float) -> list[tuple[float, str]]:
    """The names from top to bottom, moved down where two would cover each other."""
    placed = sorted(ends)
    for first, second in pairwise(range(len(placed))):
        placed[second] = (max(placed[second][0], placed[first][0] + apart), placed[second][1])
    return placed
