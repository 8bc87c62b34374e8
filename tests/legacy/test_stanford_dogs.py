"""The Stanford Dogs service by exact JSON, errors included."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.conftest import draw
from tests.fakes import TEAMS, FakeClassifier
from tests.legacy.calls import as_file, predicted, stored
from webapp.extensions import get_tools
from webapp.inference.admission import AdmissionLimiter
from webapp.services.jobs import parts
from webapp.services.jobs import queue as jobs
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.storage import jobs as storage
from webapp.storage.database import db, writing
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.tables import JobPart, Photo, now


def test_an_uploaded_photo_waits_for_its_prediction(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    answer = client.post(
        "/api/upload",
        data={"file": as_file(draw()), "filename": "моя 🏎.jpg", "ground_truth": "mclaren"},
    )
    link = answer.json["file"]
    assert answer.json == {
        "filename": "моя 🏎.jpg",
        "file": link,
        "predictions": None,
        "ground_truth": "mclaren",
        "id": 1,
    }
    assert (answer.status_code, classifier.ranked_photos) == (201, 0)
    assert client.get(link).data == draw()


def test_an_upload_without_a_ground_truth_has_none(client: FlaskClient) -> None:
    answer = client.post("/api/upload", data={"file": as_file(draw())}).json
    assert answer == {
        "filename": "car.jpg",
        "file": answer["file"],
        "predictions": None,
        "ground_truth": None,
        "id": 1,
    }


def test_an_upload_answers_in_its_shape_also_when_the_bytes_are_known(client: FlaskClient) -> None:
    predicted(client, stored(client))
    answer = client.post("/api/upload", data={"file": as_file(draw(), "again 🏎.jpg")}).json
    assert answer == {
        "filename": "again 🏎.jpg",
        "file": answer["file"],
        "predictions": None,
        "ground_truth": None,
        "id": 1,
    }
    assert client.get("/api/images/1").json["data"]["predictions"]


def test_the_same_bytes_have_the_same_number_and_gain_a_ground_truth(client: FlaskClient) -> None:
    assert stored(client) == stored(client) == stored(client, ground_truth="mclaren")
    assert client.get("/api/images/1").json["data"]["ground_truth"] == "mclaren"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"file": as_file(b"hello")}, 415),
        ({"file": as_file(draw()), "ground_truth": "lada"}, 422),
    ],
)
def test_a_refused_upload_stores_nothing(
    client: FlaskClient, data: dict[str, object], status: int
) -> None:
    assert (
        client.post("/api/upload", data=data, content_type="multipart/form-data").status_code
        == status
    )
    assert client.get("/api/images").json == {"data": []}


def test_a_photo_is_predicted_when_somebody_asks(client: FlaskClient) -> None:
    number = stored(client)
    answer = client.post(f"/api/predict?img_id={number}&device=cpu")
    task = answer.json["data"]["task_id"]
    assert answer.json == {
        "data": {"task_id": task, "status": "PENDING"},
        "message": "Task received",
    }
    done = client.get(f"/api/tasks/{task}").json
    assert done == {"data": {"task_id": task, "status": "SUCCESS"}, "message": "Task finished"}
    assert next(iter(client.get(f"/api/images/{number}").json["data"]["predictions"])) == "mclaren"


def test_a_photo_has_its_predictions_sorted(client: FlaskClient) -> None:
    number = stored(client)
    predicted(client, number)
    photo = client.get(f"/api/images/{number}").json
    shares = photo["data"].pop("predictions")
    assert photo == {"data": {"filename": "car.jpg", "ground_truth": None, "id": number}}
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert set(shares) == set(TEAMS)


def test_all_photos_are_listed_the_oldest_first(client: FlaskClient) -> None:
    for mark in range(3):
        stored(client, mark)
    photo = {"filename": "car.jpg", "predictions": None, "ground_truth": None}
    assert client.get("/api/images").json == {
        "data": [photo | {"id": number} for number in (1, 2, 3)]
    }


def test_a_view_is_a_picture_once_there_is_a_prediction(client: FlaskClient) -> None:
    number = stored(client, ground_truth="mclaren")
    before = client.get(f"/api/images/{number}/view")
    assert (before.status_code, before.data) == (204, b"")
    predicted(client, number)
    after = client.get(f"/api/images/{number}/view")
    assert after.mimetype == "image/jpeg"
    assert Image.open(io.BytesIO(after.data)).width > 600


@pytest.mark.parametrize("path", ["/api/images/{}", "/api/images/{}/view"])
@pytest.mark.parametrize(
    ("number", "status"),
    [("-1", 422), ("abc", 422), ("1.5", 422), ("0", 404), ("99", 404), ("9" * 25, 404)],
)
def test_a_wrong_number_is_told_from_an_unknown_one(
    client: FlaskClient, path: str, number: str, status: int
) -> None:
    answer = client.get(path.format(number))
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


@pytest.mark.parametrize(("number", "status"), [("-1", 422), ("abc", 422), ("", 422), ("99", 404)])
def test_predict_tells_a_wrong_number_from_an_unknown_one(
    client: FlaskClient, number: str, status: int
) -> None:
    assert client.post(f"/api/predict?img_id={number}&device=cpu").status_code == status


def test_a_photo_that_cannot_be_decoded_is_a_failure(app: Flask, client: FlaskClient) -> None:
    number = stored(client)
    with app.app_context(), writing():
        photo, junk = db.session.get_one(Photo, number), draw()[:400]
        photo.sha256 = hashlib.sha256(junk).hexdigest()
        DatabaseFiles().put(photo.sha256, junk)
    done = client.get(f"/api/tasks/{predicted(client, number)}").json
    assert done["data"]["status"] == "FAILURE"
    assert client.get(f"/api/images/{number}").json["data"]["predictions"] is None


def test_an_unknown_task_is_a_404(client: FlaskClient) -> None:
    answer = client.get("/api/tasks/no-such-task")
    assert (answer.status_code, answer.json["detail"]) == (404, "There is no such task.")


def test_a_job_of_another_kind_is_no_task(client: FlaskClient) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.jpg", draw())
    content.seek(0)
    job = client.post("/api/v1/jobs", data={"kind": "upload", "file": (content, "a.zip")}).json
    assert client.get(f"/api/tasks/{job['id']}").status_code == 404


class TestWithAWorker:
    """While a worker gives signs of life, it does what was asked."""

    @pytest.fixture(autouse=True)
    def worker_seen(self, app: Flask) -> None:
        self.see(app)

    def see(self, app: Flask, ago: timedelta = timedelta(0)) -> None:
        with app.app_context(), writing():
            storage.see_worker("w1", now() - ago, now() - timedelta(days=1))

    def status(self, client: FlaskClient, task: str) -> tuple[str, str]:
        done = client.get(f"/api/tasks/{task}").json
        assert done["data"]["task_id"] == task
        return done["data"]["status"], done["message"]

    def test_a_task_is_pending_then_started_then_a_success(
        self, app: Flask, client: FlaskClient
    ) -> None:
        number = stored(client)
        task = predicted(client, number)
        assert self.status(client, task) == ("PENDING", "Task received")
        with app.app_context():
            claim = parts.claim_part(JOB_TYPES, "w1")
            assert claim is not None
            assert self.status(client, task) == ("STARTED", "Task started")
            parts.do_part(claim, JOB_TYPES["predict"], get_tools())
        assert self.status(client, task) == ("SUCCESS", "Task finished")
        assert client.get(f"/api/images/{number}").json["data"]["predictions"]

    def test_a_task_whose_worker_is_gone_is_done_when_somebody_asks(
        self, app: Flask, client: FlaskClient
    ) -> None:
        task = predicted(client, stored(client))
        self.see(app, ago=jobs.ABSENT)
        assert self.status(client, task) == ("SUCCESS", "Task finished")

    def test_a_task_that_was_cancelled_is_a_failure(self, client: FlaskClient) -> None:
        task = predicted(client, stored(client))
        client.delete(f"/api/v1/jobs/{task}")
        assert self.status(client, task) == ("FAILURE", "Task cancelled")

    def test_many_tasks_do_not_fill_the_list_of_jobs(
        self, client: FlaskClient, admin: FlaskClient
    ) -> None:
        task = predicted(client, stored(client))
        assert task not in admin.get("/jobs").text
        assert task in admin.get("/jobs?kind=predict").text
        assert "Waiting." in admin.get(f"/jobs/{task}").text


def test_a_task_on_a_full_server_waits_for_its_turn(app: Flask, client: FlaskClient) -> None:
    number = stored(client)
    limiter = app.extensions["marque"].limiter = AdmissionLimiter(1, waiting=0)
    with limiter.slot():
        task = predicted(client, number)
    assert client.get(f"/api/tasks/{task}").json["data"]["status"] == "STARTED"
    with app.app_context(), writing():
        db.session.query(JobPart).update({"run_after": now()})
    assert client.get(f"/api/tasks/{task}").json["data"]["status"] == "SUCCESS"


@pytest.mark.parametrize("path", ["/gallery", "/stats", "/api/v1/photos", "/api/v1/stats"])
def test_other_pages_and_calls_work_with_a_photo_that_was_not_classified(
    client: FlaskClient, path: str
) -> None:
    stored(client)
    stored(client, 1, ground_truth="mclaren")
    assert client.get(path).status_code == 200


def test_such_a_photo_has_a_page_and_can_be_exported_and_reviewed(
    client: FlaskClient, admin: FlaskClient, key: dict[str, str]
) -> None:
    stored(client)
    (item,) = client.get("/api/v1/photos").json["items"]
    assert item["prediction"] is None
    assert client.get(f"/photos/{item['id']}").status_code == 200
    assert admin.get("/review", follow_redirects=True).status_code == 200
    for format_ in ("csv", "jsonl"):
        assert client.get(f"/api/v1/export?format={format_}", headers=key).status_code == 200


def test_stats_tell_the_training_of_the_live_version(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    epochs = [
        {"stage": "a", "loss": 2.0, "validation_loss": 1.5, "validation_top1": 0.5},
        {"stage": "a", "loss": 1.0, "validation_loss": 0.9},
    ]
    test = {"nll": 0.3, "top1": 0.9, "macro_f1": 0.8}
    classifier.card = replace(classifier.card, training={"history": epochs}, metrics={"test": test})
    nothing = {"loss": None, "accuracy": None, "f_score": None}
    assert client.get("/api/stats/").json == {
        "data": {
            "model": {"name": "f1-teams", "version": 1},
            "history": {
                "train": {"loss": [2.0, 1.0], "accuracy": [None, None], "f_score": [None, None]},
                "validation": {
                    "loss": [1.5, 0.9],
                    "accuracy": [0.5, None],
                    "f_score": [None, None],
                },
            },
            "metrics": {
                "train": nothing,
                "validation": nothing,
                "test": {"loss": 0.3, "accuracy": 0.9, "f_score": 0.8},
            },
        }
    }
