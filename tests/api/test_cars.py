"""Cars in JSON: each with its ground truth, and boxes that people draw, move and take back."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.cars import LEFT, RIGHT, no_live_model, put_cars
from tests.conftest import draw
from tests.fakes import FakeClassifier, FakeDetector
from webapp.services.stats.counters import check_counters
from webapp.storage.database import db
from webapp.storage.tables import BoxEvent

Headers = dict[str, str]


@pytest.fixture
def photo(upload: Callable[..., str]) -> str:
    """A photo at which no detector has looked."""
    return upload()


@pytest.fixture
def two(detector: FakeDetector, upload: Callable[..., str]) -> str:
    """A photo with two cars."""
    return upload()


def read(client: FlaskClient, photo: str) -> Any:
    return client.get(f"/api/v1/photos/{photo}").json


def cars(client: FlaskClient, photo: str) -> list[Any]:
    return list(read(client, photo)["cars"])


def drawn(client: FlaskClient, key: Headers, photo: str, **body: object) -> Any:
    return client.post(f"/api/v1/photos/{photo}/cars", json=body, headers=key)


def test_a_photo_tells_its_cars_with_boxes_and_predictions(client: FlaskClient, two: str) -> None:
    body = read(client, two)
    assert body["car_count"] == 2
    assert [(car["box"], car["score"], car["found_by"]) for car in body["cars"]] == [
        (list(LEFT), 0.9, "detector"),
        (list(RIGHT), 0.9, "detector"),
    ]
    assert [len(car["predictions"][0]["ranked"]) for car in body["cars"]] == [5, 5]
    assert len(body["prediction"]["ranked"]) == 10


def test_an_upload_answers_with_the_cars(client: FlaskClient, detector: FakeDetector) -> None:
    body = client.post("/api/v1/photos", data={"file": (io.BytesIO(draw()), "a.jpg")}).json
    assert [car["box"] for car in body["cars"]] == [list(LEFT), list(RIGHT)]
    assert body == read(client, body["id"]) | {"duplicate": False}


def test_a_list_tells_the_cars_of_each_photo(client: FlaskClient, two: str) -> None:
    (item,) = client.get("/api/v1/photos").json["items"]
    assert item == read(client, two)


def test_what_is_not_stored_tells_its_cars_too(client: FlaskClient, detector: FakeDetector) -> None:
    body = client.post("/api/v1/classify", data={"file": (io.BytesIO(draw()), "a.jpg")}).json
    assert [car["box"] for car in body["cars"]] == [list(LEFT), list(RIGHT)]
    assert body["predictions"] == [body["prediction"]]


def test_a_car_can_be_read_with_every_label(client: FlaskClient, two: str) -> None:
    car = cars(client, two)[1]
    body = client.get(f"/api/v1/cars/{car['id']}").json
    assert (body["photo"], len(body["prediction"]["ranked"])) == (two, 10)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "/api/v1/cars/nobody", None),
        ("get", "/api/v1/cars/nobody/similar", None),
        ("put", "/api/v1/cars/nobody/ground-truth", {"label": "haas"}),
        ("patch", "/api/v1/cars/nobody", {"box": [0, 0, 1, 1]}),
        ("delete", "/api/v1/cars/nobody", None),
        ("post", "/api/v1/photos/nobody/cars", {"box": [0, 0, 1, 1]}),
    ],
)
def test_an_unknown_car_is_404(
    client: FlaskClient, key: Headers, method: str, path: str, body: object
) -> None:
    assert getattr(client, method)(path, json=body, headers=key).status_code == 404


def test_people_without_a_key_change_nothing(client: FlaskClient, two: str) -> None:
    car = cars(client, two)[0]["id"]
    answers = [
        client.put(f"/api/v1/cars/{car}/ground-truth", json={"label": "haas"}),
        client.patch(f"/api/v1/cars/{car}", json={"box": [0, 0, 1, 1]}),
        client.delete(f"/api/v1/cars/{car}"),
        client.post(f"/api/v1/photos/{two}/cars", json={"box": [0, 0, 1, 1]}),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4


def test_each_car_gets_its_own_ground_truth(client: FlaskClient, key: Headers, two: str) -> None:
    second = cars(client, two)[1]["id"]
    path = f"/api/v1/cars/{second}/ground-truth"
    body = client.put(path, json={"label": "haas"}, headers=key).json
    assert (body["ground_truth"], body["outcome"]) == ("haas", "wrong")
    assert [car["ground_truth"] for car in cars(client, two)] == [None, "haas"]
    assert read(client, two)["ground_truth"] is None
    client.delete(f"/api/v1/labels/batches/{body['batch']}", headers=key)
    assert [car["ground_truth"] for car in cars(client, two)] == [None, None]


def test_a_car_that_is_taken_away_is_no_car_and_comes_back(
    client: FlaskClient, key: Headers, two: str
) -> None:
    first, second = (car["id"] for car in cars(client, two))
    body = client.delete(f"/api/v1/cars/{first}", headers=key).json
    assert (body["ground_truth"], body["outcome"]) == ("no-car", "no-car")
    assert [car["id"] for car in cars(client, two)] == [second, first]
    assert read(client, two)["car_count"] == 1
    client.delete(f"/api/v1/labels/batches/{body['batch']}", headers=key)
    assert [car["id"] for car in cars(client, two)] == [first, second]


def test_a_car_is_taken_away_while_no_model_is_live(
    client: FlaskClient, key: Headers, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cars(client, two)[0]["id"]
    no_live_model(monkeypatch)
    answer = client.delete(f"/api/v1/cars/{first}", headers=key)
    assert (answer.status_code, answer.json["ground_truth"]) == (200, "no-car")


# ---- boxes ----


def test_a_drawn_box_becomes_that_of_the_whole_photo_and_keeps_what_was_said(
    client: FlaskClient, key: Headers, photo: str
) -> None:
    (whole,) = cars(client, photo)
    client.put(f"/api/v1/photos/{photo}/ground-truth", json={"label": "haas"}, headers=key)
    answer = drawn(client, key, photo, box=[0.1, 0.2, 0.5, 0.5])
    assert (answer.status_code, answer.json["id"]) == (201, whole["id"])
    assert answer.headers["Location"].endswith(f"/api/v1/cars/{whole['id']}")
    (car,) = cars(client, photo)
    assert (car["box"], car["found_by"], car["ground_truth"]) == (
        [0.1, 0.2, 0.5, 0.5],
        "person",
        "haas",
    )
    assert read(client, photo)["car_count"] == 1


def test_a_second_box_is_a_further_car_with_predictions_and_a_label(
    client: FlaskClient, key: Headers, two: str, classifier: FakeClassifier
) -> None:
    classifier.says(haas=0.9)
    answer = drawn(client, key, two, box=[0.2, 0.2, 0.3, 0.3], label="haas", why="hidden")
    assert (answer.json["ground_truth"], answer.json["outcome"]) == ("haas", "correct")
    third = cars(client, two)[2]
    assert (third["id"], third["score"], third["found_by"]) == (answer.json["id"], None, "person")
    assert read(client, two)["car_count"] == 3


def test_a_moved_box_is_classified_anew_and_the_ground_truth_stays(
    app: Flask, client: FlaskClient, key: Headers, two: str, classifier: FakeClassifier
) -> None:
    first = cars(client, two)[0]["id"]
    client.put(f"/api/v1/cars/{first}/ground-truth", json={"label": "haas"}, headers=key)
    classifier.says(haas=0.9)
    body = client.patch(f"/api/v1/cars/{first}", json={"box": [0, 0, 0.4, 0.9]}, headers=key).json
    assert (body["box"], body["found_by"], body["score"]) == ([0, 0, 0.4, 0.9], "person", None)
    assert (body["ground_truth"], body["outcome"]) == ("haas", "correct")
    photo = read(client, two)
    assert (photo["prediction"]["decision"], photo["outcome"]) == ("haas", "correct")
    with app.app_context():
        assert check_counters()[0]


def test_a_moved_box_can_be_taken_back(client: FlaskClient, key: Headers, two: str) -> None:
    first = cars(client, two)[0]["id"]
    path = f"/api/v1/cars/{first}"
    batch = client.patch(path, json={"box": [0, 0, 0.4, 0.9]}, headers=key).json["batch"]
    undo = client.delete(f"/api/v1/labels/batches/{batch}", headers=key).json
    car = client.get(path).json
    assert (car["box"], car["found_by"], car["score"]) == (list(LEFT), "detector", 0.9)
    client.delete(f"/api/v1/labels/batches/{undo['batch']}", headers=key)
    car = client.get(path).json
    assert (car["box"], car["found_by"], car["score"]) == ([0, 0, 0.4, 0.9], "person", None)
    again = client.delete(f"/api/v1/labels/batches/{batch}", headers=key)
    assert again.status_code == 409


def test_boxes_that_are_all_taken_back_leave_the_cars_of_a_photo_unknown(
    client: FlaskClient, key: Headers, photo: str
) -> None:
    boxes = ([0.1, 0.1, 0.3, 0.5], [0.5, 0.1, 0.4, 0.5])
    batches = [drawn(client, key, photo, box=box).json["batch"] for box in boxes]
    assert read(client, photo)["car_count"] == 2
    for batch in batches:
        client.delete(f"/api/v1/labels/batches/{batch}", headers=key)
    assert read(client, photo)["car_count"] is None


def test_a_drawn_car_that_is_taken_back_is_no_car(
    client: FlaskClient, key: Headers, two: str
) -> None:
    body = drawn(client, key, two, box=[0.2, 0.2, 0.3, 0.3], label="haas").json
    client.delete(f"/api/v1/labels/batches/{body['batch']}", headers=key)
    assert client.get(f"/api/v1/cars/{body['id']}").json["ground_truth"] == "no-car"
    assert read(client, two)["car_count"] == 2


def test_a_drawn_car_that_got_a_label_since_keeps_it_and_its_box(
    client: FlaskClient, key: Headers, two: str
) -> None:
    body = drawn(client, key, two, box=[0.2, 0.2, 0.3, 0.3]).json
    path = f"/api/v1/cars/{body['id']}"
    later = client.put(f"{path}/ground-truth", json={"label": "haas"}, headers=key).json["batch"]
    undo = client.delete(f"/api/v1/labels/batches/{body['batch']}", headers=key)
    assert (undo.status_code, client.get(path).json["ground_truth"]) == (409, "haas")
    assert "Take that label back first" in undo.json["detail"]
    for batch in (later, body["batch"]):
        assert client.delete(f"/api/v1/labels/batches/{batch}", headers=key).status_code == 200
    assert client.get(path).json["ground_truth"] == "no-car"


def test_a_label_that_a_box_was_drawn_with_goes_with_it_until_another_one_is_given(
    client: FlaskClient, key: Headers, two: str
) -> None:
    body = drawn(client, key, two, box=[0.2, 0.2, 0.3, 0.3], label="haas").json
    path = f"/api/v1/cars/{body['id']}"
    client.put(f"{path}/ground-truth", json={"label": "bwt"}, headers=key)
    undo = client.delete(f"/api/v1/labels/batches/{body['batch']}", headers=key)
    assert (undo.status_code, client.get(path).json["ground_truth"]) == (409, "bwt")


def test_who_drew_a_box_and_why_is_kept(
    app: Flask, client: FlaskClient, key: Headers, two: str
) -> None:
    drawn(client, key, two, box=[0.2, 0.2, 0.3, 0.3], why="hidden behind the tree")
    with app.app_context():
        (event,) = db.session.query(BoxEvent).all()
        assert (event.from_box, event.to_box) == (None, [0.2, 0.2, 0.3, 0.3])
        assert (event.who, event.why, event.place) == (
            "API key tests",
            "hidden behind the tree",
            "api",
        )


@pytest.mark.parametrize(
    "box",
    [
        [0.6, 0.1, 0.5, 0.5],
        [0.1, 0.6, 0.5, 0.5],
        [0.1, 0.1, 0.05, 0.5],  # 6 of 120 pixels
        [0.1, 0.1, 0.5, 0.05],
        [0.1, 0.1, 0.0, 0.5],
    ],
)
def test_a_box_outside_or_too_small_is_422_with_a_sentence(
    client: FlaskClient, key: Headers, photo: str, box: list[float]
) -> None:
    answer = drawn(client, key, photo, box=box)
    assert answer.status_code == 422 and "box" in answer.json["detail"]
    assert [car["found_by"] for car in cars(client, photo)] == ["whole"]


@pytest.mark.parametrize("box", [[0.1, 0.1, 0.5], [-0.1, 0, 1, 1], [0, 0, 2, 1], "left", None])
def test_what_is_no_box_is_named(
    client: FlaskClient, key: Headers, photo: str, box: object
) -> None:
    answer = drawn(client, key, photo, box=box)
    assert answer.status_code == 400 and answer.json["errors"][0]["where"].startswith("body.box")


def test_an_unknown_label_draws_no_box(client: FlaskClient, key: Headers, photo: str) -> None:
    assert drawn(client, key, photo, box=[0, 0, 0.5, 0.5], label="trabant").status_code == 422
    assert [car["found_by"] for car in cars(client, photo)] == ["whole"]


def test_a_box_with_the_model_of_no_label_is_refused_where_there_is_no_such_model(
    client: FlaskClient, photo: str, key: Headers
) -> None:
    answer = drawn(client, key, photo, box=[0.1, 0.1, 0.5, 0.5], model="nope")
    assert answer.status_code == 404
    assert "There is no live model called 'nope'" in answer.json["detail"]
    assert cars(client, photo)[0]["found_by"] == "whole"


def test_similar_cars_are_listed_with_their_cosines(client: FlaskClient, two: str) -> None:
    first, second = cars(client, two)
    body = client.get(f"/api/v1/cars/{first['id']}/similar").json
    assert (body["model"], body["version"], body["compared"], body["others"]) == (
        "f1-teams",
        1,
        2,
        0,
    )
    (item,) = body["items"]
    assert (item["id"], item["photo"], item["box"]) == (second["id"], two, list(RIGHT))
    assert item["similarity"] == pytest.approx(1, abs=1e-3)


def test_similar_cars_are_at_most_as_many_as_asked_for(
    client: FlaskClient, detector: FakeDetector, upload: Callable[..., str]
) -> None:
    photos = [upload(mark=mark) for mark in range(3)]
    first = cars(client, photos[0])[0]["id"]
    assert len(client.get(f"/api/v1/cars/{first}/similar?limit=4").json["items"]) == 4
    assert client.get(f"/api/v1/cars/{first}/similar?limit=0").status_code == 400


def test_a_car_without_an_answer_has_no_similar_ones(
    app: Flask, client: FlaskClient, photo: str
) -> None:
    with app.app_context():
        second = put_cars(photo)[1]
    answer = client.get(f"/api/v1/cars/{second}/similar")
    assert (answer.status_code, "nothing to compare" in answer.json["detail"]) == (404, True)
