"""The car-classification API by exact JSON, errors included."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.conftest import draw
from tests.legacy.calls import as_file


def test_several_photos_are_answered_by_their_names(client: FlaskClient) -> None:
    files = [
        as_file(draw(), "my car.jpg"),
        as_file(draw("#C00000"), "машина.jpg"),
        as_file(draw("#0600EF"), "🏎.png"),
    ]
    assert client.post("/predict/", data={"files": files}).json == {
        "predictions": {
            "my car.jpg": {"class_id": 4, "class_name": "mclaren"},
            "машина.jpg": {"class_id": 2, "class_name": "ferrari"},
            "🏎.png": {"class_id": 6, "class_name": "redbull"},
        }
    }


def test_of_several_photos_with_one_name_none_is_lost(client: FlaskClient) -> None:
    names = ["a.jpg", "a.jpg", "a (2).jpg", "a.jpg"]
    answers = client.post(
        "/predict/",
        data={"files": [as_file(draw(mark=mark), name) for mark, name in enumerate(names)]},
    ).json["predictions"]
    assert list(answers) == ["a.jpg", "a (3).jpg", "a (2).jpg", "a (4).jpg"]


def test_one_bad_photo_of_several_refuses_them_all_by_name(client: FlaskClient) -> None:
    answer = client.post(
        "/predict/", data={"files": [as_file(draw()), as_file(b"hello", "notes.txt")]}
    )
    assert answer.status_code == 415
    assert answer.json["detail"].startswith("notes.txt: ")


def test_it_takes_as_many_photos_as_the_json_api(client: FlaskClient) -> None:
    answer = client.post(
        "/predict/", data={"files": [as_file(b"x", f"{number}.jpg") for number in range(51)]}
    )
    assert answer.status_code == 413
