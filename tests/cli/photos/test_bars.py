"""Bars of text: no wider than the terminal, in what it can show."""

from __future__ import annotations

import io

import click
import pytest

from webapp.cli.photos.bars import Bar, Terminal, draw_bars

BARS = [
    Bar("McLaren", 0.9, "90\u202f%", "#FF8700"),
    Bar("Лада 2105", 0.08, "8\u202f%"),
    Bar("漢字" * 30, 0.0, "<\u202f1\u202f%"),
]


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_bar_is_as_long_as_its_share() -> None:
    full, half, none = draw_bars(
        [Bar("a", 1, "100"), Bar("b", 0.5, "50"), Bar("c", 0, "0")], Terminal(60, True, False)
    )
    assert (full.count("█"), half.count("█"), none.count("█")) == (50, 25, 0)


def test_what_is_not_nothing_leaves_a_trace() -> None:
    blocks, signs = (
        draw_bars([Bar("a", 1e-6, "0")], Terminal(60, kind, False))[0] for kind in (True, False)
    )
    assert ("▏" in blocks, "#" in signs) == (True, True)


@pytest.mark.parametrize("columns", [20, 40, 80, 100])
@pytest.mark.parametrize("blocks", [True, False])
def test_lines_fit_the_terminal_and_each_other(columns: int, blocks: bool) -> None:
    lines = draw_bars(BARS[:2], Terminal(columns, blocks, False))
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= max(columns, 30)


def test_a_plain_terminal_gets_plain_letters() -> None:
    assert all(line.isascii() for line in draw_bars(BARS, Terminal(60, False, False)))


def test_only_a_named_label_has_its_colour() -> None:
    first, second, _third = draw_bars(BARS, Terminal(60, True, True, exact=True))
    assert "\x1b[38;2;255;135;0m" in first and "\x1b[2m" in second
    assert click.unstyle(first) == draw_bars(BARS, Terminal(60, True, False))[0]


@pytest.mark.parametrize(
    ("name", "value", "color"),
    [("NO_COLOR", "1", False), ("TERM", "dumb", False), ("NO_COLOR", "", True)],
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, color: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert Terminal.of(Tty()).color is color
    assert not Terminal.of(io.StringIO()).color


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "66")
    assert Terminal.of(Tty()).columns == 66


def test_an_ascii_stream_gets_no_blocks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert not Terminal.of(stream).blocks
