"""A card for people."""

from __future__ import annotations

import pytest

from tests.fakes import TEAMS, make_card
from webapp.services.models import cards


def test_a_card_without_figures_has_nothing_to_say() -> None:
    card = make_card(metrics={})
    assert cards.headline(card) is None
    assert not (
        cards.measurements(card)
        or cards.card_labels(card)
        or cards.confusion(card)
        or cards.reliability(card)
    )


def test_the_headline_is_of_the_photos_when_there_are_game_frames_too() -> None:
    card = make_card(
        metrics={
            "test": {
                "n": 30,
                "top1": 0.8,
                "sources": {"photos": {"n": 20, "top1": 0.95}, "game": {"n": 10, "top1": 0.5}},
            }
        }
    )
    share = cards.headline(card)
    assert share is not None and (share.hits, share.n) == (19, 20)


def test_the_fairest_measure_comes_first() -> None:
    test = {
        "n": 30,
        "top1": 0.8,
        "sources": {"game": {"n": 10, "top1": 0.5}, "photos": {"n": 20, "top1": 0.95}},
    }
    card = make_card(metrics={"test": test, "unknown": {"n": 40, "unclassified": 0.9}})
    assert [row.name for row in cards.measurements(card)] == [
        "Held-out photos",
        "Held-out game",
        "All held-out",
        "Photos of other things",
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cars": "detect"}, "the main car that a detector found"),
        ({"cars": "whole"}, "whole photos, as they are"),
        ({}, "whole photos, as they are"),
        ({"cars": "whole", "crop": True}, "cut to the boxes"),
    ],
)
def test_it_says_what_of_the_photos_it_was_measured_on(
    settings: dict[str, object], words: str
) -> None:
    card = make_card(metrics={"test": {"n": 30, "top1": 0.8}}, training={"settings": settings})
    assert words in cards.measured_on(card)


def test_a_card_from_elsewhere_does_not_say_what_it_was_measured_on() -> None:
    assert cards.measured_on(make_card(training={})) == ""


def test_the_weakest_label_comes_first() -> None:
    rows = {
        "haas": {"n": 10, "recall": 0.9},
        "bwt": {"n": 10, "recall": 0.5},
        "ferrari": {"n": 0, "recall": None},
        "gone": {"n": 5, "recall": 1.0},
    }
    lines = cards.card_labels(make_card(metrics={"test": {"per_label": rows}}))
    assert [(line.label, line.recall.hits) for line in lines] == [("bwt", 5), ("haas", 9)]


def test_plausible_ranges_are_those_of_wilson() -> None:
    card = make_card(metrics={"test": {"n": 240, "top1": 0.8833}})
    share = cards.headline(card)
    assert (
        share is not None
        and share.low == pytest.approx(0.8365, abs=1e-3)
        and share.high == pytest.approx(0.918, abs=1e-3)
    )


def test_the_matrix_marks_hits_and_the_worst_mistakes() -> None:
    table = [[5 if row == column else 0 for column in range(10)] for row in range(10)]
    table[9][1], table[0][1] = 8, 1
    card = make_card(metrics={"test": {"confusion": table}})
    matrix = cards.confusion(card)
    assert matrix is not None
    names = card.label_names
    looks = [
        matrix.look(names[row], names[column], table[row][column])
        for row, column in ((9, 1), (0, 1), (3, 3), (3, 4))
    ]
    assert looks == ["h4", "h1", "hit", ""]
    assert cards.mix_ups(matrix) == [("williams", "bwt", 8), ("alfa_romeo", "bwt", 1)]


def test_a_matrix_of_another_size_is_left_out() -> None:
    assert cards.confusion(make_card(metrics={"test": {"confusion": [[1, 2], [3, 4]]}})) is None


def test_codes_are_three_letters_and_no_two_alike() -> None:
    codes = cards.codes([(name, display) for name, (display, _color) in TEAMS.items()])
    assert (
        codes["mclaren"] == "MCL" and codes["redbull"] == "RED" and len(set(codes.values())) == 10
    )


def test_codes_of_like_names_still_differ() -> None:
    assert len(set(cards.codes([(f"x{number}", "Audi") for number in range(20)]).values())) == 20
