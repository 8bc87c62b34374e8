"""The answer in words."""

from __future__ import annotations

import pytest

from tests.fakes import familiarity_rule, make_card, make_card_of_makes
from webapp.domain import UNCLASSIFIED, Parent, RankedLabel
from webapp.services.photos.wording import (
    count_word,
    describe_answer,
    display,
    percent,
    short_answer,
)


def ranking(*probabilities: float) -> list[RankedLabel]:
    names = ("mclaren", "renault", "ferrari")
    return [
        RankedLabel(place, names[place - 1], place, item)
        for place, item in enumerate(probabilities, start=1)
    ]


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "< 1 %"),
        (0.004, "< 1 %"),
        (0.005, "1 %"),
        (0.124, "12 %"),
        (0.97, "97 %"),
        (0.99, "99 %"),
        (0.991, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_percentages_are_never_nought_or_a_hundred(probability: float, text: str) -> None:
    assert percent(probability).replace("\u202f", " ") == text


def test_a_sure_answer_names_the_label() -> None:
    sentence = describe_answer("mclaren", ranking(0.97, 0.02, 0.01), make_card())
    assert sentence.text.replace("\u202f", " ") == "McLaren, 97 %."
    assert sentence.named == ("mclaren",)
    assert sentence.reason == "Far ahead of the next team."


def test_it_quotes_how_often_such_answers_were_right() -> None:
    assert (
        "right 98 times in 100"
        in describe_answer("mclaren", ranking(0.97, 0.02, 0.01), make_card()).reason_strong
    )


def test_it_quotes_nothing_that_was_not_measured_often_enough() -> None:
    card = make_card(
        metrics={
            "test": {
                "reliability": [
                    {"from": 0.9, "to": 1.0, "n": 19, "confidence": 0.95, "accuracy": 1.0}
                ]
            }
        }
    )
    assert describe_answer("mclaren", ranking(0.97, 0.02, 0.01), card).reason_strong == ""


def test_it_quotes_nothing_about_a_car_that_is_unlike_those_it_was_measured_on() -> None:
    card = make_card(familiarity=familiarity_rule(threshold=0.5))
    for familiarity, quoted in ((0.5, True), (0.49, False), (None, True)):
        sentence = describe_answer("mclaren", ranking(0.97, 0.02, 0.01), card, familiarity)
        assert bool(sentence.reason_strong) is quoted


def test_where_no_car_was_found_it_does_not_guess() -> None:
    sentence = describe_answer(UNCLASSIFIED, ranking(0.97, 0.02, 0.01), make_card(), 0.0)
    assert (sentence.text, sentence.named) == ("No car found.", ())
    assert "McLaren" not in sentence.reason
    assert short_answer(sentence) == "No car found"


def test_two_that_share_the_probability_are_a_close_call() -> None:
    sentence = describe_answer(UNCLASSIFIED, ranking(0.46, 0.41, 0.13), make_card())
    assert sentence.text == "Close call: McLaren or Renault."
    assert sentence.named == ("mclaren", "renault")


def test_an_unfamiliar_photo_is_none_of_them_most_likely() -> None:
    sentence = describe_answer(
        UNCLASSIFIED, ranking(0.97, 0.02, 0.01), make_card(familiarity=familiarity_rule()), 0.2
    )
    assert sentence.text == "None of the ten teams, most likely."
    assert sentence.named == ()


def test_in_between_it_is_not_sure() -> None:
    assert describe_answer(UNCLASSIFIED, ranking(0.4, 0.2, 0.1), make_card()).text == "Not sure."


@pytest.mark.parametrize(
    ("decision", "first", "second", "chip"),
    [("mclaren", 0.9, 0.1, "McLaren"), (UNCLASSIFIED, 0.45, 0.44, "Close call")],
)
def test_a_chip_says_it_in_two_words(decision: str, first: float, second: float, chip: str) -> None:
    assert short_answer(describe_answer(decision, ranking(first, second, 0.0), make_card())) == chip


def test_a_label_without_a_card_is_shown_as_it_is() -> None:
    assert display(None, "old_team") == "old_team"
    assert display(make_card(), "none") == "None of these"


def test_small_numbers_are_words() -> None:
    assert [count_word(number) for number in (10, 12, 196, 1312)] == [
        "ten",
        "twelve",
        "196",
        "1,312",
    ]


def makes(*probabilities: float) -> list[RankedLabel]:
    """A ranking of the card of makes."""
    names = ("audi-a4", "audi-a5", "bmw-m3", "lada")
    return [
        RankedLabel(place + 1, names[place], place, probability)
        for place, probability in enumerate(probabilities)
    ]


def test_a_parent_is_named_with_the_labels_that_it_may_be() -> None:
    ranked, parent = makes(0.5, 0.44, 0.04, 0.02), Parent("Audi", 0.94)
    sentence = describe_answer("Audi", ranked, make_card_of_makes(), None, parent)
    assert sentence.text.replace("\u202f", " ") == "An Audi, 94 %."
    assert sentence.reason == "A4 or A5, an Audi either way."
    assert (sentence.kind, sentence.named) == ("parent", ("audi-a4", "audi-a5"))
    assert short_answer(sentence) == "An Audi"


def test_a_parent_has_the_article_of_its_first_letter() -> None:
    ranked, parent = makes(0.5, 0.44, 0.04, 0.02), Parent("BMW", 0.94)
    sentence = describe_answer("BMW", ranked, make_card_of_makes(), None, parent)
    assert sentence.strong == "A BMW"


def test_a_label_is_named_whatever_its_parent() -> None:
    ranked, parent = makes(0.9, 0.06, 0.02, 0.02), Parent("Audi", 0.96)
    sentence = describe_answer("audi-a4", ranked, make_card_of_makes(), None, parent)
    assert sentence.text.replace("\u202f", " ") == "Audi A4, 90 %."
