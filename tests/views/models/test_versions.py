"""The versions of a model in the browser: compared, promoted, rolled back, taken along."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import ROOT, install
from tests.fakes import TEAMS, FakeClassifier, make_card
from tests.views.conftest import send_photo
from webapp.app import create_app
from webapp.config import Config
from webapp.domain import SHORT
from webapp.extensions import get_registry, get_tools, load_version
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import fingerprint, write_split
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.models import compare
from webapp.services.photos.classify import Pipeline
from webapp.storage.database import db
from webapp.storage.file_stores.database import DatabaseFiles

SPLIT = {"0" * 64: "train"}
METRICS = {"test": {"n": 100, "top1": 0.9}}


def version(number: int) -> FakeClassifier:
    return FakeClassifier(
        make_card(number, split={"fingerprint": fingerprint(SPLIT)}, metrics=METRICS)
    )


@pytest.fixture
def classifier() -> FakeClassifier:
    return version(1)


@pytest.fixture
def challenger() -> FakeClassifier:
    return version(2)


@pytest.fixture
def others(challenger: FakeClassifier) -> list[FakeClassifier]:
    return [challenger]


@pytest.fixture(autouse=True)
def first_is_live(app: Flask, config: Config) -> None:
    """Version 1 is live, version 2 waits; what both have learnt from is known."""
    for number in (1, 2):
        write_split(config.models / "f1-teams" / str(number), SPLIT)
    (config.models / "f1-teams" / "LIVE").write_text("1\n")


@pytest.fixture
def compared(
    app: Flask, client: FlaskClient, reviewer: FlaskClient, challenger: FakeClassifier
) -> Callable[[], None]:
    """Thirty photos of a Haas, checked, and both versions have looked at them."""

    def make() -> None:
        label_photos(client, reviewer, 30)
        with app.app_context():
            both = load_version("f1-teams", 1), load_version("f1-teams", 2)
            pipeline = Pipeline(both, DatabaseFiles(), AdmissionLimiter(1, 1))
            compare.answer_history(get_registry(), pipeline)

    return make


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], None]:
    return lambda: Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)


def label_photos(client: FlaskClient, reviewer: FlaskClient, number: int) -> None:
    ids = [send_photo(client, TEAMS["haas"][1], mark=mark) for mark in range(number)]
    answer = reviewer.post(
        "/gallery/many",
        data={"action": "label", "ids": ids, "label": "haas"},
        follow_redirects=True,
    )
    assert f"Saved: {number} photos are <b>Haas.</b>" in answer.text


def live(config: Config) -> str:
    return (config.models / "f1-teams" / "LIVE").read_text().strip()


def test_the_page_of_a_model_lists_its_versions(client: FlaskClient) -> None:
    page = client.get("/models/f1-teams").text
    assert "version 1 is live." in page and "f1-teams 2" in page and page.count('class="live"') == 1
    assert "What served when" not in page and "Export" not in page and "Compare" not in page


def test_reviewers_compare_and_admins_do_more(reviewer: FlaskClient, admin: FlaskClient) -> None:
    page = reviewer.get("/models/f1-teams").text
    assert (
        "Nobody has changed the live version" in page
        and ">Compare</a>" in page
        and "Export" not in page
    )
    assert "Compare, promote" in admin.get("/models/f1-teams").text


def test_an_unknown_model_is_not_there(client: FlaskClient, admin: FlaskClient) -> None:
    assert client.get("/models/nothing").status_code == 404
    assert admin.get("/models/nothing/compare").status_code == 404
    assert admin.get("/models/f1-teams/compare?a=1&b=9").status_code == 404


def test_visitors_are_asked_to_log_in_before_they_compare(client: FlaskClient) -> None:
    answer = client.get("/models/f1-teams/compare?a=1&b=2")
    assert answer.status_code == 303
    assert answer.location.startswith("/login?next=")


@pytest.mark.parametrize("path", ["compare", "promote", "rollback"])
def test_only_admins_change_what_serves(
    client: FlaskClient, reviewer: FlaskClient, path: str, config: Config
) -> None:
    form = {"version": "2", "a": "1", "b": "2", "why": "a try", "force": "yes"}
    assert client.post(f"/models/f1-teams/{path}", data=form).status_code == 401
    assert reviewer.post(f"/models/f1-teams/{path}", data=form).status_code == 403
    assert live(config) == "1"


def test_only_admins_take_a_version_along(client: FlaskClient, reviewer: FlaskClient) -> None:
    assert client.get("/models/f1-teams/3/export").status_code == 303
    assert reviewer.get("/models/f1-teams/3/export").status_code == 403


def test_every_form_wants_its_token(app: Flask, admin: FlaskClient, config: Config) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    for path in (
        "/models/f1-teams/compare",
        "/models/f1-teams/promote",
        "/models/f1-teams/rollback",
        "/imports",
    ):
        assert (
            admin.post(path, data={"version": "2", "why": "a try", "force": "yes"}).status_code
            == 400
        )
    assert live(config) == "1"


def test_a_short_history_is_nothing_to_compare_with(reviewer: FlaskClient) -> None:
    page = reviewer.get("/models/f1-teams/compare").text
    assert "Nothing to compare with." in page and "<b>30 are needed.</b>" in page
    assert "Measured on the same photos" in page and "Let version 2 serve" not in page


def test_photos_that_the_challenger_has_not_seen_are_counted(
    client: FlaskClient, reviewer: FlaskClient, admin: FlaskClient
) -> None:
    label_photos(client, reviewer, 30)
    page = admin.get("/models/f1-teams/compare?a=1&b=2").text
    assert (
        "Not compared yet." in page
        and "none of them was answered by both" in page
        and "Let both answer them" in page
    )
    assert (
        "An admin can let both versions answer"
        in reviewer.get("/models/f1-teams/compare?a=1&b=2").text
    )


def test_the_comparison_shows_what_is_broken_with_photos_and_labels(
    reviewer: FlaskClient, challenger: FakeClassifier, compared: Callable[[], None]
) -> None:
    challenger.says(ferrari=0.9)
    compared()
    page = reviewer.get("/models/f1-teams/compare?a=1&b=2").text
    assert "Version 2 is worse" in page and "Broken: 30 photos" in page and "And 6 more." in page
    assert "version 2: Ferrari" in page and "falls" in page and "−30" in page and "McNemar" in page
    assert page.count("/thumbnail") == 24


def test_a_version_that_nobody_knows_decides_nothing(
    reviewer: FlaskClient, config: Config, compared: Callable[[], None]
) -> None:
    (config.models / "f1-teams" / "2" / "split.json").unlink()
    compared()
    assert (
        "Nobody knows which photos version 2 was trained on."
        in reviewer.get("/models/f1-teams/compare").text
    )


@pytest.mark.parametrize("query", ["a=1&b=1", "a=one", "a=1&b=99999999999"])
def test_a_comparison_that_makes_no_sense_is_said(reviewer: FlaskClient, query: str) -> None:
    assert reviewer.get(f"/models/f1-teams/compare?{query}").status_code == 400


def test_a_better_version_takes_over(
    admin: FlaskClient,
    config: Config,
    classifier: FakeClassifier,
    compared: Callable[[], None],
    reviewer: FlaskClient,
) -> None:
    classifier.says(ferrari=0.9)
    compared()
    answer = admin.post("/models/f1-teams/promote", data={"version": "2"}, follow_redirects=True)
    assert answer.request.path == "/models/f1-teams"
    assert "f1-teams 2 is live instead of version 1." in answer.text and live(config) == "2"
    page = reviewer.get("/models/f1-teams").text
    assert (
        "<b>Anna</b> let <b>version 2</b> serve instead of version 1" in page
        and "It fixes 30 and breaks 0" in page
    )


def test_a_worse_one_needs_force_and_a_reason_and_the_form_keeps_what_was_typed(
    admin: FlaskClient, config: Config, challenger: FakeClassifier, compared: Callable[[], None]
) -> None:
    challenger.says(ferrari=0.9)
    compared()
    answer = admin.post("/models/f1-teams/promote", data={"version": "2", "why": "new liveries"})
    assert answer.status_code == 409
    assert (
        'role="alert"' in answer.text
        and 'value="new liveries"' in answer.text
        and live(config) == "1"
    )
    assert (
        admin.post("/models/f1-teams/promote", data={"version": "2", "force": "yes"}).status_code
        == 409
    )
    admin.post(
        "/models/f1-teams/promote", data={"version": "2", "why": "new liveries", "force": "yes"}
    )
    assert live(config) == "2"
    page = admin.get("/models/f1-teams").text
    assert "“new liveries”" in page and "against the comparison" in page


@pytest.mark.parametrize("force", ["no", "false", "0", ""])
def test_only_a_plain_yes_insists(
    admin: FlaskClient,
    config: Config,
    challenger: FakeClassifier,
    compared: Callable[[], None],
    force: str,
) -> None:
    challenger.says(ferrari=0.9)
    compared()
    data = {"version": "2", "why": "new liveries", "force": force}
    assert admin.post("/models/f1-teams/promote", data=data).status_code == 409
    assert live(config) == "1"


def test_with_nothing_to_compare_a_reason_is_enough(admin: FlaskClient, config: Config) -> None:
    assert "so it takes a reason" in admin.get("/models/f1-teams/compare").text
    assert admin.post("/models/f1-teams/promote", data={"version": "2"}).status_code == 409
    assert (
        admin.post(
            "/models/f1-teams/promote", data={"version": "2", "why": "the first photos"}
        ).status_code
        == 303
    )
    assert live(config) == "2"


def test_going_back_is_one_press(admin: FlaskClient, config: Config) -> None:
    admin.post("/models/f1-teams/promote", data={"version": "2", "why": "a try"})
    assert "Go back to version 1" in admin.get("/models/f1-teams").text
    page = admin.post(
        "/models/f1-teams/rollback", data={"why": "complaints"}, follow_redirects=True
    ).text
    assert (
        "f1-teams 1 is live again, instead of version 2." in page
        and "“complaints”" in page
        and live(config) == "1"
    )


def test_there_is_no_way_back_before_the_first_change(admin: FlaskClient) -> None:
    assert "Go back to" not in admin.get("/models/f1-teams").text
    assert admin.post("/models/f1-teams/rollback").status_code == 409


@pytest.mark.parametrize(("number", "status"), [("1", 409), ("9", 404), ("two", 400)])
def test_what_cannot_take_over_is_said(admin: FlaskClient, number: str, status: int) -> None:
    assert (
        admin.post(
            "/models/f1-teams/promote", data={"version": number, "why": "a try", "force": "yes"}
        ).status_code
        == status
    )


def test_a_model_without_a_live_version_gets_one(admin: FlaskClient, config: Config) -> None:
    (config.models / "f1-teams" / "LIVE").unlink()
    page = admin.get("/models/f1-teams").text
    assert "no version is live." in page and page.count("Let it serve") == 2
    admin.post("/models/f1-teams/promote", data={"version": "2"})
    assert live(config) == "2"


def test_both_look_at_the_newest_photos_in_a_job(
    client: FlaskClient,
    reviewer: FlaskClient,
    admin: FlaskClient,
    challenger: FakeClassifier,
    run_jobs: Callable[[], None],
) -> None:
    label_photos(client, reviewer, 30)
    send_photo(client, TEAMS["haas"][1], mark=40)
    challenger.says(ferrari=0.9)
    job = admin.post("/models/f1-teams/compare", data={"a": "1", "b": "2", "newest": "5"}).location
    answer = admin.get("/models/f1-teams/compare")
    assert (
        answer.headers["Refresh"] == "3"
        and job in answer.text
        and "Let both answer" not in answer.text
    )
    assert (
        admin.post("/models/f1-teams/compare", data={"a": "1", "b": "2"}).location == job
    )  # the one that is not over
    run_jobs()
    page = admin.get(job).text
    assert "different answers to 31 of 31 photos, 1 of these without a ground truth." in page
    assert "Version 2 is worse" in admin.get("/models/f1-teams/compare").text


def test_where_they_differ_is_a_queue_and_a_gallery(
    client: FlaskClient,
    reviewer: FlaskClient,
    admin: FlaskClient,
    challenger: FakeClassifier,
    run_jobs: Callable[[], None],
) -> None:
    older = send_photo(client, TEAMS["haas"][1], mark=1)
    newer = send_photo(client, TEAMS["haas"][1], mark=2)
    challenger.says(ferrari=0.9)
    job = admin.post("/models/f1-teams/compare", data={"a": "1", "b": "2", "newest": "1"}).location
    run_jobs()
    page = admin.get(job).text
    queue, gallery = (
        unescape(re.findall(f'href="(/{place}[^"]*compared=[^"]+)"', page)[0])
        for place in ("review", "gallery")
    )
    assert newer in reviewer.get(queue).text and older not in reviewer.get(queue).text
    assert newer in reviewer.get(gallery).text and older not in reviewer.get(gallery).text
    assert queue.split("?")[1] in unescape(admin.get("/models/f1-teams/compare").text)


@pytest.mark.parametrize("newest", ["0", "many", "20001"])
def test_a_strange_number_of_photos_is_said_above_the_form(admin: FlaskClient, newest: str) -> None:
    answer = admin.post("/models/f1-teams/compare", data={"a": "1", "b": "2", "newest": newest})
    assert answer.status_code == 400
    assert "1 to 20,000 of the newest photos" in answer.text and f'value="{newest}"' in answer.text


def test_a_comparison_that_failed_says_so_and_can_be_tried_again(
    app: Flask, admin: FlaskClient, config: Config, run_jobs: Callable[[], None]
) -> None:
    admin.post("/models/f1-teams/compare", data={"a": "1", "b": "2"})
    (config.models / "f1-teams" / "2" / "card.json").rename(config.models / "away")
    run_jobs()
    (config.models / "away").rename(config.models / "f1-teams" / "2" / "card.json")
    page = admin.get("/models/f1-teams/compare?a=1&b=2").text
    assert "What was answered is kept." in page and "Let both answer" in page


# ---- with the shipped network ----


@pytest.fixture
def shipped(tmp_path: Path) -> Flask:
    """An app on the models that the repository ships."""
    app = create_app(Config(data=tmp_path / "data", models=ROOT / "models", secret_key="k" * 32))
    (tmp_path / "data").mkdir()
    app.config["WTF_CSRF_ENABLED"] = False
    with app.app_context():
        db.create_all()
    return app


def test_a_version_is_taken_along_as_a_zip(
    shipped: Flask, admin_of: Callable[[Flask], FlaskClient], tmp_path: Path
) -> None:
    answer = admin_of(shipped).get("/models/f1-teams/3/export")
    assert answer.headers["Content-Disposition"] == "attachment; filename=f1-teams-3.zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert ModelCard.from_json(archive.read("card.json").decode()).version == 3
    answer.close()
    assert not list((tmp_path / "data").glob(".export-*"))


def test_pages_of_a_model_with_a_broken_card_still_work(admin: FlaskClient, config: Config) -> None:
    install(make_card(3), config.models)
    (config.models / "f1-teams" / "LIVE").write_text("1\n")
    (config.models / "f1-teams" / "3" / "card.json").write_text("{")
    assert "card.json is not JSON" in admin.get("/models/f1-teams").text
    assert admin.get("/models/f1-teams/compare?a=1&b=3").status_code == 422


def test_the_models_folder_may_be_read_only(admin: FlaskClient, config: Config, app: Flask) -> None:
    folder = config.models / "f1-teams"
    (folder / ".LIVE.new").mkdir()  # writing the file fails, as on a read-only disk
    answer = admin.post("/models/f1-teams/promote", data={"version": "2", "why": "a try"})
    assert answer.status_code == 507
    assert "The models folder cannot be written" in answer.text and live(config) == "1"
