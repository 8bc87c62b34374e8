"""Charts as SVG, made on the server. Each stands beside a table with the same numbers; colours come from the stylesheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

from webapp.inference.intervals import Share

LEFT, RIGHT, TOP, BOTTOM = 44.0, 384.0, 20.0, 236.0
"""The frame of a chart that is 400 wide, in its own units."""
TICKS = (0, 25, 50, 75, 100)
CELL = 11
"""Side of a cell of a large matrix, in its own units."""
ROOM = 132
"""Room for the names beside a large matrix."""


def reliability(bins: Sequence[tuple[float, Share]], most: int) -> Markup:
    """Said against right: a dot with its range for each group of answers, and bars that count them. `most` is the largest count."""
    parts = [_open("Said against right", "Dots near the dashed line mean honest confidence. The numbers are in the table beside it.", 330)]
    parts += [_level(tick) for tick in TICKS]
    parts += [_text(_x(tick / 100), BOTTOM + 62, str(tick)) for tick in TICKS]
    parts.append(f'<text x="{LEFT:g}" y="10">right, %</text><text x="{RIGHT:g}" y="{BOTTOM + 82:g}" text-anchor="end">said, %</text>')
    parts.append(f'<path class="ideal" d="M{LEFT:g} {BOTTOM:g}L{RIGHT:g} {TOP:g}"/>')
    for said, right in bins:
        parts.append(_dot(_x(said), right))
        height = max(1.5, 34 * right.n / max(1, most))
        parts.append(f'<rect class="amount" x="{_x(said) - 9:.1f}" y="{BOTTOM + 44 - height:.1f}" width="18" height="{height:.1f}"/>')
    parts.append(f'<path class="grid" d="M{LEFT:g} {BOTTOM + 44:g}H{RIGHT:g}"/>')
    return _close(parts)


def over_time(points: Sequence[tuple[str, Share]]) -> Markup:
    """How often it was right, one dot with its range for each month, joined by a line. `points` are (name of the month, share)."""
    step = (RIGHT - LEFT) / max(1, len(points))
    places = [LEFT + step * (at + 0.5) for at in range(len(points))]
    each = max(1, -(-len(points) // 6))
    parts = [_open("Right, month by month", "A dot with its plausible range for each month. The numbers are in the table beside it.", 268)]
    parts += [_level(tick) for tick in TICKS]
    parts.append(f'<text x="{LEFT:g}" y="10">right, %</text>')
    parts += [_text(x, BOTTOM + 20, name) for at, (x, (name, _share)) in enumerate(zip(places, points, strict=True)) if at % each == 0]
    line = "L".join(f"{x:.1f} {_y(share.share):.1f}" for x, (_name, share) in zip(places, points, strict=True))
    parts.append(f'<path class="line" d="M{line}"/>')
    parts += [_dot(x, share) for x, (_name, share) in zip(places, points, strict=True)]
    return _close(parts)


def thresholds(steps: Sequence[tuple[int, float, float]], chosen: int) -> Markup:
    """What every threshold would do. `steps` are (percent, share of names that are right, share of photos without a name)."""
    parts = [
        _open("Right names and photos without one, by threshold", "The higher the threshold, the more names are right, and the fewer.", 290)
    ]
    parts += [_level(tick) for tick in TICKS]
    parts += [_text(_x(tick / 100), BOTTOM + 20, str(tick)) for tick in TICKS]
    parts.append(f'<text x="{RIGHT:g}" y="{BOTTOM + 40:g}" text-anchor="end">threshold, %</text>')
    parts.append(f'<path class="ideal mark-at" d="M{_x(chosen / 100):.1f} {TOP:g}V{BOTTOM:g}"/>')
    for at, style, words in ((1, "line", "names that are right"), (2, "line thin", "photos without a name")):
        line = "L".join(f"{_x(step[0] / 100):.1f} {_y(float(step[at])):.1f}" for step in steps)
        parts.append(f'<path class="{style}" d="M{line}"/>')
        y = _y(max((float(step[at]) for step in steps[: len(steps) // 2 + 1]), default=0.0))
        parts.append(f'<text x="{_x(0.02):.1f}" y="{y + 40 if y < TOP + 24 else y - 10:.1f}">{words}</text>')
    return _close(parts)


def large_matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Mapping[tuple[str, str], int],
    *,
    heat: Callable[[str, str, int], str],
    name: Callable[[str], str],
    address: Callable[[str, str], str],
) -> Markup:
    """A matrix of many labels: one small square for each count, which says its numbers and opens what `address` gives ("" for nothing)."""
    across, down = {one: at for at, one in enumerate(columns)}, {one: at for at, one in enumerate(rows)}
    width, height = ROOM + CELL * len(columns), ROOM + CELL * len(rows)
    parts = [f'<svg class="plane" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" aria-label="Matrix">']
    parts.append(f'<rect class="field" x="{ROOM}" y="{ROOM}" width="{CELL * len(columns)}" height="{CELL * len(rows)}"/>')
    for one, at in down.items():
        parts.append(f'<text x="{ROOM - 4}" y="{ROOM + CELL * at + 8.5:g}" text-anchor="end">{escape(_short(name(one)))}</text>')
    for one, at in across.items():
        x = ROOM + CELL * at + 8.5
        parts.append(f'<text transform="translate({x:g} {ROOM - 4}) rotate(-90)">{escape(_short(name(one)))}</text>')
    for (truth, said), n in counts.items():
        if truth not in down or said not in across:
            continue
        x, y = ROOM + CELL * across[said], ROOM + CELL * down[truth]
        words = escape(f"{name(truth)}, answered {name(said)}: {n:,}")
        square = f'<rect class="{heat(truth, said, n)}" x="{x + 0.5:g}" y="{y + 0.5:g}" width="{CELL - 1}" height="{CELL - 1}"/>'
        place = address(truth, said)
        parts.append(f'<a href="{escape(place)}"><title>{words}</title>{square}</a>' if place else f"<g><title>{words}</title>{square}</g>")
    return _close(parts)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _open(title: str, description: str, height: int) -> str:
    mark = "".join(one for one in title.lower() if one.isalpha())[:12]
    return (
        f'<svg class="chart" viewBox="0 0 400 {height}" role="img" aria-labelledby="{mark}-t {mark}-d">'
        f'<title id="{mark}-t">{escape(title)}</title><desc id="{mark}-d">{escape(description)}</desc>'
    )


def _level(tick: int) -> str:
    y = _y(tick / 100)
    return f'<path class="grid" d="M{LEFT:g} {y:.1f}H{RIGHT:g}"/><text x="{LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:g}" text-anchor="middle">{escape(words)}</text>'


def _dot(x: float, share: Share) -> str:
    return (
        f'<path class="whisker" d="M{x:.1f} {_y(share.low):.1f}V{_y(share.high):.1f}"/>'
        f'<circle class="point" cx="{x:.1f}" cy="{_y(share.share):.1f}" r="5"/>'
    )


def _x(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _close(parts: Sequence[str]) -> Markup:
    """The parts as one picture. Every text in them went through `escape`."""
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704
