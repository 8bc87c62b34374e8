"""The field `model` of the JSON API."""

from __future__ import annotations

import io

import pytest
from flask.testing import FlaskClient

from tests.conftest import draw
from tests.fakes import FakeClassifier


@pytest.fixture
def others(cars: FakeClassifier) -> list[FakeClassifier]:
    return [cars]


def send(client: FlaskClient, path: str = "/api/v1/photos", files: int = 1, **fields: str):
    return client.post(
        path,
        data={
            "file": [
                (io.BytesIO(draw("#C00000", mark=number)), "car.jpg") for number in range(files)
            ],
            **fields,
        },
    )


def models(predictions: list[dict]) -> list[str]:
    return [item["model"]["name"] for item in predictions]


def test_without_a_model_the_sites_own_answers(client: FlaskClient) -> None:
    photo = send(client).json
    assert photo["prediction"]["model"]["name"] == "f1-teams" and "predictions" not in photo


def test_a_named_model_answers(client: FlaskClient) -> None:
    photo = send(client, model="stanford-cars").json
    assert (
        photo["prediction"]["model"]["name"] == "stanford-cars"
        and len(photo["prediction"]["ranked"]) == 4
    )


def test_all_models_answer_side_by_side(client: FlaskClient) -> None:
    photo = send(client, model="all").json
    assert photo["prediction"]["model"]["name"] == "f1-teams"
    assert models(photo["predictions"]) == ["f1-teams", "stanford-cars"]


def test_several_files_for_all_have_all_predictions_each(client: FlaskClient) -> None:
    results = send(client, files=2, model="all").json["results"]
    assert [models(item["photo"]["predictions"]) for item in results] == [
        ["f1-teams", "stanford-cars"]
    ] * 2


@pytest.mark.parametrize("path", ["/api/v1/photos", "/api/v1/classify"])
def test_an_unknown_model_is_a_404_that_names_the_live_ones(client: FlaskClient, path: str) -> None:
    answer = send(client, path, model="nothing")
    assert answer.status_code == 404 and answer.mimetype == "application/problem+json"
    assert "f1-teams, stanford-cars" in answer.json["detail"]
    assert client.get("/api/v1/photos").json["items"] == []


def test_classify_takes_a_model_too(client: FlaskClient) -> None:
    assert (
        send(client, "/api/v1/classify", model="stanford-cars").json["prediction"]["model"]["name"]
        == "stanford-cars"
    )
    assert models(send(client, "/api/v1/classify", model="all").json["predictions"]) == [
        "f1-teams",
        "stanford-cars",
    ]
    assert models(
        send(client, "/api/v1/classify", files=2, model="all").json["results"][1]["predictions"]
    ) == ["f1-teams", "stanford-cars"]


def test_a_photo_is_read_as_a_model_saw_it(client: FlaskClient) -> None:
    path = f"/api/v1/photos/{send(client, model='all').json['id']}"
    assert (
        client.get(f"{path}?model=stanford-cars").json["prediction"]["model"]["name"]
        == "stanford-cars"
    )
    assert len(client.get(f"{path}?model=all").json["predictions"]) == 2
    assert "predictions" not in client.get(path).json


def test_a_model_that_was_not_asked_has_nothing_to_say(client: FlaskClient) -> None:
    photo = send(client, model="f1-teams").json["id"]
    answer = client.get(f"/api/v1/photos/{photo}?model=stanford-cars")
    assert answer.status_code == 404 and "has not looked at this photo yet" in answer.json["detail"]


def test_the_list_can_be_of_one_model(client: FlaskClient) -> None:
    send(client, model="stanford-cars")
    assert len(client.get("/api/v1/photos?model=stanford-cars&decision=ferrari").json["items"]) == 1
    assert client.get("/api/v1/photos?model=f1-teams").json["items"] == []


def test_a_ground_truth_may_be_a_label_of_any_live_model(
    client: FlaskClient, key: dict[str, str]
) -> None:
    path = f"/api/v1/photos/{send(client, model='all').json['id']}"
    assert (
        client.put(f"{path}/ground-truth", json={"label": "lada"}, headers=key).json["outcome"]
        == "unlabelled"
    )
    assert client.get(f"{path}?model=stanford-cars").json["outcome"] == "wrong"


def test_a_ground_truth_for_one_model_must_be_its_label(
    client: FlaskClient, key: dict[str, str]
) -> None:
    path = f"/api/v1/photos/{send(client).json['id']}/ground-truth"
    assert (
        client.put(path, json={"label": "lada", "model": "f1-teams"}, headers=key).status_code
        == 422
    )
    assert (
        client.put(path, json={"label": "lada", "model": "nothing"}, headers=key).status_code == 404
    )
    assert client.put(path, json={"label": "lada", "model": 7}, headers=key).status_code == 400
