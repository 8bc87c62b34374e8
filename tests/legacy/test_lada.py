"""The Lada classifier by exact JSON, errors included."""

from __future__ import annotations

import base64

import pytest
from flask.testing import FlaskClient

from tests.conftest import draw


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "data:image/jpeg;base64,",
        "data:;base64,",
        "DATA:image/jpeg;BASE64,",
        " data:image/png;base64, ",
    ],
)
def test_predict_reads_base64(client: FlaskClient, prefix: str) -> None:
    text = prefix + base64.b64encode(draw()).decode()
    assert client.post("/predict", json={"im_b64": text}).json == {
        "class_num": "4",
        "class_name": "mclaren",
    }


def test_predict_reads_base64_in_lines(client: FlaskClient) -> None:
    text = base64.encodebytes(draw()).decode()
    assert client.post("/predict", json={"im_b64": text}).json == {
        "class_num": "4",
        "class_name": "mclaren",
    }


@pytest.mark.parametrize("ending", ["", "="])
def test_predict_reads_the_base64_of_addresses(client: FlaskClient, ending: str) -> None:
    text = base64.urlsafe_b64encode(draw()).decode().rstrip("=") + ending
    assert "_" in text or "-" in text
    assert client.post("/predict", json={"im_b64": text}).json == {
        "class_num": "4",
        "class_name": "mclaren",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 200_000, 400),
        (b"{}", 400),
        (b'{"im_b64": 7}', 400),
        (b'{"im_b64": ""}', 400),
        (b'{"im_b64": "%%%"}', 400),
        (b'{"im_b64": "aGVsbG8="}', 415),
    ],
)
def test_predict_refuses_what_is_no_photo_in_base64(
    client: FlaskClient, body: bytes, status: int
) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["status"]) == (status, status)


def test_predict_refuses_a_body_that_is_too_large(client: FlaskClient) -> None:
    answer = client.post("/predict", data=b" " * (31 * 2**20), content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")
