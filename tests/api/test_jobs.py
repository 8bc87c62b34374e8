"""Jobs in JSON: put in, listed, looked at, cancelled."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import draw, install
from tests.fakes import make_card
from webapp.domain import SHORT
from webapp.extensions import get_extensions, get_tools
from webapp.services.accounts import api_keys
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker


def zip_of(*names: str) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for mark, name in enumerate(names):
            archive.writestr(name, draw(mark=mark))
    content.seek(0)
    return content


def form(*names: str, filename: str = "photos.zip", **fields: str) -> dict[str, object]:
    return {"kind": "upload", "file": (zip_of(*names), filename), **fields}


def do_the_work(app: Flask) -> None:
    Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)


@pytest.fixture
def key_of(app: Flask):
    def make(scope: str) -> dict[str, str]:
        with app.app_context():
            return {"Authorization": f"Bearer {api_keys.create_key(scope, scope)[1]}"}

    return make


def test_a_zip_is_accepted_and_then_done(app: Flask, client: FlaskClient) -> None:
    answer = client.post("/api/v1/jobs", data=form("a.jpg", "b.jpg"))
    assert (answer.status_code, answer.json["state"], answer.headers["Location"]) == (
        202,
        "queued",
        f"/api/v1/jobs/{answer.json['id']}",
    )
    do_the_work(app)
    job = client.get(answer.headers["Location"]).json
    assert (job["state"], job["done"], job["total"], job["result"]["added"]) == (
        "succeeded",
        2,
        2,
        2,
    )
    assert "2 files to classify" in job["log"][0]["text"]
    assert len(client.get(f"/api/v1/photos?batch={job['id']}").json["items"]) == 2


def test_the_same_key_is_the_same_job(client: FlaskClient, app: Flask) -> None:
    header = {"Idempotency-Key": "monday"}
    first, again = (
        client.post("/api/v1/jobs", data=form("a.jpg"), headers=header) for _ in range(2)
    )
    assert (first.status_code, again.status_code, first.json["id"]) == (202, 202, again.json["id"])
    other = client.post("/api/v1/jobs", data=form("a.jpg", filename="other.zip"), headers=header)
    assert other.status_code == 409
    with app.app_context():
        assert len(list((get_extensions().config.data / "spool").iterdir())) == 1


def test_what_is_not_a_zip_is_refused_and_not_kept(app: Flask, client: FlaskClient) -> None:
    answer = client.post(
        "/api/v1/jobs", data={"kind": "upload", "file": (io.BytesIO(b"hello"), "a.zip")}
    )
    assert (answer.status_code, "not a zip" in answer.json["detail"]) == (422, True)
    with app.app_context():
        assert not list((get_extensions().config.data / "spool").rglob("*.*"))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"kind": "dance"}, 400),
        ({"kind": "upload"}, 400),
        ({"kind": "upload", "ground_truth": "zeppelin"}, 422),
        ({"kind": "upload", "model": "nobody"}, 404),
        ({"kind": "upload", "folder": "x"}, 401),
    ],
)
def test_what_makes_no_sense_is_refused(
    client: FlaskClient, data: dict[str, str], status: int
) -> None:
    answer = client.post("/api/v1/jobs", json=data)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


def test_a_waiting_job_is_cancelled(client: FlaskClient) -> None:
    address = client.post("/api/v1/jobs", data=form("a.jpg")).headers["Location"]
    assert (client.delete(address).status_code, client.get(address).json["state"]) == (
        200,
        "cancelled",
    )


def test_cancelling_twice_answers_the_same(client: FlaskClient) -> None:
    address = client.post("/api/v1/jobs", data=form("a.jpg")).headers["Location"]
    answers = [client.delete(address) for _ in range(2)]
    assert [(answer.status_code, answer.json["state"]) for answer in answers] == [
        (200, "cancelled"),
        (200, "cancelled"),
    ]


def test_a_job_that_ended_is_not_cancelled(app: Flask, client: FlaskClient) -> None:
    address = client.post("/api/v1/jobs", data=form("a.jpg")).headers["Location"]
    do_the_work(app)
    assert (client.delete(address).status_code, client.get(address).json["state"]) == (
        409,
        "succeeded",
    )


def test_a_key_sees_its_own_jobs_and_a_reviewers_key_all(client: FlaskClient, key_of) -> None:
    first, other, reviewers = key_of("predict"), key_of("predict"), key_of("review")
    address = client.post("/api/v1/jobs", data=form("a.jpg"), headers=first).headers["Location"]
    assert [
        client.get(address, headers=who).status_code for who in (first, other, reviewers, {})
    ] == [200, 404, 200, 404]
    assert [
        len(client.get("/api/v1/jobs", headers=who).json["items"])
        for who in (first, other, reviewers)
    ] == [1, 0, 1]
    assert client.get("/api/v1/jobs").status_code == 401
    assert client.delete(address, headers=other).status_code == 404


def test_an_admin_takes_in_a_folder_of_the_server(
    app: Flask, client: FlaskClient, key: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "in" / "ferrari").mkdir(parents=True)
    (tmp_path / "in" / "ferrari" / "a.jpg").write_bytes(draw())
    extensions = app.extensions["marque"]
    body = {"kind": "upload", "folder": "ferrari", "folders": True}
    assert client.post("/api/v1/jobs", json=body, headers=key).status_code == 400
    extensions.config = extensions.config.model_copy(update={"import_folder": tmp_path / "in"})
    for strange in ("..", "/etc", "ferrari/../.."):
        assert (
            client.post("/api/v1/jobs", json={**body, "folder": strange}, headers=key).status_code
            == 400
        )
    address = client.post("/api/v1/jobs", json=body, headers=key).headers["Location"]
    do_the_work(app)
    assert client.get(address, headers=key).json["result"]["added"] == 1


def test_ready_says_when_nobody_works(client: FlaskClient) -> None:
    assert "trouble" not in client.get("/health/ready").json
    client.post("/api/v1/jobs", data=form("a.jpg"))
    answer = client.get("/health/ready")
    assert (answer.status_code, "no worker was seen" in answer.json["trouble"]) == (200, True)


# ---- versions look at what is here ----


def test_a_version_looks_at_what_a_filter_lets_through(
    app: Flask, client: FlaskClient, key_of, upload
) -> None:
    upload("#C00000"), upload("#FF8700")
    body = {"kind": "rank", "model": "f1-teams", "version": 1, "filter": {"decision": "ferrari"}}
    answer = client.post("/api/v1/jobs", json=body, headers=key_of("review"))
    assert (answer.status_code, answer.json["kind"]) == (202, "rank")
    do_the_work(app)
    job = client.get(answer.headers["Location"], headers=key_of("admin")).json
    assert (job["state"], job["total"], job["result"]["known"]) == ("succeeded", 1, 1)


def test_two_versions_are_compared(
    app: Flask, client: FlaskClient, config, key: dict[str, str], upload
) -> None:
    upload()
    install(make_card(2), config.models)
    (config.models / "f1-teams" / "LIVE").write_text("1\n")
    body = {"kind": "compare", "model": "f1-teams", "challenger": 2, "newest": 10}
    job = client.post("/api/v1/jobs", json=body, headers=key).json
    assert job["title"] == "f1-teams 1 against 2, newest 10 photos"
    again = client.post(
        "/api/v1/jobs", json=body | {"newest": 20}, headers={**key, "Idempotency-Key": "x"}
    ).json
    assert again["id"] != job["id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "rank", "model": "f1-teams"}, 400),
        ({"kind": "rank", "model": "f1-teams", "version": "two"}, 400),
        ({"kind": "rank", "model": "f1-teams", "version": 9}, 404),
        ({"kind": "rank", "model": "../..", "version": 1}, 404),
        ({"kind": "rank", "model": "f1-teams", "version": 1, "filter": {"colour": "red"}}, 400),
        ({"kind": "rank", "model": "f1-teams", "version": 1, "filter": "all"}, 400),
        ({"kind": "compare", "model": "f1-teams"}, 400),
        ({"kind": "compare", "model": "f1-teams", "challenger": 1}, 400),
        ({"kind": "compare", "model": "nobody", "challenger": 1}, 404),
        (
            {
                "kind": "compare",
                "model": "f1-teams",
                "champion": 2,
                "challenger": 1,
                "newest": 10**6,
            },
            400,
        ),
    ],
)
def test_a_strange_order_for_versions_is_refused(
    client: FlaskClient, key: dict[str, str], body: dict[str, object], status: int
) -> None:
    assert client.post("/api/v1/jobs", json=body, headers=key).status_code == status


@pytest.mark.parametrize(
    ("kind", "scope", "status"),
    [("rank", "predict", 403), ("compare", "review", 403), ("rank", "", 401)],
)
def test_versions_are_not_asked_by_everybody(
    client: FlaskClient, key_of, kind: str, scope: str, status: int
) -> None:
    body = {"kind": kind, "model": "f1-teams", "version" if kind == "rank" else "challenger": 1}
    assert (
        client.post("/api/v1/jobs", json=body, headers=key_of(scope) if scope else {}).status_code
        == status
    )
