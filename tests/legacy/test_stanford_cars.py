"""The Stanford Cars classifier by exact JSON, errors included."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.conftest import draw
from tests.fakes import FakeClassifier
from tests.legacy.calls import as_file


def test_infer_says_the_first_label_and_stores_nothing(client: FlaskClient) -> None:
    assert client.post("/infer", data={"image": as_file(draw())}).json == {"class": "mclaren"}
    assert client.get("/api/images").json == {"data": []}


def test_infer_names_a_label_also_when_it_is_not_sure(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    classifier.says(ferrari=0.2)
    assert client.post("/infer", data={"image": as_file(draw())}).json == {"class": "ferrari"}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"file": as_file(draw())}, 400),
        ({"image": as_file(b"hello")}, 415),
        ({"image": as_file(draw()[:400])}, 422),
    ],
)
def test_infer_refuses_with_a_problem(
    client: FlaskClient, data: dict[str, object], status: int
) -> None:
    answer = client.post("/infer", data=data, content_type="multipart/form-data")
    assert (answer.status_code, answer.mimetype, answer.json["status"]) == (
        status,
        "application/problem+json",
        status,
    )
