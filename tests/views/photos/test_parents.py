"""Answers that are a parent, on pages."""

from __future__ import annotations

import re
from collections.abc import Callable

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


def test_the_gallery_has_a_filter_by_group(client: FlaskClient, upload: Callable[..., str]) -> None:
    public_id = upload()
    page = client.get("/gallery?parent=Audi").text
    assert f"/photos/{public_id}" in page and "Any Audi" in page
    assert f"/photos/{public_id}" not in client.get("/gallery?parent=BMW").text


def test_the_page_of_a_photo_names_the_parent_and_the_labels(
    client: FlaskClient, upload: Callable[..., str]
) -> None:
    page = client.get(f"/photos/{upload()}").text.replace("\u202f", " ")
    assert re.search(r"An Audi, <span>\s*93 %\.</span>", page)
    assert "A4 or A5, an Audi either way." in page


def test_a_tile_has_the_parent_with_its_probability(
    client: FlaskClient, upload: Callable[..., str]
) -> None:
    upload()
    page = client.get("/gallery").text.replace("\u202f", " ")
    tile = page[page.index('class="tile"') :]
    assert "An Audi" in tile and "93 %" in tile


def test_a_parent_is_not_confirmed_as_a_ground_truth(
    reviewer: FlaskClient, upload: Callable[..., str]
) -> None:
    data = {"action": "confirm", "ids": [upload()]}
    page = reviewer.post("/gallery/many", data=data, follow_redirects=True).text
    assert "Nothing to confirm: the answers named no label" in page


def test_the_statistics_have_a_table_of_groups(
    client: FlaskClient, upload: Callable[..., str], key: dict[str, str]
) -> None:
    path = f"/api/v1/photos/{upload()}/ground-truth"
    client.put(path, json={"label": "audi-a5"}, headers=key)
    page = client.get("/stats").text
    assert "Group by group" in page and '<th scope="row">Audi</th>' in page
