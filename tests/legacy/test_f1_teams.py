"""The Formula One team classifier by exact JSON, errors included."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.conftest import draw
from tests.fakes import FakeClassifier
from tests.legacy.calls import JSON, as_file
from webapp.legacy.f1_teams import _ordinal


def test_predict_tells_a_form_every_label_in_sentences(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    classifier.says(mclaren=0.9996, ferrari=0.0003)
    answer = client.post("/predict", data={"file": as_file(draw())}, headers=JSON).json
    first = {
        "class": "mclaren",
        "confidence_percent": 99.96,
        "message": "1st Prediction: mclaren with 99.96% confidence.",
    }
    assert answer["prediction"] == first == answer["predictions"]["1"]
    assert answer["predictions"]["2"]["message"] == "2nd Prediction: ferrari with 0.03% confidence."
    assert list(answer["predictions"]) == [str(rank) for rank in range(1, 11)]
    assert list(answer) == ["prediction", "predictions"]


def test_predict_brings_a_browser_to_the_photo(client: FlaskClient) -> None:
    answer = client.post("/predict", data={"file": as_file(draw())})
    assert answer.status_code == 303
    assert "McLaren" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, "text/html"), (JSON, "application/problem+json")]
)
def test_predict_refuses_a_form_as_it_was_asked(
    client: FlaskClient, headers: dict[str, str], kind: str
) -> None:
    answer = client.post("/predict", data={"file": as_file(b"hello")}, headers=headers)
    assert (answer.status_code, answer.mimetype) == (415, kind)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (111, "111th"),
    ],
)
def test_ranks_are_counted_as_people_do(number: int, text: str) -> None:
    assert _ordinal(number) == text
