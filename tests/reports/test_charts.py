"""Charts are sound XML with words for a screen reader, and no label becomes markup."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from tests.conftest import ROOT
from webapp.domain import UNCLASSIFIED
from webapp.reports.charts import (
    ReliabilityBin,
    Svg,
    as_file,
    lines_svg,
    links_svg,
    matrix_svg,
    reliability_svg,
    shares_svg,
)
from webapp.reports.confusion import ConfusionMatrix, heat

NASTY = '</text><script>alert("1")</script>'
SVG = "{http://www.w3.org/2000/svg}"
WORDS = {"title": "What it takes for what", "description": "Rows are truths."}
CURVES = {
    "train": [(1.0, 0.9), (2.0, math.nan), (3.0, 0.4)],
    "validation": [(1.0, 1.0), (2.0, 0.7), (3.0, 0.6)],
}


def all_charts() -> dict[str, Svg]:
    return {
        "reliability": reliability_svg(
            [ReliabilityBin(0.9, 0.8, 0.6, 0.9, 12), ReliabilityBin(1.0, 1.0, 0.9, 1.0, 40)],
            **WORDS,
        ),
        "matrix": matrix_svg([[5, 1], [0, 7]], ["a", NASTY], **WORDS),
        "large matrix": matrix_svg(
            [[int(a == b) for a in range(50)] for b in range(50)],
            [NASTY] * 50,
            parents=["a", "b"] * 25,
            **WORDS,
        ),
        "lines": lines_svg(
            CURVES | {NASTY: []}, x_label="epoch", y_label="loss", marks={2.0: NASTY}, **WORDS
        ),
        "no bins": reliability_svg([], **WORDS),
        "no lines": lines_svg({}, x_label="epoch", shares=True, **WORDS),
        "no labels": matrix_svg([], [], **WORDS),
        "one point": lines_svg({"loss": [(4.0, 0.0)]}, x_label="epoch", **WORDS),
    }


@pytest.mark.parametrize("name", all_charts())
def test_a_chart_is_sound_and_says_what_it_shows(name: str) -> None:
    for text in (all_charts()[name], as_file(all_charts()[name])):
        root = ElementTree.fromstring(text.encode())  # noqa: S314
        assert root.get("role") == "img"
        named = [
            part.text
            for part in root
            if part.get("id") in (root.get("aria-labelledby") or "").split()
        ]
        assert named == [WORDS["title"], WORDS["description"]]
        assert not list(root.iter(f"{SVG}script"))
        assert "nan" not in text


@pytest.mark.parametrize("name", all_charts())
def test_a_page_takes_a_chart_as_it_is_and_without_inline_style(name: str) -> None:
    chart = all_charts()[name]
    assert escape(chart) == chart
    assert "style" not in chart


def test_every_part_of_a_chart_has_a_look_in_the_stylesheet() -> None:
    css = (ROOT / "webapp" / "static" / "charts.css").read_text(encoding="utf-8")
    looks = {
        look
        for chart in all_charts().values()
        for names in re.findall(r'class="([^"]+)"', chart)
        for look in names.split()
    }
    assert {"hit", "h1", "point", "line", "dense"} <= looks
    assert not [
        look
        for look in looks - {"chart", "cell"}
        if not re.search(rf"\.chart[ ,.)].*\.{look}\b|\.chart\.{look}\b", css)
    ]


def test_a_file_has_its_look_inside_for_light_and_dark() -> None:
    text = as_file(all_charts()["matrix"])
    assert text.index("<desc") < text.index("<style>") < text.index("prefers-color-scheme: dark")
    assert text.count("<style>") == 1


def test_a_small_matrix_writes_its_counts() -> None:
    chart = matrix_svg([[5, 1], [0, 7]], ["bwt", "haas"], **WORDS)
    root = ElementTree.fromstring(chart)  # noqa: S314
    cells = [part for part in root if (part.get("class") or "").startswith("cell")]
    assert [[part.text for part in cell if part.text] for cell in cells] == [
        ["bwt: 5 right", "5"],
        ["bwt, answered haas: 1", "1"],
        ["haas: 7 right", "7"],
    ]


def test_a_matrix_of_196_labels_stays_small_and_names_each_cell() -> None:
    counts = [[4 if a == b else int(a == 2 and b == 9) for b in range(196)] for a in range(196)]
    chart = matrix_svg(counts, [f"Maker Model {number}" for number in range(196)], **WORDS)
    assert "Maker Model 2, answered Maker Model 9: 1" in chart
    assert len(chart) < 250_000


def test_the_redder_the_more_mistakes_but_a_lone_one_is_never_the_worst() -> None:
    assert [heat(count, 8, hit=False) for count in (1, 3, 6, 8)] == ["h1", "h2", "h3", "h4"]
    assert heat(1, 1, hit=False) == "h1"
    assert heat(90, 8, hit=True) == "hit"


def test_lines_reach_from_the_first_epoch_to_the_last_and_leave_gaps() -> None:
    chart = lines_svg(CURVES, x_label="epoch", **WORDS)
    paths = [
        path.get("d")
        for path in ElementTree.fromstring(chart).iter(f"{SVG}path")  # noqa: S314
        if "line" in (path.get("class") or "")
    ]
    assert len(paths) == 2
    assert str(paths[0]).count("M") == 2
    assert str(paths[1]).startswith("M44.0 ")


def test_a_matrix_of_links_opens_its_photos_and_may_have_a_column_of_its_own() -> None:
    counts = {("a<b", UNCLASSIFIED): 3, ("a<b", "a<b"): 1}
    drawing = links_svg(
        ConfusionMatrix(("a<b",), ("a<b", UNCLASSIFIED), counts),
        str.upper,
        lambda _truth, answer: f"/gallery?a=1&b={answer}" if answer == UNCLASSIFIED else "",
        title="Which",
    )
    assert re.findall('<a href="([^"]+)">', drawing) == ["/gallery?a=1&amp;b=unclassified"]
    assert "A&lt;B, answered UNCLASSIFIED: 3" in drawing
    assert re.findall('class="cell (\\w+)"', drawing) == ["unsure", "hit"]


def test_shares_in_a_row_have_their_names_and_ranges() -> None:
    drawing = shares_svg(
        [
            ("Jan", ReliabilityBin(0, 0.5, 0.2, 0.8, 4)),
            ("Feb", ReliabilityBin(0, 1.0, 0.5, 1.0, 2)),
            ("Mar", ReliabilityBin(0, 1.0, 0.2, 1.0, 1)),
        ],
        title="Right",
        description="By month.",
    )
    assert ">Jan</text>" in drawing
    assert "Feb: right 100\u202f% (50\u202f% to 100\u202f%), 2 answers" in drawing
    assert "Mar: right 100\u202f% (20\u202f% to 100\u202f%), 1 answer<" in drawing
    assert drawing.count('class="point"') == 3


def test_a_row_of_shares_may_be_empty() -> None:
    assert 'class="point"' not in shares_svg([], title="Right", description="By month.")
