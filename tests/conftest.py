"""What tests share: a real SQLite file, an app on it, people, and pictures drawn on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from PIL import Image, ImageDraw
from werkzeug.security import generate_password_hash

from tests.conforming import hold_to_the_document
from tests.fakes import FakeClassifier, make_cars_card
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.models.card import ModelCard
from webapp.services.accounts import api_keys, users
from webapp.storage.database import db

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and bad files beside the checkout; tests that need it are skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared photos are not on this machine")
    return SHARED


@pytest.fixture(autouse=True)
def quick_insecure_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with a hundredth of the work: a test makes many users."""
    monkeypatch.setattr(
        users, "generate_password_hash", partial(generate_password_hash, method="scrypt:256:8:1")
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        data=tmp_path, models=tmp_path / "models", secret_key="k" * 32, workers=1, threads=8
    )


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def cars() -> FakeClassifier:
    """A second model, with labels of its own. It is live in modules whose fixture `others` names it."""
    return FakeClassifier(make_cars_card())


@pytest.fixture
def others() -> list[FakeClassifier]:
    """The models that are live beside `classifier`: none, unless a module says so."""
    return []


@pytest.fixture
def app(
    config: Config, classifier: FakeClassifier, others: list[FakeClassifier]
) -> Iterator[Flask]:
    """An app on a fresh SQLite file, with a classifier that answers by colour."""
    for one in (classifier, *others):
        install(one.card, config.models)
    app = create_app(config, classifier, others)
    app.testing = True
    hold_to_the_document(app)
    app.config["WTF_CSRF_ENABLED"] = False  # tests/views/test_csrf.py switches it on again
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def install(card: ModelCard, models: Path) -> None:
    """Lay a card into a models folder as the live version, without a network."""
    folder = models / card.name / str(card.version)
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(card.to_json(), encoding="utf-8")
    (models / card.name / "LIVE").write_text(f"{card.version}\n", encoding="ascii")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """A browser in which the admin Anna has logged in."""
    with app.app_context():
        users.create_user("Anna", role="admin", password=PASSWORD)
    client = app.test_client()
    client.post("/login", data={"name": "Anna", "password": PASSWORD})
    return client


@pytest.fixture
def key(app: Flask) -> dict[str, str]:
    """The header of an API key with the scope `admin`."""
    with app.app_context():
        _row, text = api_keys.create_key("tests", "admin")
    return {"Authorization": f"Bearer {text}"}


def draw(
    color: str = "#FF8700", size: tuple[int, int] = (120, 80), mark: int = 0, format: str = "JPEG"
) -> bytes:
    """A small picture of one colour. `mark` draws a small block elsewhere, so that the bytes differ."""
    image = Image.new("RGB", size, color)
    ImageDraw.Draw(image).rectangle(
        (mark % size[0], mark // size[0], mark % size[0] + 2, mark // size[0] + 2), fill="black"
    )
    stream = io.BytesIO()
    image.save(stream, format)
    return stream.getvalue()


@pytest.fixture
def upload(client: FlaskClient) -> Callable[..., str]:
    """Upload a drawn picture through the JSON door; returns the photo's id."""

    def send(color: str = "#FF8700", mark: int = 0, name: str = "car.jpg", **fields: str) -> str:
        data = {"file": (io.BytesIO(draw(color, mark=mark)), name), **fields}
        answer = client.post("/api/v1/photos", data=data)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    return send
