"""Many ground truths through JSON."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.fakes import FakeClassifier

Upload = Callable[..., str]


def test_ids_get_a_label_and_lose_it(
    client: FlaskClient, key: dict[str, str], upload: Upload
) -> None:
    ids = [upload(mark=mark) for mark in range(3)]
    done = client.post("/api/v1/labels", json={"ids": ids[:2], "label": "haas"}, headers=key)
    assert done.status_code == 200 and (done.json["processed"], done.json["skipped"]) == (2, 0)
    undone = client.delete(f"/api/v1/labels/batches/{done.json['batch']}", headers=key)
    assert undone.json["processed"] == 2
    assert (
        client.delete(f"/api/v1/labels/batches/{done.json['batch']}", headers=key).status_code
        == 409
    )


def test_a_filter_gets_a_label(client: FlaskClient, key: dict[str, str], upload: Upload) -> None:
    upload("#C00000")
    upload("#FF8700")
    done = client.post(
        "/api/v1/labels",
        json={"filter": {"decision": "ferrari", "min_confidence": 0.1}, "label": "none"},
        headers=key,
    )
    assert done.json["processed"] == 1
    truths = [item["ground_truth"] for item in client.get("/api/v1/photos").json["items"]]
    assert truths == [None, "none"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"label": "haas"}, 400),
        ({"ids": [], "label": "haas"}, 400),
        ({"ids": ["x"], "filter": {}, "label": "haas"}, 400),
        ({"filter": {"colour": "red"}, "label": "haas"}, 400),
        ({"filter": {"sort": ["newest"]}, "label": "haas"}, 400),
        ({"ids": ["x"], "label": "haas"}, 404),
        ({"ids": ["x"], "label": "trabant"}, 422),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    client: FlaskClient, key: dict[str, str], upload: Upload, body: object, status: int
) -> None:
    upload()
    assert client.post("/api/v1/labels", json=body, headers=key).status_code == status
    assert client.get("/api/v1/photos").json["items"][0]["ground_truth"] is None


def test_it_needs_a_key(client: FlaskClient) -> None:
    assert client.post("/api/v1/labels", json={"filter": {}, "label": "haas"}).status_code == 401
    assert client.delete("/api/v1/labels/batches/x").status_code == 401


def test_a_body_that_is_nested_too_deeply_is_a_400(
    client: FlaskClient, key: dict[str, str]
) -> None:
    answer = client.post(
        "/api/v1/labels", data=b"[" * 200_000, content_type="application/json", headers=key
    )
    assert answer.status_code == 400


def test_suspected_ground_truths_are_listed(
    client: FlaskClient, key: dict[str, str], classifier: FakeClassifier, upload: Upload
) -> None:
    classifier.says(mclaren=0.8)
    upload(mark=1, ground_truth="mclaren")
    classifier.says(mclaren=0.9, haas=0.05)
    photo = upload(mark=2, ground_truth="haas")
    page = client.get("/api/v1/suspected", headers=key).json
    assert (page["model"], page["left"], page["next"]) == (
        {"name": "f1-teams", "version": 1},
        1,
        None,
    )
    assert [(item["id"], item["ground_truth"], item["other"]) for item in page["items"]] == [
        (photo, "haas", "mclaren")
    ]
    assert page["items"][0]["margin"] == pytest.approx(-0.85)
    assert client.get("/api/v1/suspected?other=haas", headers=key).json["items"] == []


def test_suspected_ground_truths_need_a_reviewers_key_and_a_cursor_of_ours(
    client: FlaskClient, key: dict[str, str]
) -> None:
    assert client.get("/api/v1/suspected").status_code == 401
    assert client.get("/api/v1/suspected?cursor=nonsense", headers=key).status_code == 400
    assert client.get("/api/v1/suspected?model=none", headers=key).status_code == 404
