"""The polar chart of ranked labels."""

from __future__ import annotations

import re

from webapp.reports.polar import Sector, polar_svg


def chart(*probabilities: float) -> str:
    sectors = [
        Sector(f"Label <{place}>", share, f"{share:.0%}", "#FF8700" if not place else "")
        for place, share in enumerate(probabilities)
    ]
    return str(polar_svg(sectors, title="Ranked"))


def test_a_sector_reaches_as_far_as_its_label_is_probable() -> None:
    drawn = chart(0.5, 0.25, 0.25, 0.0)
    assert re.findall(r"A(\S+) ", drawn) == ["50.0", "25.0", "25.0", "0.0"]


def test_the_first_label_stands_at_the_top_and_has_its_colour() -> None:
    drawn = chart(0.9, 0.1, 0.0, 0.0)
    assert '<text x="200.0" y="24.0" text-anchor="middle">1 Label' in drawn
    assert drawn.count('fill="#FF8700"') == 1


def test_every_sector_says_its_name_and_number() -> None:
    assert "<title>Label &lt;1&gt;: 10%</title>" in chart(0.9, 0.1)


def test_ten_labels_are_drawn_of_many() -> None:
    assert chart(*[0.005] * 196).count("<path") == 10
