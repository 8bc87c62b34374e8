"""The five services answer about the main car of a photo with several."""

from __future__ import annotations

import base64
import io

import pytest
from flask.testing import FlaskClient
from PIL import Image

from tests.cars import live_detector
from tests.fakes import TEAMS
from tests.legacy.calls import JSON, as_file, predicted
from webapp.domain import Box

MAIN: Box = (0.55, 0.1, 0.4, 0.8)
OTHER: Box = (0.05, 0.1, 0.4, 0.8)


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finds a McLaren on the right, which is the main car, and a Haas on the left."""
    live_detector(monkeypatch).boxes = [MAIN, OTHER]


@pytest.fixture
def photo() -> bytes:
    image = Image.new("RGB", (400, 200), TEAMS["haas"][1])
    image.paste(TEAMS["mclaren"][1], (200, 0, 400, 200))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def test_one_photo_in_a_form(client: FlaskClient, photo: bytes) -> None:
    assert client.post("/infer", data={"image": as_file(photo)}).json == {"class": "mclaren"}


def test_base64_in_json(client: FlaskClient, photo: bytes) -> None:
    body = {"im_b64": base64.b64encode(photo).decode()}
    assert client.post("/predict", json=body).json["class_name"] == "mclaren"


def test_a_form_that_stores(client: FlaskClient, photo: bytes) -> None:
    answer = client.post("/predict", data={"file": as_file(photo)}, headers=JSON).json
    assert answer["prediction"]["class"] == answer["predictions"]["1"]["class"] == "mclaren"


def test_several_photos(client: FlaskClient, photo: bytes) -> None:
    answer = client.post("/predict/", data={"files": as_file(photo)}).json
    assert answer["predictions"]["car.jpg"]["class_name"] == "mclaren"


def test_a_photo_that_was_stored_before(client: FlaskClient, photo: bytes) -> None:
    number = client.post("/api/upload", data={"file": as_file(photo)}).json["id"]
    predicted(client, number)
    predictions = client.get(f"/api/images/{number}").json["data"]["predictions"]
    assert next(iter(predictions)) == "mclaren"
