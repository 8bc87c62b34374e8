"""Ranked labels as bars of text: as wide as the terminal, in blocks and colour where it has them."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import click

EIGHTHS = " ▏▎▍▌▋▊▉"
WIDEST = 100
"""Columns at the most: longer bars are harder to compare, not easier."""


@dataclass(frozen=True)
class Terminal:
    """What can be shown: so many `columns`, `blocks` and other letters than ASCII, `color` and all its shades (`exact`)."""

    columns: int
    blocks: bool
    color: bool
    exact: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """What this stream can show. Colour only on a terminal, and not when `NO_COLOR` is set (no-color.org)."""
        color = (
            stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
        exact = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        return cls(
            min(shutil.get_terminal_size((80, 24)).columns, WIDEST),
            _can_write(stream, "█▏ж"),
            color,
            color and exact,
        )

    def plain(self, text: str) -> str:
        """The text in what the terminal can write."""
        text = text.replace("\u202f", " ")
        return text if self.blocks else text.encode("ascii", "replace").decode("ascii")


@dataclass(frozen=True)
class Bar:
    """One line: how people read the label, its probability (0 to 1) with its words, and a colour ("#RRGGBB", or "" for none)."""

    name: str
    probability: float
    words: str
    color: str = ""


def draw_bars(bars: Sequence[Bar], terminal: Terminal) -> list[str]:
    """The lines, names and percentages in columns of their own, no wider than the terminal."""
    names = [terminal.plain(bar.name) for bar in bars]
    words = [terminal.plain(bar.words) for bar in bars]
    right = max(map(_width, words))
    left = min(max(map(_width, names)), max(8, terminal.columns - right - 16))
    room = max(4, terminal.columns - left - right - 6)
    lines = []
    for bar, name, word in zip(bars, names, words, strict=True):
        drawn = _bar(bar.probability, room, terminal)
        painted = _paint(drawn, bar.color, terminal) + " " * (room - len(drawn))
        lines.append(f"  {_fit(name, left, terminal)}  {painted}  {word:>{right}}")
    return lines


def _bar(probability: float, room: int, terminal: Terminal) -> str:
    """At least a trace for what is not nothing."""
    if not terminal.blocks:
        return "#" * max(round(probability * room), int(probability > 0))
    eighths = max(round(probability * room * 8), int(probability > 0))
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def _paint(text: str, color: str, terminal: Terminal) -> str:
    if not terminal.color or not text:
        return text
    if not color:
        return click.style(text, dim=True)
    if terminal.exact:
        return click.style(text, fg=(int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)))
    return click.style(text, fg="red")


def _fit(text: str, width: int, terminal: Terminal) -> str:
    """The text in exactly so many columns."""
    if _width(text) > width:
        while text and _width(text) > width - (1 if terminal.blocks else 3):
            text = text[:-1]
        text += "…" if terminal.blocks else "..."
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns of a text: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def here() -> Terminal:
    """The terminal that this process writes its results to."""
    return Terminal.of(sys.stdout)
