"""The job that lets the detector look at stored photos: in parts, twice without harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.cars import live_detector
from tests.fakes import FakeDetector
from webapp.domain import SHORT
from webapp.extensions import get_pipeline, get_tools
from webapp.services.cars.look_again import look_again
from webapp.services.jobs import job_type
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker
from webapp.services.photos.gallery import get_photo
from webapp.storage.database import db, end_reading
from webapp.storage.tables import Photo

Headers = dict[str, str]


@pytest.fixture(autouse=True)
def small_parts(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts have two photos."""
    monkeypatch.setattr(job_type, "LEAST_PART", 2)
    with app.app_context():
        yield


@pytest.fixture
def photos(upload: Callable[..., str]) -> list[str]:
    """Photos from before there was a detector."""
    return [upload(mark=mark) for mark in range(5)]


@pytest.fixture
def detector(photos: list[str], monkeypatch: pytest.MonkeyPatch) -> FakeDetector:
    return live_detector(monkeypatch)


def put(client: FlaskClient, key: Headers, **wanted: str) -> str:
    body = {"kind": "detect", "filter": wanted}
    answer = client.post("/api/v1/jobs", json=body, headers=key)
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])


def work(app: Flask, client: FlaskClient, job: str, key: Headers):
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
    return client.get(f"/api/v1/jobs/{job}", headers=key).json


def counts() -> list[int | None]:
    end_reading()
    return list(db.session.scalars(select(Photo.car_count).order_by(Photo.id)))


def test_the_whole_history_is_looked_at(
    app: Flask, client: FlaskClient, key: Headers, detector: FakeDetector
) -> None:
    job = work(app, client, put(client, key), key)
    assert (job["state"], job["done"], job["total"]) == ("succeeded", 5, 5)
    assert job["result"] == {
        "detector": "car-detector",
        "version": 1,
        "looked": 5,
        "known": 0,
        "gone": 0,
    }
    assert counts() == [2] * 5


def test_only_what_a_filter_lets_through_is_looked_at(
    app: Flask, client: FlaskClient, key: Headers, photos: list[str], detector: FakeDetector
) -> None:
    work(app, client, put(client, key, picked=",".join(photos[1:3])), key)
    assert counts() == [None, 2, 2, None, None]


def test_what_was_looked_at_before_is_passed_over(
    app: Flask, client: FlaskClient, key: Headers, detector: FakeDetector
) -> None:
    work(app, client, put(client, key), key)
    job = work(app, client, put(client, key), key)
    assert job["result"]["looked"] == 0
    assert JOB_TYPES["detect"].summary is not None
    assert "every photo" in JOB_TYPES["detect"].summary(job["result"])


def test_a_job_that_was_stopped_goes_on_with_the_rest(
    app: Flask, client: FlaskClient, key: Headers, photos: list[str], detector: FakeDetector
) -> None:
    job = put(client, key)
    look_again(get_photo(photos[0]), get_pipeline("all"))  # as far as it came
    assert work(app, client, job, key)["result"]["looked"] == 4
    assert counts() == [2] * 5


def test_a_part_may_run_twice(
    app: Flask, client: FlaskClient, key: Headers, photos: list[str], detector: FakeDetector
) -> None:
    jobs = [put(client, key), put(client, key)]
    results = [work(app, client, job, key)["result"] for job in jobs]
    assert sorted(result["looked"] for result in results) == [0, 5]
    assert counts() == [2] * 5


def test_without_a_detector_it_is_refused_with_what_to_do(
    client: FlaskClient, key: Headers, photos: list[str]
) -> None:
    answer = client.post("/api/v1/jobs", json={"kind": "detect"}, headers=key)
    assert answer.status_code == 409 and "MARQUE_DETECTOR" in answer.json["detail"]
