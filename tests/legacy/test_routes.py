"""What the earlier services share: monitors, access, a full server."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import draw
from tests.fakes import FakeClassifier
from tests.legacy.calls import JSON, as_file, stored
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.admission import AdmissionLimiter


def test_it_answers_monitors(client: FlaskClient) -> None:
    assert client.get("/ping").json == {"message": "pong"}
    assert client.get("/healthcheck").json == {"message": "Hello World"}


def test_the_root_tells_machines_that_it_runs(client: FlaskClient) -> None:
    assert client.get("/", headers=JSON).json == {
        "status": "The car classification service is running!"
    }


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_the_root_is_a_page_for_everybody_else(client: FlaskClient, accept: str) -> None:
    assert client.get("/", headers={"Accept": accept}).mimetype == "text/html"


@pytest.mark.parametrize(
    "accept", ["application/json; charset=utf-8", "application/json;charset=UTF-8, */*;q=0.1"]
)
def test_an_accept_with_a_charset_asks_for_json_too(client: FlaskClient, accept: str) -> None:
    assert client.get("/", headers={"Accept": accept}).json == {
        "status": "The car classification service is running!"
    }


@pytest.mark.parametrize("path", ["/healthcheck/", "/ping/", "/api/images/", "/api/stats"])
def test_a_slash_at_the_end_makes_no_difference(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(("path", "field"), [("/infer/", "image"), ("/api/upload/", "file")])
def test_nor_where_photos_are_sent(client: FlaskClient, path: str, field: str) -> None:
    assert client.post(path, data={field: as_file(draw())}).status_code in (200, 201)


SENDING = ("/infer", "/predict", "/predict/", "/api/upload", "/api/predict?img_id=1")
READING = ("/api/images", "/api/images/1", "/api/images/1/view", "/api/tasks/x", "/api/stats/")


@pytest.fixture
def closed(config: Config) -> Config:
    return config.model_copy(update={"uploads": "login", "gallery": "login"})


class TestClosed:
    """On a server whose uploads and gallery are not public."""

    @pytest.fixture
    def config(self, closed: Config) -> Config:
        return closed

    @pytest.mark.parametrize("path", SENDING)
    def test_sending_needs_a_key(self, client: FlaskClient, key: dict[str, str], path: str) -> None:
        assert client.post(path, headers=JSON).status_code == 401
        assert client.post(path, headers=key).status_code in (400, 404)

    @pytest.mark.parametrize("path", READING)
    def test_reading_needs_a_key(self, client: FlaskClient, key: dict[str, str], path: str) -> None:
        assert client.get(path).status_code == 401
        assert client.get(path, headers=key).status_code in (200, 404)

    def test_monitors_need_no_key(self, client: FlaskClient) -> None:
        assert [
            client.get(path, headers=JSON).status_code for path in ("/", "/ping", "/healthcheck")
        ] == [200, 200, 200]


def test_a_wrong_key_is_refused_where_none_is_needed(client: FlaskClient) -> None:
    assert (
        client.get("/api/images", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    )


def test_the_calls_can_be_turned_off(config: Config, classifier: FakeClassifier) -> None:
    app = create_app(config.model_copy(update={"legacy_routes": False}), classifier)
    client = app.test_client()
    assert client.get("/ping").json == {"message": "pong"}
    assert [client.get(path).status_code for path in ("/healthcheck", "/api/images")] == [404, 404]
    assert client.post("/infer", data={"image": as_file(draw())}).status_code == 404


@pytest.mark.parametrize("path", ["/infer", "/predict", "/predict/", "/api/upload"])
def test_a_full_server_says_so_and_when_to_come_back(
    app: Flask, client: FlaskClient, path: str
) -> None:
    stored(client, mark=1)
    limiter = app.extensions["marque"].limiter = AdmissionLimiter(1, waiting=0)
    with limiter.slot():
        answer = client.post(
            path, data={name: as_file(draw()) for name in ("image", "file", "files")}, headers=JSON
        )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
