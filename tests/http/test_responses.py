"""What browsers and scripts may keep, ask again for, and take in parts."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.conftest import PASSWORD, draw
from tests.fakes import FakeClassifier
from tests.views.conftest import make_app, send_photo
from webapp.extensions import get_files
from webapp.services.accounts import users
from webapp.services.photos import gallery as history
from webapp.storage.file_stores.database import DatabaseFiles

__all__ = ["make_app"]
Upload = Callable[..., str]
Make = Callable[..., Flask]
PICTURES = (
    "/api/v1/photos/{id}/file",
    "/api/v1/photos/{id}/thumbnail",
    "/api/v1/photos/{id}/heatmap",
    "/photos/{id}/file",
    "/photos/{id}/thumbnail",
    "/photos/{id}/view",
    "/photos/{id}/heat/ferrari",
)
LISTS = (
    "/api/v1/photos",
    "/api/v1/photos/{id}",
    "/api/v1/models",
    "/api/v1/models/f1-teams/1",
    "/api/v1/stats",
    "/api/images/1",
)
READ_BUT_NOT_MADE = (
    "/api/v1/photos/{id}/file",
    "/photos/{id}/file",
    "/photos/{id}/view",
    "/photos/{id}/heat/ferrari",
)


@pytest.fixture
def classifier() -> FakeClassifier:
    """A classifier that can be asked where it looks."""
    fake = FakeClassifier()
    fake.head = np.ones((10, 8), np.float32)
    return fake


def with_exif(content: bytes) -> bytes:
    """The same picture with a place in its metadata."""
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x010E] = "somewhere"
    Image.open(io.BytesIO(content)).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


# ---- asked for again ----


@pytest.mark.parametrize("path", [*PICTURES, *LISTS])
def test_what_a_reader_has_already_is_not_sent_again(
    client: FlaskClient, upload: Upload, path: str
) -> None:
    path = path.format(id=upload())
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


@pytest.mark.parametrize("path", [*PICTURES, *LISTS])
def test_nothing_between_server_and_reader_keeps_it(
    client: FlaskClient, upload: Upload, path: str
) -> None:
    assert client.get(path.format(id=upload())).headers["Cache-Control"].startswith("private,")


def test_a_list_that_changed_is_sent(client: FlaskClient, upload: Upload) -> None:
    upload(mark=1)
    tag = client.get("/api/v1/photos").headers["ETag"]
    assert tag.startswith('W/"')
    upload(mark=2)
    answer = client.get("/api/v1/photos", headers={"If-None-Match": tag})
    assert answer.status_code == 200 and answer.headers["ETag"] != tag


def test_a_new_ground_truth_changes_the_tag_of_a_photo(
    client: FlaskClient, key: dict[str, str], upload: Upload
) -> None:
    path = f"/api/v1/photos/{upload()}"
    tag = client.get(path).headers["ETag"]
    client.put(f"{path}/ground-truth", json={"label": "haas"}, headers=key)
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_errors_and_health_are_never_kept(client: FlaskClient) -> None:
    for path in (
        "/api/v1/photos/none",
        "/api/v1/no",
        "/ping",
        "/health/ready",
        "/healthcheck",
        "/login",
    ):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store" and "ETag" not in answer.headers, path


@pytest.mark.parametrize(
    "path", ["/api/v1/photos/{id}/file", "/photos/{id}/view", "/photos/{id}/thumbnail"]
)
def test_pictures_tell_when_they_came(client: FlaskClient, upload: Upload, path: str) -> None:
    path = path.format(id=upload())
    when = client.get(path).headers["Last-Modified"]
    assert client.get(path, headers={"If-Modified-Since": when}).status_code == 304
    assert (
        client.get(path, headers={"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}).status_code
        == 200
    )


def test_a_copy_without_metadata_has_a_tag_of_its_own(
    client: FlaskClient, key: dict[str, str]
) -> None:
    sent = client.post(
        "/api/v1/photos", data={"file": (io.BytesIO(with_exif(draw())), "a.jpg")}
    ).json
    path = f"/api/v1/photos/{sent['id']}/file"
    copy, original = client.get(path), client.get(f"{path}?metadata=keep", headers=key)
    assert b"somewhere" in original.data and b"somewhere" not in copy.data
    assert copy.headers["ETag"] != original.headers["ETag"]


def test_pictures_stay_with_the_browser_for_a_day_where_all_may_see_them(
    client: FlaskClient, upload: Upload
) -> None:
    assert (
        client.get(f"/photos/{upload()}/thumbnail").headers["Cache-Control"]
        == "private, max-age=86400, immutable"
    )


def test_where_one_must_log_in_a_picture_is_asked_for_each_time(
    make_app: Make, classifier: FakeClassifier
) -> None:
    app = make_app(classifier, gallery="login")
    public_id = send_photo(app.test_client())
    with app.app_context():
        users.create_user("Anna", password=PASSWORD)
    browser = app.test_client()
    browser.post("/login", data={"name": "Anna", "password": PASSWORD})
    for name in ("thumbnail", "view", "file", "heat/ferrari?version=1"):
        answer = browser.get(f"/photos/{public_id}/{name}")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (
            200,
            "private, no-cache",
        ), name
    tag = browser.get(f"/photos/{public_id}/thumbnail").headers["ETag"]
    browser.post("/logout")
    assert (
        browser.get(f"/photos/{public_id}/thumbnail", headers={"If-None-Match": tag}).status_code
        == 303
    )


@pytest.mark.parametrize(
    "path", ["/photos/{id}/thumbnail", "/photos/{id}/view", "/static/marque.css", "/favicon.ico"]
)
def test_what_is_kept_neither_renews_the_session_nor_depends_on_it(
    admin: FlaskClient, upload: Upload, path: str
) -> None:
    assert "Set-Cookie" in admin.get("/help").headers
    with admin.get(path.format(id=upload())) as answer:
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers and "Cookie" not in answer.headers.get("Vary", "")


def test_a_tag_opens_nothing_without_a_key(make_app: Make, classifier: FakeClassifier) -> None:
    app = make_app(classifier, gallery="login")
    public_id = send_photo(app.test_client())
    for path in ("/api/v1/photos", f"/api/v1/photos/{public_id}/thumbnail"):
        assert app.test_client().get(path, headers={"If-None-Match": "*"}).status_code == 401


def test_a_static_file_named_by_its_content_is_kept_for_good(client: FlaskClient) -> None:
    page = client.get("/help").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    with client.get(address) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    with client.get("/static/marque.css?v=old") as answer:
        assert "immutable" not in answer.headers["Cache-Control"]


# ---- parts ----


@pytest.mark.parametrize("path", PICTURES)
def test_a_part_is_sent_as_a_part(client: FlaskClient, upload: Upload, path: str) -> None:
    path = path.format(id=upload())
    whole = client.get(path)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = client.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.data) == (206, whole.data[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.data)}"
    assert part.headers["Content-Length"] == "10"


def test_the_rest_and_the_end_are_parts_too(client: FlaskClient, upload: Upload) -> None:
    path = f"/api/v1/photos/{upload()}/file"
    whole = client.get(path).data
    assert client.get(path, headers={"Range": "bytes=100-"}).data == whole[100:]
    assert client.get(path, headers={"Range": "bytes=-50"}).data == whole[-50:]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/v1/photos/{id}/file", "application/problem+json"), ("/photos/{id}/file", "text/html")],
)
def test_a_part_that_is_not_there_is_a_416(
    client: FlaskClient, upload: Upload, path: str, kind: str
) -> None:
    path = path.format(id=upload())
    size = len(client.get(path).data)
    answer = client.get(path, headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer.mimetype) == (416, kind)
    assert answer.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("wish", ["bytes=0-1,5-9", "lines=1-2", "bytes=", "nonsense"])
def test_parts_of_another_kind_are_the_whole(
    client: FlaskClient, upload: Upload, wish: str
) -> None:
    assert client.get(f"/api/v1/photos/{upload()}/file", headers={"Range": wish}).status_code == 200


def test_a_part_of_what_it_was_before_is_the_whole(client: FlaskClient, upload: Upload) -> None:
    path = f"/api/v1/photos/{upload()}/file"
    tag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"Range": "bytes=0-9", "If-Range": tag}).status_code == 206
    assert (
        client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"another"'}).status_code == 200
    )


# ---- HEAD ----


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/gallery",
        "/photos/{id}",
        "/help",
        "/ping",
        "/health/live",
        "/healthcheck",
        *LISTS,
        *PICTURES,
    ],
)
def test_head_says_what_get_would_say_without_its_body(
    client: FlaskClient, upload: Upload, path: str
) -> None:
    path = path.format(id=upload())
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.data) == (200, b"")
    for name in (
        "Content-Type",
        "ETag",
        "Cache-Control",
        "Accept-Ranges",
        "Last-Modified",
        "Content-Disposition",
    ):
        assert head.headers.get(name) == got.headers.get(name), name
    assert head.headers.get("Content-Length") in (None, got.headers["Content-Length"])


def test_a_picture_of_no_age_says_none(client: FlaskClient, upload: Upload) -> None:
    assert "Last-Modified" not in client.get(f"/photos/{upload()}/heat/ferrari").headers


def test_head_tells_the_size_of_a_file(client: FlaskClient, upload: Upload) -> None:
    assert client.head(f"/api/v1/photos/{upload()}/file").headers["Content-Length"] == str(
        len(draw())
    )


@pytest.mark.parametrize("path", READ_BUT_NOT_MADE)
def test_neither_head_nor_a_304_reads_the_bytes(
    client: FlaskClient, upload: Upload, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path.format(id=upload())
    tag = client.get(path).headers["ETag"]
    monkeypatch.delattr(DatabaseFiles, "get")
    assert client.head(path).status_code == 200
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_head_begins_no_export(client: FlaskClient, key: dict[str, str]) -> None:
    answer = client.head("/api/v1/export?format=csv", headers=key)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    with client.application.app_context():
        from_the_list = client.get("/api/v1/exports/none", headers=key)
        assert from_the_list.status_code == 404


def test_a_rendition_makes_its_bytes_when_it_is_looked_at(app: Flask, upload: Upload) -> None:
    public_id = upload()
    with app.app_context():
        rendition = history.original(
            history.get_photo(public_id),
            files=get_files(),
            limiter=app.extensions["marque"].limiter,
            with_metadata=True,
        )
        assert rendition.size == len(rendition.content)
