"""A real server and a real browser. Without Chromium or Playwright these tests are skipped."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from tests.conftest import PASSWORD, ROOT, draw, install
from tests.fakes import FakeClassifier
from webapp.app import create_app
from webapp.config import Config
from webapp.inference.models.registry import Registry
from webapp.services.accounts import users
from webapp.storage.database import db

CHROMIUM = next(
    (
        path
        for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
        if Path(path).exists()
    ),
    "",
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Marque, with the shipped models if there are any."""
    folder = tmp_path_factory.mktemp("site")
    shipped = any(
        Registry(ROOT / "models").live_version(name) for name in Registry(ROOT / "models").names()
    )
    with serve(folder, [] if shipped else [FakeClassifier()]) as address:
        yield address


@contextmanager
def serve(folder: Path, classifiers: list[FakeClassifier]) -> Iterator[str]:
    """A running Marque with these models, or with the shipped ones."""
    for classifier in classifiers:
        install(classifier.card, folder / "models")
    config = Config(
        data=folder,
        models=folder / "models" if classifiers else ROOT / "models",
        secret_key="k" * 32,
        workers=1,
        threads=8,
    )
    app = create_app(config, classifiers[0], classifiers[1:]) if classifiers else create_app(config)
    with app.app_context():
        db.create_all()
        users.create_user("Anna", role="admin", password=PASSWORD)
    server = make_server("127.0.0.1", 0, whole_answers(app), threaded=True)
    waiting = {"poll_interval": 0.02}  # seconds that the end of a test waits for
    thread = threading.Thread(target=server.serve_forever, kwargs=waiting, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    with app.app_context():
        db.engine.dispose()


def whole_answers(app: Flask) -> Callable[[Any, Any], list[bytes]]:
    """The app, each answer read and closed before it is sent.

    Werkzeug's server does not close an answer whose browser has gone.
    """

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        with closing(app.wsgi_app(environ, start_response)) as parts:  # type: ignore[type-var]
            return [b"".join(parts)]

    return answer


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not (CHROMIUM or shutil.which("chromium")):
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM or shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


class Watch:
    """What went wrong on a page, and what it asked for elsewhere."""

    def __init__(self, page: Any, site: str) -> None:
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.on(
            "console",
            lambda message: (
                self.errors.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((site, "blob:"))
                else self.elsewhere.append(request.url)
            ),
        )


@pytest.fixture
def page(browser: Any, site: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A new browser. At the end it has no error and has sent no request to another machine.

    `@pytest.mark.parametrize("page", [{...}], indirect=True)` sets its viewport, color_scheme,
    java_script_enabled, …
    """
    settings = {"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(base_url=site, **settings)
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.watch = Watch(page, site)
    yield page
    errors, elsewhere = page.watch.errors, page.watch.elsewhere
    context.close()
    assert not elsewhere
    assert not errors


@pytest.fixture
def reviewer(page: Any) -> Any:
    """A page on which Anna has logged in."""
    page.goto("/login")
    page.get_by_label("User name").fill("Anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/gallery")
    return page


def add_photo(page: Any, mark: int, color: str = "#C00000", name: str = "car.jpg") -> str:
    """Send a drawn photo through the JSON API; returns its id."""
    answer = page.request.post(
        "/api/v1/photos",
        multipart={
            "file": {"name": name, "mimeType": "image/jpeg", "buffer": draw(color, mark=mark)}
        },
    )
    return str(answer.json()["id"])


def as_file(mark: int, name: str = "car.jpg", color: str = "#FF8700") -> dict[str, Any]:
    """A drawn photo for a file input."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": draw(color, mark=mark)}
