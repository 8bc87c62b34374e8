"""A card that makes no sense is refused by the name of the field, whatever is in it."""

from __future__ import annotations

import json

import pytest

from tests.fakes import make_card
from webapp.errors import BadCardError
from webapp.inference.models.card import ModelCard


def changed(**fields: object) -> str:
    return json.dumps(json.loads(make_card().to_json()) | fields)


def test_a_card_survives_the_way_to_the_disk_and_back() -> None:
    assert ModelCard.from_json(make_card().to_json()) == make_card()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"title": 5}, "title"),
        ({"metrics": []}, "metrics"),
        ({"metrics": {"test": [1]}}, "metrics.test"),
        ({"data": ["photos"]}, "data"),
        ({"limits": [{}]}, "limits"),
        (
            {"labels": [{"name": "a", "display": None}, {"name": "b", "display": "B"}]},
            "labels.0.display",
        ),
        ({"temperature": "hot"}, "temperature"),
        ({"version": "1"}, "version"),
        ({"labels": 3}, "labels"),
        ({"surprise": 1}, "surprise"),
        (
            {"golden": [{"file": "../x.png", "probabilities": [0.1] * 10}]},
            "outside the version's folder",
        ),
    ],
)
def test_a_field_that_makes_no_sense_is_named(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadCardError, match=words):
        ModelCard.from_json(changed(**fields))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "{"])
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(BadCardError):
        ModelCard.from_json(text)


def test_a_list_of_numbers_stands_on_one_line() -> None:
    card = make_card(
        metrics={"test": {"confusion": [[3, 0], [1, -2.5e-07]], "words": ["[\n1,\n2\n]"]}}
    )
    assert "        [3, 0],\n        [1, -2.5e-07]\n" in card.to_json()
    assert ModelCard.from_json(card.to_json()) == card
