"""The review of photos with several cars: one car at a time."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier, FakeDetector
from tests.views.conftest import Send, text_of


@pytest.fixture
def two(detector: FakeDetector, send: Send) -> str:
    """The id of a photo with two cars."""
    return send()


def cars_of(client: FlaskClient, photo: str) -> list[dict[str, object]]:
    return list(client.get(f"/api/v1/photos/{photo}").json["cars"])


def test_a_car_is_shown_large_and_its_photo_small_with_the_box(
    reviewer: FlaskClient, two: str
) -> None:
    car = cars_of(reviewer, two)[1]["id"]
    page = reviewer.get(f"/review?photo={two}&car={car}").text
    assert f'src="/cars/{car}/crop"' in page and f"/photos/{two}/thumbnail" in page
    assert '<rect x="66.0" y="20.0" width="48.0" height="40.0"' in page  # of 120 x 80 pixels


def test_each_car_of_a_photo_gets_its_turn(reviewer: FlaskClient, two: str) -> None:
    for label in ("mclaren", "ferrari"):
        page = reviewer.get("/review").text
        shown = re.findall(r'bleed"><img src="/cars/([\w-]+)/crop"', page)[0]
        reviewer.post("/review", data={"photo": two, "car": shown, "label": label})
    assert {car["ground_truth"] for car in cars_of(reviewer, two)} == {"mclaren", "ferrari"}


def test_the_list_of_suspected_labels_shows_the_car_that_is_doubted(
    reviewer: FlaskClient, two: str, send: Send, classifier: FakeClassifier
) -> None:
    car = cars_of(reviewer, two)[1]["id"]
    reviewer.post("/review", data={"photo": two, "car": car, "label": "haas"})
    classifier.says(mclaren=0.6)
    send(mark=1, ground_truth="mclaren")
    page = text_of(reviewer.get("/review/suspected"))
    assert f'href="/photos/{two}?car={car}' in page and 'viewBox="66.0 20.0 48.0 40.0"' in page


def test_a_box_without_a_car_can_be_said_to_be_none(reviewer: FlaskClient, two: str) -> None:
    car = str(cars_of(reviewer, two)[0]["id"])
    assert 'value="no-car"' in reviewer.get("/review").text
    reviewer.post("/review", data={"photo": two, "car": car, "label": "no-car"})
    assert {row["id"]: row["ground_truth"] for row in cars_of(reviewer, two)}[car] == "no-car"


def test_a_photo_that_no_detector_has_seen_is_shown_whole(
    reviewer: FlaskClient, send: Send
) -> None:
    photo = send()
    page = reviewer.get("/review").text
    assert f'src="/photos/{photo}/view"' in page
    assert "/crop" not in page and 'value="no-car"' not in page


def test_enter_says_no_car_where_none_was_found(
    reviewer: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = []
    send()
    page = text_of(reviewer.get("/review"))
    assert "No car found." in page and "Of the whole picture it would say:" in page
    assert re.search('value="no-car" aria-keyshortcuts="x Enter"', page)
    assert 'aria-keyshortcuts="1"' in page and '"1 Enter"' not in page
