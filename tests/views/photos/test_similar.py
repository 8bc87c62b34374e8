"""The page of similar cars: who sees it, what it says, and a label for those that are picked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cars import put_cars
from tests.fakes import FakeDetector
from tests.views.conftest import Send
from webapp.storage.database import count_rows
from webapp.storage.tables import LabelEvent


def car_ids(client: FlaskClient, photo: str) -> list[str]:
    return [car["id"] for car in client.get(f"/api/v1/photos/{photo}").json["cars"]]


def truths(client: FlaskClient, photo: str) -> list[str | None]:
    return [car["ground_truth"] for car in client.get(f"/api/v1/photos/{photo}").json["cars"]]


@pytest.fixture
def three(send: Send) -> list[str]:
    """Photos of one car each."""
    return [send(mark=mark) for mark in range(3)]


def test_the_page_of_a_photo_leads_to_it(client: FlaskClient, three: list[str]) -> None:
    (car,) = car_ids(client, three[0])
    assert f'href="/cars/{car}/similar"' in client.get(f"/photos/{three[0]}").text


def test_each_car_of_a_photo_has_its_own(
    client: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    photo = send()
    page = client.get(f"/photos/{photo}").text
    assert all(f'href="/cars/{car}/similar"' in page for car in car_ids(client, photo))


def test_it_shows_the_other_cars_with_their_similarity(
    client: FlaskClient, three: list[str]
) -> None:
    (car,) = car_ids(client, three[0])
    page = client.get(f"/cars/{car}/similar").text
    assert all(f'href="/photos/{photo}" title=' in page for photo in three[1:])
    assert len(re.findall(r'class="pct" title="Similarity[^>]*>1.00<', page)) == 2
    assert "of 3 cars that Formula One teams, version 1, has answered about" in page


def test_a_visitor_picks_nothing(client: FlaskClient, three: list[str]) -> None:
    (car,) = car_ids(client, three[0])
    assert 'name="ids"' not in client.get(f"/cars/{car}/similar").text


def test_the_picked_cars_get_a_label_in_one_step(
    reviewer: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    photos = [send(mark=mark) for mark in range(2)]
    (first, second), (third, _fourth) = (car_ids(reviewer, photo) for photo in photos)
    page = reviewer.post(
        f"/cars/{first}/similar",
        data={"ids": [second, third], "label": "haas"},
        follow_redirects=True,
    ).text
    assert "Saved: 2 cars are <b>Haas.</b>" in page
    assert [truths(reviewer, photo) for photo in photos] == [[None, "haas"], ["haas", None]]


def test_one_undo_takes_all_of_it_back(reviewer: FlaskClient, three: list[str]) -> None:
    first, *others = [car_ids(reviewer, photo)[0] for photo in three]
    page = reviewer.post(
        f"/cars/{first}/similar", data={"ids": others, "label": "haas"}, follow_redirects=True
    ).text
    (batch,) = re.findall(r'name="batch" value="([^"]+)"', page)
    reviewer.post("/labels/undo", data={"batch": batch})
    assert [truths(reviewer, photo) for photo in three] == [[None]] * 3


def test_a_label_that_no_version_knows_can_be_given(admin: FlaskClient, three: list[str]) -> None:
    admin.post("/models/f1-teams/labels/add", data={"label": "Audi"})
    first, *others = [car_ids(admin, photo)[0] for photo in three]
    page = admin.get(f"/cars/{first}/similar").text
    (label,) = re.findall(r'<option value="([^"]+)">Audi<', page)
    admin.post(f"/cars/{first}/similar", data={"ids": others, "label": label})
    assert [truths(admin, photo) for photo in three] == [[None], [label], [label]]


def test_nothing_picked_is_said_and_changes_nothing(
    app: Flask, reviewer: FlaskClient, three: list[str]
) -> None:
    (car,) = car_ids(reviewer, three[0])
    page = reviewer.post(f"/cars/{car}/similar", data={"label": "haas"}, follow_redirects=True).text
    assert "No car was picked" in page
    with app.app_context():
        assert count_rows(LabelEvent) == 0


def test_a_car_that_is_gone_changes_nothing(reviewer: FlaskClient, three: list[str]) -> None:
    first, second, _third = [car_ids(reviewer, photo)[0] for photo in three]
    answer = reviewer.post(
        f"/cars/{first}/similar", data={"ids": [second, "nobody"], "label": "haas"}
    )
    assert (answer.status_code, "load the page again" in answer.text) == (404, True)
    assert truths(reviewer, three[1]) == [None]


def test_an_unknown_label_is_refused(reviewer: FlaskClient, three: list[str]) -> None:
    first, second, _third = [car_ids(reviewer, photo)[0] for photo in three]
    answer = reviewer.post(f"/cars/{first}/similar", data={"ids": second, "label": "tractor"})
    assert (answer.status_code, "There is no label" in answer.text) == (422, True)


def test_a_history_of_one_car_says_so(client: FlaskClient, send: Send) -> None:
    (car,) = car_ids(client, send())
    assert "No other car yet" in client.get(f"/cars/{car}/similar").text


def test_a_car_that_no_model_answered_about_says_what_to_do(
    app: Flask, client: FlaskClient, send: Send
) -> None:
    photo = send()
    with app.app_context():
        second = put_cars(photo)[1]
    answer = client.get(f"/cars/{second}/similar")
    assert (answer.status_code, "Ask a model about its photo first" in answer.text) == (404, True)
    assert f"/cars/{second}/similar" not in client.get(f"/photos/{photo}").text


def test_a_gallery_behind_a_login_keeps_it_too(make_app: Callable[..., Flask], send: Send) -> None:
    photo = send()
    visitor = make_app(gallery="login").test_client()
    answer = visitor.get(f"/cars/{photo}/similar")
    assert (answer.status_code, "/login" in answer.location) == (303, True)
