"""The heat map on a photo's page."""

from __future__ import annotations

import html
import io

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from tests.cars import live_detector
from tests.fakes import FakeClassifier
from tests.views.conftest import Send


@pytest.fixture
def classifier() -> FakeClassifier:
    """A classifier that can be asked where it looks."""
    fake = FakeClassifier()
    fake.head = np.ones((10, 8), np.float32)
    return fake


def page(client: FlaskClient, public_id: str, **asked: str) -> str:
    return html.unescape(client.get(f"/photos/{public_id}", query_string=asked).text)


def test_the_page_offers_a_heat_map_and_shows_the_photo(client: FlaskClient, send: Send) -> None:
    text = page(client, send())
    assert "heat=mclaren" in text
    assert 'class="overlay"' not in text


def test_the_page_of_a_checked_photo_offers_it_too(client: FlaskClient, send: Send) -> None:
    assert "heat=mclaren" in page(client, send(ground_truth="mclaren"))


def test_the_heat_map_lies_over_the_photo_with_its_caveat(client: FlaskClient, send: Send) -> None:
    photo = send()
    text = page(client, photo, heat="ferrari")
    car = client.get(f"/api/v1/photos/{photo}").json["cars"][0]["id"]
    address = f"/photos/{photo}/heat/ferrari?model=f1-teams&version=1&car={car}"
    assert f'src="{address}"' in text and client.get(address).status_code == 200
    assert "where the network looked for Ferrari. It says where, not why" in text


def test_every_label_can_be_chosen_without_a_script(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    text = page(client, send(), heat="mclaren")
    for label in classifier.card.label_names:
        assert f"heat={label}" in text or f'<option value="{label}"' in text


def test_the_overlay_is_a_picture_in_the_photos_shape_that_browsers_keep(
    client: FlaskClient, send: Send
) -> None:
    answer = client.get(f"/photos/{send()}/heat/ferrari?version=1")
    assert answer.content_type == "image/png"
    assert Image.open(io.BytesIO(answer.data)).size == (384, 256)
    assert "max-age=86400" in answer.headers["Cache-Control"]
    assert (
        client.get(
            answer.request.full_path, headers={"If-None-Match": answer.headers["ETag"]}
        ).status_code
        == 304
    )


def test_a_network_that_cannot_be_asked_has_no_button(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.head = None
    photo = send()
    assert "Heat map" not in page(client, photo)
    assert client.get(f"/photos/{photo}/heat/ferrari").status_code == 404


def test_another_version_than_the_one_that_answers_cannot_be_asked(
    client: FlaskClient, send: Send
) -> None:
    assert client.get(f"/photos/{send()}/heat/ferrari?version=2").status_code == 404


@pytest.mark.parametrize("path", ["?heat=lada", "/heat/lada"])
def test_a_label_that_the_model_does_not_know_is_refused(
    client: FlaskClient, send: Send, path: str
) -> None:
    assert client.get(f"/photos/{send()}{path}").status_code in (400, 422)


def test_json_has_the_same_picture(client: FlaskClient, send: Send) -> None:
    photo = send()
    mine = client.get(f"/api/v1/photos/{photo}/heatmap?label=mclaren").data
    assert mine == client.get(f"/photos/{photo}/heat/mclaren").data
    assert mine == client.get(f"/api/v1/photos/{photo}/heatmap").data


def test_the_heat_map_is_of_the_car_that_is_open(
    client: FlaskClient, send: Send, classifier: FakeClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert classifier.head is not None
    classifier.head[classifier.card.label_names.index("ferrari")] += 1
    live_detector(monkeypatch)
    photo = send()
    first, second = (car["id"] for car in client.get(f"/api/v1/photos/{photo}").json["cars"])
    text = page(client, photo, car=second, heat="ferrari")
    assert f"version=1&car={second}" in text and f"heat=mclaren&car={second}" in text
    pictures = {car: lit(client, photo, car) for car in (first, second)}
    assert pictures[first][128, 60] and not pictures[first][128, 250]  # of 256 x 384 pixels
    assert not pictures[second][128, 60] and pictures[second][128, 250]


def lit(client: FlaskClient, photo: str, car: str) -> np.ndarray:
    """Where an overlay is clear."""
    answer = client.get(f"/photos/{photo}/heat/ferrari", query_string={"car": car})
    return np.asarray(Image.open(io.BytesIO(answer.data)))[:, :, 1] < 128


def test_json_has_the_heat_map_of_any_car(
    client: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_detector(monkeypatch)
    photo = send()
    second = client.get(f"/api/v1/photos/{photo}").json["cars"][1]["id"]
    mine = client.get(f"/api/v1/photos/{photo}/heatmap?label=mclaren&car={second}")
    assert mine.data == client.get(f"/photos/{photo}/heat/mclaren?car={second}").data
    assert client.get(f"/api/v1/photos/{photo}/heatmap?car=nobody").status_code == 404
