"""What tests share: apps on real SQLite files, people, and pictures that are drawn when needed."""

from __future__ import annotations

import io
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from PIL import Image, ImageDraw
from sqlalchemy import event
from werkzeug.security import generate_password_hash

from tests.cars import live_detector
from tests.conforming import hold_to_the_document
from tests.fakes import FakeClassifier, FakeDetector, make_cars_card
from webapp import extensions
from webapp.api.schemas.photos import photo_json
from webapp.app import create_app
from webapp.config import Config
from webapp.http.rate_limits import Rates
from webapp.inference.models.card import ModelCard
from webapp.services.accounts import api_keys, users
from webapp.storage.database import db
from webapp.storage.labels import events as label_events

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
PASSWORD = "correct horse battery"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that load TensorFlow or start a browser come first: long ones at the end wait alone."""
    slow = ("tensorflow", "browser")
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in slow))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and bad files beside the checkout; without it, skip the test."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared photos are not on this machine")
    return SHARED


@pytest.fixture(autouse=True)
def quick_insecure_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with a hundredth of the work: a test makes many users."""
    quick = partial(generate_password_hash, method="scrypt:256:8:1")
    monkeypatch.setattr(users, "generate_password_hash", quick)


class Apps:
    """Apps by their settings. Making one takes longer than most tests, so tests share them.

    Each test gets an empty database (a copy of one that was made once), new classifiers and tools,
    and Flask's settings and extensions as they were. Routes cannot be added: see `fresh_app`.
    """

    def __init__(self, empty_database: Path) -> None:
        self._empty_database = empty_database
        self._made: dict[Flask, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._free: dict[Config, list[Flask]] = defaultdict(list)
        self._lent: list[tuple[Config, Flask]] = []

    def lend(self, config: Config, classifiers: Sequence[FakeClassifier] = ()) -> Flask:
        """An app with these settings and classifiers; without any, on the models of its folder."""
        file = config.data / "marque.sqlite"
        if not file.exists():
            shutil.copyfile(self._empty_database, file)
        app = self._free[config].pop() if self._free[config] else self._make(config)
        for current, made in zip((app.config, app.extensions), self._made[app], strict=True):
            current.clear()
            current.update(made)
        extensions.init_app(app, config, classifiers, photo_json)
        app.extensions["marque-rates"] = Rates()
        self._lent.append((config, app))
        return app

    def take_back(self) -> None:
        """End the database connections of the apps that a test had."""
        label_events.remembered_sets.clear()
        for config, app in self._lent:
            close(app)
            self._free[config].append(app)
        self._lent.clear()

    def _make(self, config: Config) -> Flask:
        app = create_app(config)
        for_tests(app)
        with app.app_context():
            event.listen(db.engine, "connect", _do_not_wait_for_the_disk)
        self._made[app] = dict(app.config), dict(app.extensions)
        return app


class _Client(FlaskClient):
    """A client whose `.text` of a page has sentences in one piece, as a browser shows them.

    A line end and what it indents is one space there too; where none was, none comes in.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_wrapper = type("PageResponse", (_PageText, self.response_wrapper), {})


class _PageText:
    @property
    def text(self) -> str:
        text = self.get_data(as_text=True)  # type: ignore[attr-defined]
        is_page = str(self.content_type).startswith("text/html")  # type: ignore[attr-defined]
        if not is_page:
            return text
        as_it_is = r"(<(pre|textarea)\b.*?</\2>)"
        return re.sub(rf"{as_it_is}|\n +(?![ <])", lambda part: part[1] or " ", text, flags=re.S)


def for_tests(app: Flask) -> None:
    """Raise unexpected errors, check each JSON answer, and let forms come without a token.

    tests/views/test_csrf.py switches the tokens on again.
    """
    app.testing = True
    app.test_client_class = _Client
    hold_to_the_document(app)
    app.config["WTF_CSRF_ENABLED"] = False


def close(app: Flask) -> None:
    """End the database connections of an app."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def _do_not_wait_for_the_disk(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()


@pytest.fixture(scope="session")
def shared_apps(tmp_path_factory: pytest.TempPathFactory) -> Apps:
    """The apps of all tests."""
    folder = tmp_path_factory.mktemp("empty")
    app = create_app(Config(data=folder, models=folder / "models", secret_key="k" * 32))
    with app.app_context():
        db.create_all()
    close(app)
    return Apps(folder / "marque.sqlite")


@pytest.fixture
def apps(shared_apps: Apps) -> Iterator[Apps]:
    """Apps for this test."""
    yield shared_apps
    shared_apps.take_back()


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of every test's app, one after the other."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def config(data_folder: Path) -> Config:
    """Settings for a data folder that is empty."""
    shutil.rmtree(data_folder)
    data_folder.mkdir()
    return Config(
        data=data_folder,
        models=data_folder / "models",
        secret_key="k" * 32,
        workers=1,
        threads=8,
    )


def settings_of(config: Config) -> dict[str, str]:
    """The variables with which a process sees the same data."""
    names = ("data", "models", "model", "engine", "database_url", "secret_key")
    return {f"MARQUE_{name.upper()}": str(getattr(config, name)) for name in names}


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def cars() -> FakeClassifier:
    """A second model with labels of its own, to which photos look less familiar than the other one
    is sure, so that the other one's answer is chosen. Live in modules whose `others` names it."""
    model = FakeClassifier(make_cars_card())
    model.familiarity = 0.5
    return model


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> FakeDetector:
    """A live detector that finds two cars, `LEFT` and `RIGHT`, or what a test says."""
    return live_detector(monkeypatch)


@pytest.fixture
def others() -> list[FakeClassifier]:
    """The models that are live beside `classifier`: none, unless a module says so."""
    return []


@pytest.fixture
def app(
    apps: Apps, config: Config, classifier: FakeClassifier, others: list[FakeClassifier]
) -> Flask:
    """An app on an empty SQLite file, with a classifier that answers by colour."""
    for model in (classifier, *others):
        install(model.card, config.models)
    return apps.lend(config, [classifier, *others])


@pytest.fixture
def fresh_app(config: Config, classifier: FakeClassifier) -> Iterator[Flask]:
    """An app that only this test has, on a database that the app itself has made."""
    install(classifier.card, config.models)
    app = create_app(config, classifier)
    for_tests(app)
    with app.app_context():
        db.create_all()
    yield app
    close(app)


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The SQL statements and their values that the app's database gets inside the block."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        seen.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def plan_of(query: Callable[[], object]) -> list[str]:
    """The steps that SQLite takes for the last statement of a query."""
    with statements() as run:
        query()
    statement, values = run[-1]
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    return [row[3] for row in plan]


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
    """A small picture of one colour. Each `mark` puts a small block elsewhere: other bytes."""
    image = Image.new("RGB", size, color)
    ImageDraw.Draw(image).rectangle(
        (mark % size[0], mark // size[0], mark % size[0] + 2, mark // size[0] + 2), fill="black"
    )
    stream = io.BytesIO()
    image.save(stream, format)
    return stream.getvalue()


@pytest.fixture
def upload(client: FlaskClient) -> Callable[..., str]:
    """Upload a drawn picture through the JSON API; returns the photo's id."""

    def send(color: str = "#FF8700", mark: int = 0, name: str = "car.jpg", **fields: str) -> str:
        data = {"file": (io.BytesIO(draw(color, mark=mark)), name), **fields}
        answer = client.post("/api/v1/photos", data=data)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    return send
