"""A polar chart of ranked labels, the other view of their bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from webapp.reports.charts import Svg

_CENTER, _RADIUS = (200.0, 132.0), 100.0  # pixels
_SIZE = (400, 264)
_MOST, _LONGEST = 10, 11  # sectors of a chart, letters of a name in it


@dataclass(frozen=True)
class Sector:
    """A label with its probability in [0, 1], the same in words, and its colour, "" for none."""

    name: str
    probability: float
    percent: str
    color: str


def polar_svg(sectors: Sequence[Sector], *, title: str) -> Svg:
    """The first ten labels clockwise from the top, each reaching as far from the centre as it is
    probable; rings stand for a quarter, a half, three quarters and all."""
    shown = sectors[:_MOST]
    rings = [
        f'<circle class="grid" cx="{_CENTER[0]:g}" cy="{_CENTER[1]:g}" r="{_RADIUS * share:g}"/>'
        for share in (0.25, 0.5, 0.75, 1.0)
    ]
    parts = [
        part
        for place, sector in enumerate(shown)
        for part in (_sector(place, len(shown), sector), _name(place, len(shown), sector))
    ]
    width, height = _SIZE
    return Svg(
        f'<svg class="chart polar" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(rings)}{''.join(parts)}</svg>"
    )


def _sector(place: int, number: int, sector: Sector) -> str:
    half, radius = math.pi / number, _RADIUS * sector.probability
    middle = 2 * half * place
    start, end = (_point(middle + turn, radius) for turn in (-half, half))
    color = f'fill="{sector.color}"' if sector.color else 'class="amount"'
    return (
        f'<g class="sector"><title>{escape(sector.name)}: {escape(sector.percent)}</title>'
        f'<path {color} d="M{_CENTER[0]:g} {_CENTER[1]:g}L{start}'
        f'A{radius:.1f} {radius:.1f} 0 0 1 {end}Z"/></g>'
    )


def _name(place: int, number: int, sector: Sector) -> str:
    angle, name = 2 * math.pi * place / number, sector.name
    x, y = _point(angle, _RADIUS + 12).split()
    side = math.sin(angle)
    anchor = "middle" if abs(side) < 0.1 else "start" if side > 0 else "end"
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"
    return (
        f'<text x="{x}" y="{float(y) + 4:.1f}" text-anchor="{anchor}">'
        f"{place + 1} {escape(short)}</text>"
    )


def _point(angle: float, radius: float) -> str:
    """The place at an angle clockwise from the top, in radians."""
    x, y = _CENTER[0] + radius * math.sin(angle), _CENTER[1] - radius * math.cos(angle)
    return f"{x:.1f} {y:.1f}"
