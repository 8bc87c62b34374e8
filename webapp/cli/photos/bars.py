"""Ranked labels as bars of text: as wide as the terminal, in blocks and colour where it can."""

import os
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import click

_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDEST = 100  # columns at the most: longer bars are harder to compare, not easier


@dataclass(frozen=True)
class Terminal:
    """What can be shown: `columns`, `blocks` and other letters than ASCII, `color` in all shades
    (`exact`) or few."""

    columns: int
    blocks: bool
    color: bool
    exact: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> "Terminal":
        """What this stream can show; no colour when `NO_COLOR` is set (no-color.org)."""
        color = stream.isatty() and os.environ.get("TERM") != "dumb"
        color = color and not os.environ.get("NO_COLOR")
        exact = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        columns = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
        return cls(columns, _can_write(stream, "█▏ж"), color, color and exact)

    def plain(self, text: str) -> str:
        """The text in what the terminal can write."""
        text = text.replace("\u202f", " ")
        return text if self.blocks else text.encode("ascii", "replace").decode("ascii")


@dataclass(frozen=True)
class Bar:
    """A label as people read it, its probability (0 to 1), that in words, and a colour or ""."""

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
        text = _bar(bar.probability, room, terminal)
        painted = _paint(text, bar.color, terminal) + " " * (room - len(text))
        lines.append(f"  {_fit(name, left, terminal)}  {painted}  {word:>{right}}")
    return lines


def _bar(probability: float, room: int, terminal: Terminal) -> str:
    """At least a trace for what is more than nothing."""
    if not terminal.blocks:
        return "#" * max(round(probability * room), int(probability > 0))
    eighths = max(round(probability * room * 8), int(probability > 0))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _paint(text: str, color: str, terminal: Terminal) -> str:
    if not terminal.color or not text:
        return text
    if not color:
        return click.style(text, dim=True)
    exact = (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))
    return click.style(text, fg=exact if terminal.exact else "red")


def _fit(text: str, width: int, terminal: Terminal) -> str:
    """The text in exactly `width` columns."""
    if _width(text) > width:
        dots = "…" if terminal.blocks else "..."
        while text and _width(text) > width - len(dots):
            text = text[:-1]
        text += dots
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns of a text: wide characters take two, combining ones none."""
    columns = 0
    for char in text:
        if not unicodedata.combining(char):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
