"""Training from the page: what there is to learn from, the job, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.fakes import make_card
from webapp.config import Config
from webapp.domain import LONG
from webapp.extensions import get_tools
from webapp.services.jobs.types import training as training_job
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker

Upload = Callable[..., str]
PAGE = "/models/f1-teams/train"
MADE = {"name": "f1-teams", "version": 2, "base": 1, "cars": 6, "new_labels": ["Audi"]}


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `requirements.txt` is: tests/training/test_quick.py needs TensorFlow itself."""
    monkeypatch.setattr(training_job, "find_spec", lambda _name: True)


@pytest.fixture
def labelled(admin: FlaskClient, upload: Upload, key: dict[str, str]) -> list[str]:
    """Six photos of a label that no version knows."""
    admin.post("/models/f1-teams/labels/add", data={"label": "Audi"})
    ids = [upload(mark=mark) for mark in range(6)]
    for public_id in ids:
        where = f"/api/v1/photos/{public_id}/ground-truth"
        assert admin.put(where, json={"label": "Audi"}, headers=key).status_code == 200
    return ids


def test_a_label_is_added_on_the_page_of_the_labels(admin: FlaskClient) -> None:
    answer = admin.post("/models/f1-teams/labels/add", data={"label": "Audi"})
    page = admin.get(answer.location).text
    assert "Audi may be given from now on" in page
    assert "not learned yet" in page and "as a new label" in page


def test_a_label_that_is_there_is_refused(admin: FlaskClient) -> None:
    answer = admin.post("/models/f1-teams/labels/add", data={"label": "Haas"})
    assert "means Haas already" in admin.get(answer.location).text


def test_without_labelled_cars_the_page_says_what_to_do(admin: FlaskClient) -> None:
    page = admin.get(PAGE).text
    assert "Nobody has labelled a car" in page and "5 are needed" in page
    assert ">Train</button>" not in page
    assert admin.post(PAGE).status_code == 422


def test_the_page_counts_what_is_new(admin: FlaskClient, labelled: list[str]) -> None:
    page = admin.get(PAGE).text
    assert "6 cars" in page and "labelled since version 1." in page
    assert ">Train</button>" in page and 'class="quiet">new<' in page


def test_training_is_a_job_and_a_second_press_finds_it(
    admin: FlaskClient, labelled: list[str]
) -> None:
    first, second = admin.post(PAGE), admin.post(PAGE)
    assert first.status_code == 303 and first.location == second.location
    assert "f1-teams 1 learns from 6 cars" in admin.get(first.location).text
    assert "waits already" in admin.get(PAGE).text


def test_a_server_without_tensorflow_says_so(
    admin: FlaskClient, labelled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_job, "find_spec", lambda _name: None)
    assert "installed to serve only" in admin.get(PAGE).text
    assert "installed to serve only" in admin.post(PAGE).text


def test_while_it_runs_the_page_of_the_job_shows_the_curve(
    admin: FlaskClient, labelled: list[str], config: Config
) -> None:
    address = admin.post(PAGE).location
    folder = config.data / "spool" / address.rsplit("/", 1)[-1]
    folder.mkdir(parents=True)
    state = {"done": 2, "total": 360, "losses": [2.0, 1.0]}
    (folder / "progress.json").write_text(json.dumps(state))
    assert "Loss after each step" in admin.get(address).text


def test_what_was_published_before_the_worker_was_killed_is_not_trained_again(
    app: Flask, admin: FlaskClient, labelled: list[str], config: Config
) -> None:
    address = admin.post(PAGE).location
    folder = config.data / "spool" / address.rsplit("/", 1)[-1]
    folder.mkdir(parents=True)
    (folder / "made.json").write_text(json.dumps(MADE))
    install_second(config)
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(LONG)
    page = admin.get(address).text
    assert "f1-teams 2 learned from 6 cars, Audi among them for the first time" in page
    assert 'href="/models/f1-teams/compare?a=1&amp;b=2"' in page


def install_second(config: Config) -> None:
    folder = config.models / "f1-teams" / "2"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(make_card(2).to_json(), encoding="utf-8")


def test_a_training_over_json_is_the_same_job(
    client: FlaskClient, admin: FlaskClient, labelled: list[str], key: dict[str, str]
) -> None:
    answer = client.post("/api/v1/trainings", json={"model": "f1-teams"}, headers=key)
    assert answer.status_code == 202 and answer.json["kind"] == "train"
    assert answer.headers["Location"].endswith(answer.json["id"])
    assert admin.post(PAGE).location.endswith(answer.json["id"])


def test_a_training_of_no_model_is_refused(client: FlaskClient, key: dict[str, str]) -> None:
    answer = client.post("/api/v1/trainings", json={"model": "nothing"}, headers=key)
    assert answer.status_code == 404
