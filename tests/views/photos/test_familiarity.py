"""A photo unlike those the model learned from, on its page."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier, familiarity_rule, make_card
from tests.views.conftest import Send


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier(make_card(familiarity=familiarity_rule(threshold=0.4)))


def test_an_unfamiliar_photo_is_none_of_them_and_the_facts_say_why(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.says(williams=0.95)
    classifier.familiarity = 0.03
    page = client.get(f"/photos/{send()}").text
    assert "None of the ten teams," in page and 'fill="#0082FA"' not in page
    assert "3\u202f%, and under 40\u202f% it names nothing" in page


def test_a_familiar_photo_gets_its_label(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.says(williams=0.95)
    classifier.familiarity = 0.4
    assert 'fill="#0082FA"' in client.get(f"/photos/{send()}").text


def test_the_version_page_names_the_rule(client: FlaskClient) -> None:
    assert "below a familiarity of 40\u202f%, by logit" in client.get("/models/f1-teams/1").text
