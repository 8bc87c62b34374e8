"""Jobs of every kind, put in through JSON: what each asks, who may, what comes back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from webapp.domain import SHORT
from webapp.extensions import get_tools
from webapp.services.accounts import api_keys
from webapp.services.jobs.types import label_import
from webapp.services.jobs.types.registry import JOB_TYPES
from webapp.services.jobs.worker import Worker

Json = dict[str, Any]
Key = Callable[[str], dict[str, str]]


@pytest.fixture
def key_of(app: Flask) -> Key:
    def make(scope: str) -> dict[str, str]:
        with app.app_context():
            return {"Authorization": f"Bearer {api_keys.create_key(scope, scope)[1]}"}

    return make


@pytest.fixture
def done(app: Flask, client: FlaskClient) -> Callable[..., Json]:
    """Put a job in and let it be worked; the job when it has ended."""

    def run(headers: dict[str, str], **request: Any) -> Json:
        answer = client.post("/api/v1/jobs", headers=headers, **request)
        assert answer.status_code == 202, answer.text
        Worker(JOB_TYPES, get_tools, app.app_context).run_queue(SHORT)
        job: Json = client.get(answer.headers["Location"], headers=headers).json
        assert job["state"] == "succeeded", job
        return job

    return run


def truths(client: FlaskClient) -> list[str | None]:
    return [
        photo["ground_truth"] for photo in client.get("/api/v1/photos?sort=oldest").json["items"]
    ]


def test_a_key_that_was_used_for_another_filter_is_refused(
    client: FlaskClient, key: dict[str, str], upload
) -> None:
    headers = key | {"Idempotency-Key": "monday"}
    asked = {"kind": "many", "action": "confirm", "filter": {"decision": "mclaren"}}
    first = client.post("/api/v1/jobs", json=asked, headers=headers)
    upload()  # one photo more changes nothing about what was meant
    assert client.post("/api/v1/jobs", json=asked, headers=headers).json["id"] == first.json["id"]
    assert (
        client.post(
            "/api/v1/jobs", json=asked | {"filter": {"decision": "haas"}}, headers=headers
        ).status_code
        == 409
    )


def test_an_export_tells_where_its_file_is(
    client: FlaskClient, key_of: Key, done, upload: Callable[..., str]
) -> None:
    upload(), upload(mark=1, ground_truth="haas")
    key = key_of("review")
    job = done(key, json={"kind": "export", "format": "jsonl", "filter": {"ground_truth": "haas"}})
    (file,) = job["result"]["files"]
    assert (file["photos"], file["url"]) == (1, f"/api/v1/jobs/{job['id']}/files/{file['name']}")
    whole = client.get(file["url"], headers=key, buffered=True)
    assert (json.loads(whole.data)["ground_truth"], whole.headers["ETag"]) == (
        "haas",
        f'"{file["sha256"]}"',
    )
    part = client.get(file["url"], headers=key | {"Range": "bytes=0-9"}, buffered=True)
    assert (part.status_code, part.data) == (206, whole.data[:10])
    assert client.get(file["url"]).status_code == 401


def test_an_action_on_all_that_match_and_its_undo(
    client: FlaskClient, key_of: Key, done, upload: Callable[..., str]
) -> None:
    for mark in range(3):
        upload(mark=mark)
    upload("#C00000")
    key = key_of("review")
    job = done(
        key,
        json={
            "kind": "many",
            "action": "label",
            "label": "haas",
            "filter": {"decision": "mclaren"},
        },
    )
    assert job["result"] == {"action": "label", "changed": 3, "skipped": 0, "batch": job["id"]}
    assert truths(client) == ["haas", "haas", "haas", None]
    assert (
        done(key, json={"kind": "many", "action": "undo", "batch": job["id"]})["result"]["changed"]
        == 3
    )
    assert truths(client) == [None] * 4


def test_a_file_of_labels_is_looked_at_and_then_imported(
    client: FlaskClient, key_of: Key, done, upload: Callable[..., str]
) -> None:
    upload(name="a.jpg"), upload(name="b.jpg", mark=1, ground_truth="bwt")
    key = key_of("review")

    def form(**more: str) -> Json:
        return {
            "kind": "labels",
            "file": (
                io.BytesIO(b"filename,label\na.jpg,haas\nb.jpg,haas\nc.jpg,haas\n"),
                "labels.csv",
            ),
            **more,
        }

    look = done(key, data=form(dry_run="yes"))["result"]
    assert (look["new"], look["different"], look["left_out"], look["changed"]) == (
        1,
        1,
        {"unknown photo": 1},
        0,
    )
    assert truths(client) == [None, "bwt"]
    assert done(key, data=form(replace="yes"))["result"]["changed"] == 2
    assert truths(client) == ["haas", "haas"]


def test_a_look_at_boxes_says_how_many_would_be_drawn(
    key_of: Key, done, upload: Callable[..., str]
) -> None:
    upload(name="a.jpg")
    table = b"filename,label,x,y,width,height\na.jpg,car,0.1,0.1,0.5,0.5\n"
    form = {"kind": "labels", "file": (io.BytesIO(table), "boxes.csv"), "dry_run": "yes"}
    look = done(key_of("review"), data=form)["result"]
    assert "1 box would be drawn. Nothing was changed." in label_import.JOB_TYPE.summary(look)


def test_boxes_of_a_file_that_are_drawn_are_counted_and_can_be_taken_back(
    client: FlaskClient, key_of: Key, done, upload: Callable[..., str]
) -> None:
    photo, key = upload(name="a.jpg"), key_of("review")
    table = (
        b"filename,label,x,y,width,height\na.jpg,car,0.1,0.1,0.3,0.5\na.jpg,haas,0.5,0.1,0.4,0.5\n"
    )
    job = done(key, data={"kind": "labels", "file": (io.BytesIO(table), "boxes.csv")})
    result = job["result"]
    assert (result["changed"], result["skipped"], result["batch"]) == (2, 0, job["id"])
    undone = done(key, json={"kind": "many", "action": "undo", "batch": job["id"]})["result"]
    assert undone["changed"] == 2
    assert client.get(f"/api/v1/photos/{photo}").json["car_count"] is None


def test_a_rule_of_keeping(
    client: FlaskClient, key: dict[str, str], done, upload: Callable[..., str]
) -> None:
    for mark in range(3):
        upload(mark=mark)
    job = done(key, json={"kind": "keep", "per_class": 1, "older_than": "0d"})
    assert job["result"] == {"changed": 2, "skipped": 0, "batch": job["id"]}
    assert len(truths(client)) == 1


def test_a_photo_is_ranked(client: FlaskClient, done, upload: Callable[..., str]) -> None:
    public_id = upload()
    assert done({}, json={"kind": "predict", "photo": public_id})["result"] == {"photo": public_id}


@pytest.mark.parametrize(
    ("scope", "body", "status"),
    [
        ("predict", {"kind": "export"}, 403),
        ("review", {"kind": "export", "metadata": "keep"}, 403),
        ("review", {"kind": "export", "format": "pdf"}, 400),
        ("review", {"kind": "export", "filter": {"colour": "red"}}, 400),
        ("review", {"kind": "export", "filter": []}, 400),
        ("predict", {"kind": "many", "action": "confirm", "filter": {}}, 403),
        ("review", {"kind": "many", "action": "delete", "filter": {}}, 403),
        ("review", {"kind": "many", "action": "confirm"}, 400),
        ("review", {"kind": "many", "action": "dance", "filter": {}}, 400),
        ("review", {"kind": "many", "action": "label", "label": "trabant", "filter": {}}, 422),
        ("review", {"kind": "many", "action": "undo", "batch": "nothing"}, 409),
        ("review", {"kind": "labels"}, 400),
        ("review", {"kind": "keep", "per_class": 1}, 403),
        ("admin", {"kind": "keep", "per_class": "many"}, 400),
        ("predict", {"kind": "predict", "photo": "nothing"}, 404),
    ],
)
def test_what_makes_no_sense_or_is_not_theirs_is_refused(
    client: FlaskClient, key_of: Key, scope: str, body: Json, status: int
) -> None:
    answer = client.post("/api/v1/jobs", json=body, headers=key_of(scope))
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"kind": "export"}},
        {"json": {"kind": "many", "action": "confirm", "filter": {}}},
        {"json": {"kind": "keep", "per_class": 1}},
        {"data": {"kind": "labels"}, "content_type": "multipart/form-data"},
    ],
)
def test_they_need_a_key(client: FlaskClient, request_: Json) -> None:
    assert client.post("/api/v1/jobs", **request_).status_code == 401


@pytest.mark.parametrize(
    ("body", "sentence"),
    [({}, "has no 'kind'"), ({"kind": "dance"}, "has a 'kind' that is none of 'upload'")],
)
def test_a_job_without_a_kind_is_told_which_there_are(
    client: FlaskClient, body: Json, sentence: str
) -> None:
    assert sentence in client.post("/api/v1/jobs", json=body).json["errors"][0]["what"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"kind": "detect", "filter": {"cars": "9"}}, "body.filter.cars"),
        ({"kind": "export", "format": "tar"}, "body.format"),
        ({"kind": "rank", "model": "f1-teams"}, "body.version"),
    ],
)
def test_what_is_wrong_in_a_job_is_named_by_its_place_in_the_body(
    client: FlaskClient, body: Json, where: str
) -> None:
    assert [error["where"] for error in client.post("/api/v1/jobs", json=body).json["errors"]] == [
        where
    ]


def test_the_same_key_of_a_request_is_the_same_job(client: FlaskClient, key_of: Key) -> None:
    headers = key_of("admin") | {"Idempotency-Key": "monday"}
    first, again = (
        client.post("/api/v1/jobs", json={"kind": "keep", "per_class": 1}, headers=headers).json[
            "id"
        ]
        for _ in range(2)
    )
    assert first == again
    assert client.post("/api/v1/jobs", json={"kind": "export"}, headers=headers).status_code == 409
