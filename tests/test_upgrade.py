"""A history made by commit a7714e3 is the same for people after today's migrations.

What is in it, and what that commit answered about it: `tests/fixtures/make_history.py`.
"""

import json
import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import text

from tests.conftest import ROOT, close, for_tests
from tests.fakes import FakeClassifier
from tests.fixtures.ask_history import ANSWERS, ask_jobs, ask_photo, first_page, get, rows_of
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import SHORT
from webapp.extensions import get_tools
from webapp.inference.models.card import ModelCard
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.storage.database import db

HISTORY = ROOT / "tests/fixtures/a7714e3"
THEN: dict[str, Any] = json.loads((HISTORY / "answers.json").read_text("utf-8"))
SUSPECTED = "/api/v1/suspected?limit=50"
KEYS, ADMIN = THEN["keys"], THEN["keys"]["admin"]
PAGES = (
    "/",
    "/account",
    "/admin/keeping",
    "/admin/keys",
    "/admin/log",
    "/admin/users",
    "/admin/webhooks",
    "/admin/webhooks/1",
    "/export",
    "/gallery",
    "/gallery/deleted",
    "/jobs",
    "/models",
    "/models/f1-teams",
    "/models/f1-teams/2",
    "/models/f1-teams/compare?a=1&b=2",
    "/models/f1-teams/labels",
    "/models/f1-teams/labels?label=haas",
    "/models/f1-teams/labels.csv",
    "/review",
    "/review?order=audit",
    "/review?order=disputed",
    "/review?order=suspected",
    "/review?ground_truth=mercedes",
    "/stats",
)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of that time, with the database brought up to date."""
    data = tmp_path_factory.mktemp("upgrade") / "data"
    shutil.copytree(HISTORY / "models", data / "models")
    database = lzma.decompress((HISTORY / "history.sqlite.xz").read_bytes())
    (data / "marque.sqlite").write_bytes(database)
    app = open_site(data)
    with app.app_context():
        upgrade()
    close(app)
    return data


@pytest.fixture(scope="module")
def read_only(upgraded: Path) -> Iterator[Flask]:
    """The site on that history, for tests that only look."""
    app = open_site(upgraded)
    yield app
    close(app)


@pytest.fixture
def now(read_only: Flask) -> FlaskClient:
    """Somebody who asks the upgraded site."""
    return read_only.test_client()


@pytest.fixture(scope="module")
def anna(read_only: Flask) -> FlaskClient:
    """The admin, logged in."""
    return log_in(read_only, "Anna")


@pytest.fixture
def site(upgraded: Path, tmp_path: Path) -> Iterator[Flask]:
    """The site on a copy of that history, for tests that change it."""
    shutil.copytree(upgraded, tmp_path / "copy")
    app = open_site(tmp_path / "copy")
    yield app
    close(app)


def open_site(data: Path) -> Flask:
    config = Config(data=data, models=data / "models", secret_key="k" * 32, rate_limits=False)
    versions = ("f1-teams/2", "stanford-cars/1", "f1-teams/1")
    cards = [ModelCard.read(data / "models" / version) for version in versions]
    live, *others = [FakeClassifier(card) for card in cards]
    app = create_app(config, live, others)
    for_tests(app)
    return app


def log_in(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    answer = client.post("/login", data={"name": name, "password": THEN["passwords"][name]})
    assert answer.status_code == 303, answer.text
    return client


def differences(now: Any, then: Any, where: str = "") -> Iterator[str]:
    """Where something is not as it was. New fields are fine, and so are rounding errors."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name, value in then.items():
            yield from differences(now.get(name, "(absent)"), value, f"{where}/{name}")
    elif isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        for place, (here, there) in enumerate(zip(now, then, strict=True)):
            yield from differences(here, there, f"{where}/{place}")
    elif isinstance(then, float) and isinstance(now, int | float):
        if abs(now - then) > 0.001:
            yield f"{where}: {now} was {then}"
    elif now != then:
        yield f"{where}: {now} was {then}"


def same(now: Any, then: Any) -> None:
    assert list(differences(now, then))[:20] == []


# ---- what people see ----


def test_every_photo_is_there_with_its_label_its_answer_and_its_outcome(now: FlaskClient) -> None:
    rows = rows_of(now, KEYS)
    assert (list(rows), len(rows)) == (list(THEN["photos"]), 500)
    same(rows, THEN["photos"])


def test_filters_find_the_same_photos_in_the_same_order(now: FlaskClient) -> None:
    places = {photo: place for place, photo in enumerate(THEN["photos"])}
    wrong = {}
    for query, expected in THEN["filters"].items():
        photos = [places[photo] for photo in first_page(now, query, ADMIN)]
        if photos != expected and query != "duplicates=yes":  # by other hashes than then
            wrong[query] = f"{photos}, were {expected}"
    assert wrong == {}


def test_photos_have_all_their_answers_and_what_people_said(now: FlaskClient) -> None:
    same({photo: ask_photo(now, photo, ADMIN) for photo in THEN["whole"]}, THEN["whole"])


@pytest.mark.parametrize("path", [path for path in ANSWERS if path != SUSPECTED])
def test_models_and_stats_are_answered_alike(now: FlaskClient, path: str) -> None:
    same(get(now, path, ADMIN), THEN["answers"][path])


def test_labels_are_suspected_alike_where_another_one_is_more_probable(now: FlaskClient) -> None:
    items = [
        item
        for item in THEN["answers"][SUSPECTED]["items"]
        if item["other_probability"] > item["probability"]
    ]
    same(get(now, SUSPECTED, ADMIN)["items"], items)


def test_exports_say_what_they_held(now: FlaskClient) -> None:
    exports = {number: get(now, f"/api/v1/exports/{number}", ADMIN) for number in THEN["exports"]}
    same(exports, THEN["exports"])


@pytest.mark.parametrize("scope", ["predict", "review"])
def test_a_key_sees_its_jobs_with_their_logs(now: FlaskClient, scope: str) -> None:
    jobs = ask_jobs(now, KEYS, scope)
    assert list(jobs) == list(THEN["jobs"][scope])
    same(jobs, THEN["jobs"][scope])


@pytest.mark.parametrize("path", PAGES)
def test_pages_open(anna: FlaskClient, path: str) -> None:
    assert anna.get(path).status_code == 200


def test_webhooks_are_kept(anna: FlaskClient) -> None:
    page = anna.get("/admin/webhooks").text
    assert all(f"/admin/webhooks/{number}" in page for number in (1, 2, 3))


# ---- who may come in ----


@pytest.mark.parametrize("name", THEN["passwords"])
def test_people_can_log_in(read_only: Flask, name: str) -> None:
    assert name in log_in(read_only, name).get("/account").text


@pytest.mark.parametrize(
    ("name", "status"),
    [("predict", 403), ("review", 200), ("admin", 200), ("expired", 401), ("revoked", 401)],
)
def test_keys_open_what_they_opened(now: FlaskClient, name: str, status: int) -> None:
    answer = now.get("/api/v1/export?format=jsonl&limit=1", headers=KEYS[name])
    assert answer.status_code == status
    answer.close()


# ---- what can still be done ----


@pytest.mark.parametrize("name", THEN["undone"])
def test_what_was_done_before_can_be_taken_back(site: Flask, name: str) -> None:
    step = THEN["undone"][name]
    assert log_in(site, "Anna").post(step["path"], data=step["form"]).status_code == 303
    client = site.test_client()
    same(rows_of(client, KEYS), THEN["photos"] | step["photos"])
    same({path: get(client, path, ADMIN) for path in step["answers"]}, step["answers"])


def test_jobs_that_waited_are_done(site: Flask) -> None:
    waiting = [job for job, then in THEN["jobs"]["review"].items() if then["state"] == "queued"]
    Worker(JOB_TYPES, get_tools, site.app_context).run_queue(SHORT)
    jobs = ask_jobs(site.test_client(), KEYS, "review")
    assert {jobs[job]["state"] for job in waiting} == {"succeeded"}


def test_no_row_points_nowhere(read_only: Flask) -> None:
    with read_only.app_context():
        assert db.session.execute(text("PRAGMA foreign_key_check")).all() == []
        assert db.session.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        db.session.remove()
