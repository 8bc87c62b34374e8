"""Answers leave packed where it pays, and only where nobody on the way learns from it."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import select

from tests.fakes import FakeClassifier
from webapp.storage.database import db
from webapp.storage.tables import Export

Upload = Callable[..., str]
PACKED = {"Accept-Encoding": "gzip"}


@pytest.fixture
def classifier() -> FakeClassifier:
    """A classifier that can be asked where it looks."""
    fake = FakeClassifier()
    fake.head = np.ones((10, 8), np.float32)
    return fake


def unpacked(content: bytes) -> bytes:
    return gzip.GzipFile(fileobj=io.BytesIO(content)).read()


@pytest.mark.parametrize(
    "path",
    [
        "/help",
        "/api/v1/photos",
        "/api/v1/models/f1-teams/1",
        "/static/marque.css",
        "/static/marque.js",
        "/api/images",
    ],
)
def test_text_leaves_packed(client: FlaskClient, upload: Upload, path: str) -> None:
    upload()
    with client.get(path) as plain, client.get(path, headers=PACKED) as packed:
        assert (
            packed.headers["Content-Encoding"] == "gzip"
            and "Accept-Encoding" in packed.headers["Vary"]
        )
        assert "Content-Encoding" not in plain.headers
        assert len(packed.data) < len(plain.data)


@pytest.mark.parametrize("wish", ["br", "zstd", "gzip, deflate, br, zstd"])
def test_browsers_choose_among_what_they_know(client: FlaskClient, wish: str) -> None:
    assert (
        client.get("/help", headers={"Accept-Encoding": wish}).headers["Content-Encoding"] in wish
    )


@pytest.mark.parametrize("name", ["file", "thumbnail", "view", "heat/ferrari"])
def test_pictures_never_do(client: FlaskClient, upload: Upload, name: str) -> None:
    answer = client.get(f"/photos/{upload()}/{name}", headers=PACKED)
    assert answer.status_code == 200 and "Content-Encoding" not in answer.headers


def test_small_answers_stay_as_they_are(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/ping", headers=PACKED).headers


def test_a_packed_list_keeps_its_tag(client: FlaskClient, upload: Upload) -> None:
    upload()
    tag = client.get("/api/v1/photos", headers=PACKED).headers["ETag"]
    again = client.get("/api/v1/photos", headers={**PACKED, "If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("scheme", "site", "packed"),
    [
        ("https", "same-origin", True),
        ("https", "none", True),
        ("https", "cross-site", False),
        ("https", "same-site", False),
        ("https", "", False),
        ("http", "", True),
    ],
)
def test_a_page_that_another_site_asked_for_is_not_packed(
    client: FlaskClient, scheme: str, site: str, packed: bool
) -> None:
    headers = PACKED | ({"Sec-Fetch-Site": site} if site else {})
    answer = client.get("/help", headers=headers, base_url=f"{scheme}://localhost")
    assert ("Content-Encoding" in answer.headers) is packed


def test_an_export_is_packed_while_it_is_sent(
    client: FlaskClient, key: dict[str, str], upload: Upload
) -> None:
    for number in range(3):
        upload(mark=number)
    plain = client.get("/api/v1/export?format=csv", headers=key)
    packed = client.get("/api/v1/export?format=csv", headers=key | PACKED)
    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Length" not in packed.headers
    assert unpacked(packed.data) == plain.data
    about = client.get(f"/api/v1/exports/{packed.headers['Marque-Export']}", headers=key).json
    assert about["state"] == "complete"


@pytest.mark.parametrize("wish", ["gzip", "zstd"])
def test_a_stream_leaves_while_it_is_made(fresh_app: Flask, wish: str) -> None:
    made = []

    def rows() -> Iterator[str]:
        for number in range(20_000):
            made.append(number)
            yield f"{hashlib.sha256(str(number).encode()).hexdigest()}\n"

    fresh_app.add_url_rule("/rows", "rows", lambda: Response(rows(), content_type="text/csv"))
    with fresh_app.test_client().get("/rows", headers={"Accept-Encoding": wish}) as answer:
        parts = answer.iter_encoded()
        next(parts), next(parts)
        assert len(made) < 20_000


def test_a_packed_export_that_breaks_off_is_told_so(
    client: FlaskClient, key: dict[str, str], upload: Upload
) -> None:
    upload()
    answer = client.get("/api/v1/export?format=jsonl", headers=key | PACKED)
    next(answer.iter_encoded())
    answer.close()
    with client.application.app_context():
        assert db.session.execute(select(Export.state)).scalars().all() == ["stopped"]
