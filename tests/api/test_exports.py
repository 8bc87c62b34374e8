"""Exports in the JSON API."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from webapp.services.accounts import api_keys

Upload = Callable[..., str]


def test_photos_leave_as_lines_of_json(
    client: FlaskClient, key: dict[str, str], upload: Upload
) -> None:
    ids = [upload(mark=number) for number in range(3)]
    answer = client.get("/api/v1/export?limit=2", headers=key)
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ids[:2]
    about = client.get(f"/api/v1/exports/{answer.headers['Marque-Export']}", headers=key).json
    assert about["state"] == "complete" and about["manifest"]["next"] == ids[1]
    rest = client.get(f"/api/v1/export?after={ids[1]}", headers=key)
    assert [json.loads(line)["id"] for line in rest.text.splitlines()] == ids[2:]


def test_it_needs_a_key(client: FlaskClient) -> None:
    assert client.get("/api/v1/export").status_code == 401
    assert client.get("/api/v1/exports/some").status_code == 401


def test_only_an_admins_key_gets_what_files_tell_about_place_and_time(
    app: Flask, client: FlaskClient, key: dict[str, str]
) -> None:
    with app.app_context():
        _key, text = api_keys.create_key("reviewer", "review")
    path = "/api/v1/export?format=folders&metadata=keep"
    assert client.get(path, headers={"Authorization": f"Bearer {text}"}).status_code == 403
    assert client.get(path, headers=key).status_code == 200


def test_what_makes_no_sense_is_refused(client: FlaskClient, key: dict[str, str]) -> None:
    for query in ("format=doc", "limit=0", "after=nothing", "outcome=maybe"):
        assert client.get(f"/api/v1/export?{query}", headers=key).status_code == 400


def test_crops_and_checked_photos_come_in_folders_only(
    client: FlaskClient, key: dict[str, str]
) -> None:
    for unit in ("crops", "boxes"):
        answer = client.get(f"/api/v1/export?format=folders&unit={unit}", headers=key)
        assert (answer.status_code, answer.content_type) == (200, "application/zip")
        assert answer.data.startswith(b"PK")
    assert client.get("/api/v1/export?format=coco&unit=crops", headers=key).status_code == 400
    assert client.get("/api/v1/export?format=coco&unit=cars", headers=key).status_code == 400
