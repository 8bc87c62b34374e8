"""The old doors: every call of the five earlier services, by exact JSON, errors included."""

from __future__ import annotations

import base64
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
from webapp.app import create_app
from webapp.config import Config
from webapp.extensions import get_tools
from webapp.inference.admission import AdmissionLimiter
from webapp.legacy.presenters import ordinal
from webapp.services.jobs import queue as jobs
from webapp.services.jobs import worker
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.storage import jobs as storage
from webapp.storage.database import db, writing
from webapp.storage.file_stores.database import DatabaseFiles
from webapp.storage.tables import JobPart, Photo, now

JSON = {"Accept": "application/json"}
NAMES = list(TEAMS)


def sent(content: bytes, name: str = "car.jpg") -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def stored(client: FlaskClient, mark: int = 0, **fields: str) -> int:
    answer = client.post("/api/upload", data={"file": sent(draw(mark=mark)), **fields})
    assert answer.status_code == 201, answer.text
    return int(answer.json["id"])


def predicted(client: FlaskClient, number: int) -> str:
    return str(client.post(f"/api/predict?img_id={number}&device=cpu").json["data"]["task_id"])


# ---- is it there ----


def test_it_answers_monitors(client: FlaskClient) -> None:
    assert client.get("/ping").json == {"message": "pong"}
    assert client.get("/healthcheck").json == {"message": "Hello World"}


def test_the_root_tells_machines_that_it_runs(client: FlaskClient) -> None:
    assert client.get("/", headers=JSON).json == {
        "status": "The car classification service is running!"
    }


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_the_root_is_a_page_for_everybody_else(client: FlaskClient, accept: str) -> None:
    assert client.get("/", headers={"Accept": accept}).mimetype == "text/html"


@pytest.mark.parametrize(
    "accept", ["application/json; charset=utf-8", "application/json;charset=UTF-8, */*;q=0.1"]
)
def test_an_accept_with_a_charset_asks_for_json_too(client: FlaskClient, accept: str) -> None:
    assert client.get("/", headers={"Accept": accept}).json == {
        "status": "The car classification service is running!"
    }


@pytest.mark.parametrize("path", ["/healthcheck/", "/ping/", "/api/images/", "/api/stats"])
def test_a_slash_at_the_end_makes_no_difference(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(("path", "field"), [("/infer/", "image"), ("/api/upload/", "file")])
def test_nor_where_photos_are_sent(client: FlaskClient, path: str, field: str) -> None:
    assert client.post(path, data={field: sent(draw())}).status_code in (200, 201)


# ---- /infer ----


def test_infer_says_the_first_label_and_stores_nothing(client: FlaskClient) -> None:
    assert client.post("/infer", data={"image": sent(draw())}).json == {"class": "mclaren"}
    assert client.get("/api/images").json == {"data": []}


def test_infer_names_a_label_also_when_it_is_not_sure(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    classifier.says(ferrari=0.2)
    assert client.post("/infer", data={"image": sent(draw())}).json == {"class": "ferrari"}


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"file": sent(draw())}, 400),
        ({"image": sent(b"hello")}, 415),
        ({"image": sent(draw()[:400])}, 422),
    ],
)
def test_infer_refuses_with_a_problem(
    client: FlaskClient, data: dict[str, object], status: int
) -> None:
    answer = client.post("/infer", data=data, content_type="multipart/form-data")
    assert (answer.status_code, answer.mimetype, answer.json["status"]) == (
        status,
        "application/problem+json",
        status,
    )


# ---- /predict ----


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "data:image/jpeg;base64,",
        "data:;base64,",
        "DATA:image/jpeg;BASE64,",
        " data:image/png;base64, ",
    ],
)
def test_predict_reads_base64(client: FlaskClient, prefix: str) -> None:
    text = prefix + base64.b64encode(draw()).decode()
    assert client.post("/predict", json={"im_b64": text}).json == {
        "class_num": "4",
        "class_name": "mclaren",
    }


def test_predict_reads_base64_in_lines(client: FlaskClient) -> None:
    text = base64.encodebytes(draw()).decode()
    assert client.post("/predict", json={"im_b64": text}).json == {
        "class_num": "4",
        "class_name": "mclaren",
    }


@pytest.mark.parametrize("ending", ["", "="])
def test_predict_reads_the_base64_of_addresses(client: FlaskClient, ending: str) -> None:
    text = base64.urlsafe_b64encode(draw()).decode().rstrip("=") + ending
    assert "_" in text or "-" in text
    assert client.post("/predict", json={"im_b64": text}).json == {
        "class_num": "4",
        "class_name": "mclaren",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 200_000, 400),
        (b"{}", 400),
        (b'{"im_b64": 7}', 400),
        (b'{"im_b64": ""}', 400),
        (b'{"im_b64": "%%%"}', 400),
        (b'{"im_b64": "aGVsbG8="}', 415),
    ],
)
def test_predict_refuses_what_is_no_photo_in_base64(
    client: FlaskClient, body: bytes, status: int
) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["status"]) == (status, status)


def test_predict_refuses_a_body_that_is_too_large(client: FlaskClient) -> None:
    answer = client.post("/predict", data=b" " * (31 * 2**20), content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_predict_tells_a_form_every_label_in_sentences(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    classifier.says(mclaren=0.9996, ferrari=0.0003)
    answer = client.post("/predict", data={"file": sent(draw())}, headers=JSON).json
    first = {
        "class": "mclaren",
        "confidence_percent": 99.96,
        "message": "1st Prediction: mclaren with 99.96% confidence.",
    }
    assert answer["prediction"] == first == answer["predictions"]["1"]
    assert answer["predictions"]["2"]["message"] == "2nd Prediction: ferrari with 0.03% confidence."
    assert list(answer["predictions"]) == [str(rank) for rank in range(1, 11)]
    assert list(answer) == ["prediction", "predictions"]


def test_predict_brings_a_browser_to_the_photo(client: FlaskClient) -> None:
    answer = client.post("/predict", data={"file": sent(draw())})
    assert answer.status_code == 303
    assert "McLaren" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, "text/html"), (JSON, "application/problem+json")]
)
def test_predict_refuses_a_form_as_it_was_asked(
    client: FlaskClient, headers: dict[str, str], kind: str
) -> None:
    answer = client.post("/predict", data={"file": sent(b"hello")}, headers=headers)
    assert (answer.status_code, answer.mimetype) == (415, kind)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (111, "111th"),
    ],
)
def test_ranks_are_counted_as_people_do(number: int, text: str) -> None:
    assert ordinal(number) == text


# ---- /predict/ ----


def test_several_photos_are_answered_by_their_names(client: FlaskClient) -> None:
    files = [
        sent(draw(), "my car.jpg"),
        sent(draw("#C00000"), "машина.jpg"),
        sent(draw("#0600EF"), "🏎.png"),
    ]
    assert client.post("/predict/", data={"files": files}).json == {
        "predictions": {
            "my car.jpg": {"class_id": 4, "class_name": "mclaren"},
            "машина.jpg": {"class_id": 2, "class_name": "ferrari"},
            "🏎.png": {"class_id": 6, "class_name": "redbull"},
        }
    }


def test_of_several_photos_with_one_name_none_is_lost(client: FlaskClient) -> None:
    names = ["a.jpg", "a.jpg", "a (2).jpg", "a.jpg"]
    found = client.post(
        "/predict/", data={"files": [sent(draw(mark=at), name) for at, name in enumerate(names)]}
    ).json["predictions"]
    assert list(found) == ["a.jpg", "a (3).jpg", "a (2).jpg", "a (4).jpg"]


def test_one_bad_photo_of_several_refuses_them_all_by_name(client: FlaskClient) -> None:
    answer = client.post("/predict/", data={"files": [sent(draw()), sent(b"hello", "notes.txt")]})
    assert answer.status_code == 415
    assert answer.json["detail"].startswith("notes.txt: ")


def test_it_takes_as_many_photos_as_the_new_door(client: FlaskClient) -> None:
    answer = client.post("/predict/", data={"files": [sent(b"x", f"{at}.jpg") for at in range(51)]})
    assert answer.status_code == 413


# ---- photos with numbers ----


def test_an_uploaded_photo_waits_for_its_prediction(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    answer = client.post(
        "/api/upload",
        data={"file": sent(draw()), "filename": "моя 🏎.jpg", "ground_truth": "mclaren"},
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
    answer = client.post("/api/upload", data={"file": sent(draw())}).json
    assert answer == {
        "filename": "car.jpg",
        "file": answer["file"],
        "predictions": None,
        "ground_truth": None,
        "id": 1,
    }


def test_an_upload_answers_in_its_shape_also_when_the_bytes_are_known(client: FlaskClient) -> None:
    predicted(client, stored(client))
    answer = client.post("/api/upload", data={"file": sent(draw(), "again 🏎.jpg")}).json
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
        ({"file": sent(b"hello")}, 415),
        ({"file": sent(draw()), "ground_truth": "lada"}, 422),
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
    found = client.get(f"/api/images/{number}").json
    shares = found["data"].pop("predictions")
    assert found == {"data": {"filename": "car.jpg", "ground_truth": None, "id": number}}
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert set(shares) == set(NAMES)


def test_all_photos_are_listed_the_oldest_first(client: FlaskClient) -> None:
    for mark in range(3):
        stored(client, mark)
    one = {"filename": "car.jpg", "predictions": None, "ground_truth": None}
    assert client.get("/api/images").json == {
        "data": [one | {"id": number} for number in (1, 2, 3)]
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
    def seen(self, app: Flask) -> None:
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
            claim = worker.claim_part(JOB_TYPES, "w1")
            assert claim is not None
            assert self.status(client, task) == ("STARTED", "Task started")
            worker.do_part(claim, JOB_TYPES["predict"], get_tools())
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
def test_the_new_doors_live_with_a_photo_that_nobody_has_looked_at(
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
    for kind in ("csv", "jsonl"):
        assert client.get(f"/api/v1/export?format={kind}", headers=key).status_code == 200


# ---- training ----


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


# ---- who may ----

SENDING = ("/infer", "/predict", "/predict/", "/api/upload", "/api/predict?img_id=1")
READING = ("/api/images", "/api/images/1", "/api/images/1/view", "/api/tasks/x", "/api/stats/")


@pytest.fixture
def closed(config: Config) -> Config:
    return config.model_copy(update={"uploads": "login", "gallery": "login"})


class TestClosed:
    """On a server whose uploads and gallery are not public."""

    @pytest.fixture
    def config(self, closed: Config) -> Config:
        return closed

    @pytest.mark.parametrize("path", SENDING)
    def test_sending_needs_a_key(self, client: FlaskClient, key: dict[str, str], path: str) -> None:
        assert client.post(path, headers=JSON).status_code == 401
        assert client.post(path, headers=key).status_code in (400, 404)

    @pytest.mark.parametrize("path", READING)
    def test_reading_needs_a_key(self, client: FlaskClient, key: dict[str, str], path: str) -> None:
        assert client.get(path).status_code == 401
        assert client.get(path, headers=key).status_code in (200, 404)

    def test_who_is_there_may_be_asked_by_all(self, client: FlaskClient) -> None:
        assert [
            client.get(path, headers=JSON).status_code for path in ("/", "/ping", "/healthcheck")
        ] == [200, 200, 200]


def test_a_wrong_key_is_refused_where_none_is_needed(client: FlaskClient) -> None:
    assert (
        client.get("/api/images", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    )


def test_the_old_doors_can_be_closed(config: Config, classifier: FakeClassifier) -> None:
    app = create_app(config.model_copy(update={"legacy_routes": False}), classifier)
    client = app.test_client()
    assert client.get("/ping").json == {"message": "pong"}
    assert [client.get(path).status_code for path in ("/healthcheck", "/api/images")] == [404, 404]
    assert client.post("/infer", data={"image": sent(draw())}).status_code == 404


@pytest.mark.parametrize("path", ["/infer", "/predict", "/predict/", "/api/upload"])
def test_a_full_server_says_so_and_when_to_come_back(
    app: Flask, client: FlaskClient, path: str
) -> None:
    stored(client, mark=1)
    limiter = app.extensions["marque"].limiter = AdmissionLimiter(1, waiting=0)
    with limiter.slot():
        answer = client.post(
            path, data={name: sent(draw()) for name in ("image", "file", "files")}, headers=JSON
        )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
