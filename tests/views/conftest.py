"""What the tests of the HTML door share: people, and photos sent through the form."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD, draw
from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.services.accounts import users
from webapp.storage.database import db

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
def make_app(config: Config) -> Iterator[Callable[..., Flask]]:
    """Apps with other settings or another classifier, on their own fresh database."""
    apps: list[Flask] = []

    def make(classifier: FakeClassifier | None = None, **changes: object) -> Flask:
        app = create_app(config.model_copy(update=changes), classifier)  # type: ignore[arg-type]
        app.config["WTF_CSRF_ENABLED"] = False
        with app.app_context():
            db.create_all()
        apps.append(app)
        return app

    yield make
    for app in apps:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


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
