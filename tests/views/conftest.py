"""What the tests of the pages share: people, and photos sent through the form."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, Apps, draw
from tests.fakes import FakeClassifier
from webapp.config import Config
from webapp.services.accounts import users

Send = Callable[..., str]


def form_of(*files: tuple[bytes, str], **fields: str) -> dict[str, object]:
    """What the upload form sends."""
    return {"files": [(io.BytesIO(content), name) for content, name in files], **fields}


def send_photo(
    client: FlaskClient, color: str = "#FF8700", name: str = "car.jpg", mark: int = 0, **fields: str
) -> str:
    """Send one drawn photo with the form; returns the photo's id."""
    answer = client.post("/", data=form_of((draw(color, mark=mark), name), **fields))
    assert answer.status_code == 303, answer.text
    return re.findall(r"/photos/([\w-]+)", answer.location)[0]


@pytest.fixture
def make_app(apps: Apps, config: Config) -> Callable[..., Flask]:
    """Apps with other settings or another classifier, on the database of the test."""

    def make(classifier: FakeClassifier | None = None, **changes: object) -> Flask:
        settings = config.model_copy(update=changes)
        return apps.lend(settings, [classifier] if classifier else [])

    return make


@pytest.fixture
def send(client: FlaskClient) -> Send:
    """Send a photo as a visitor."""

    def as_visitor(*arguments: object, **fields: object) -> str:
        return send_photo(client, *arguments, **fields)  # type: ignore[arg-type]

    return as_visitor


@pytest.fixture
def reviewer(app: Flask) -> FlaskClient:
    """A browser in which the reviewer Ben has logged in."""
    with app.app_context():
        users.create_user("Ben", role="reviewer", password=PASSWORD)
    client = app.test_client()
    client.post("/login", data={"name": "Ben", "password": PASSWORD})
    return client


@pytest.fixture
def admin_of() -> Callable[[Flask], FlaskClient]:
    """Logs the admin Anna into another app."""

    def log_in(app: Flask) -> FlaskClient:
        with app.app_context():
            users.create_user("Anna", role="admin", password=PASSWORD)
        client = app.test_client()
        client.post("/login", data={"name": "Anna", "password": PASSWORD})
        return client

    return log_in


def text_of(response: TestResponse) -> str:
    """A page with all white space as single spaces, as a browser shows it."""
    return " ".join(response.text.split())
