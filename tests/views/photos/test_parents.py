"""Answers that are a parent, on pages."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier, make_card_of_makes

AUDI = {"audi-a4": 0.48, "audi-a5": 0.45}


@pytest.fixture
def classifier() -> FakeClassifier:
    """A model that takes every photo for one of two Audis."""
    classifier = FakeClassifier(make_card_of_makes())
    classifier.says(**AUDI)
    return classifier


def test_the_gallery_offers_parents_as_answers(client: FlaskClient) -> None:
    page = client.get("/gallery").text
    field = page[page.index('id="filter-decision"') :]
    assert '<option value="Audi">Audi</option>' in field[: field.index("</select>")]
