"""The first page and what becomes of photos sent with it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from tests.cars import live_detector
from tests.conftest import ROOT, draw
from tests.fakes import FakeClassifier
from tests.views.conftest import Send, form_of
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.registry import Registry
from webapp.storage.photos.pages import count_by_outcome


def count(app: Flask) -> int:
    with app.app_context():
        return count_by_outcome(GalleryFilter())["all"].number or 0


def send_large(client: FlaskClient, content: bytes, name: str) -> TestResponse:
    """Send a file from memory: the client's own form would leave a temporary file open."""
    boundary, body = encode_multipart({"files": FileStorage(io.BytesIO(content), name)})
    return client.post("/", data=body, content_type=f"multipart/form-data; boundary={boundary}")


def test_it_asks_the_question_of_the_model(client: FlaskClient) -> None:
    assert "Whose car is it?" in client.get("/").text


def test_one_photo_leads_to_its_page(client: FlaskClient) -> None:
    answer = client.post("/", data=form_of((draw(), "monza.jpg")), follow_redirects=True)
    assert answer.request.path.startswith("/photos/")
    assert "McLaren" in answer.text and "monza.jpg" in answer.text


def test_a_field_called_file_works_too(client: FlaskClient) -> None:
    data = {"file": form_of((draw(), "a.jpg"))["files"]}
    assert client.post("/", data=data).status_code == 303


def test_several_photos_lead_to_their_list(client: FlaskClient) -> None:
    answer = client.post(
        "/",
        data=form_of((draw(), "a.jpg"), (b"words", "b.jpg"), (draw("#C00000"), "c.jpg")),
        follow_redirects=True,
    )
    assert answer.request.path.startswith("/uploads/")
    assert (
        "Two of three" in answer.text and "a.jpg" in answer.text and "Choose another" in answer.text
    )


def test_the_same_photo_again_says_so(client: FlaskClient, app: Flask, send: Send) -> None:
    first = send()
    answer = client.post("/", data=form_of((draw(), "again.jpg")), follow_redirects=True)
    assert answer.request.path == f"/photos/{first}"
    assert "You sent this photo on" in answer.text and "nothing was stored twice" in answer.text
    assert count(app) == 1


def test_another_browser_is_not_told_that_it_sent_it(app: Flask, send: Send) -> None:
    send()
    answer = app.test_client().post("/", data=form_of((draw(), "again.jpg")), follow_redirects=True)
    assert "This photo was sent before" in answer.text and "link to delete it" not in answer.text


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"plain text", 415, "not"),
        (b"", 415, "empty"),
        (draw()[:400], 422, "damaged"),
    ],
    ids=["text", "empty", "truncated"],
)
def test_a_bad_file_is_refused_in_words_above_the_form(
    client: FlaskClient, app: Flask, content: bytes, status: int, words: str
) -> None:
    answer = client.post("/", data=form_of((content, "bad.jpg"), ground_truth="ferrari"))
    assert answer.status_code == status
    assert words in answer.text and 'role="alert"' in answer.text
    assert '<option value="ferrari" selected>' in answer.text
    assert count(app) == 0


def test_a_file_of_25_megabytes_is_refused(client: FlaskClient, app: Flask) -> None:
    answer = send_large(client, b"\xff\xd8\xff" + bytes(25 * 1024 * 1024), "large.jpg")
    assert answer.status_code == 413 and "larger than 20 MB" in answer.text and count(app) == 0


def test_no_file_is_refused(client: FlaskClient) -> None:
    answer = client.post("/", data={})
    assert answer.status_code == 400 and "No photo came with the form" in answer.text


def test_an_unknown_label_is_refused_before_anything_is_stored(
    client: FlaskClient, app: Flask
) -> None:
    answer = client.post("/", data=form_of((draw(), "a.jpg"), ground_truth="trabant"))
    assert answer.status_code == 422 and count(app) == 0


def test_a_refusal_says_that_nothing_was_stored(client: FlaskClient) -> None:
    assert "Nothing was stored." in client.post("/", data=form_of((b"plain text", "a.jpg"))).text


def test_every_hostile_file_is_answered_in_words(client: FlaskClient, shared: Path) -> None:
    for path in sorted(
        item
        for item in (shared / "hostile").rglob("*")
        if item.is_file() and item.stat().st_size < 30 * 2**20
    ):
        answer = send_large(client, path.read_bytes()[: 21 * 2**20], path.name)
        assert answer.status_code in (303, 400, 413, 415, 422), path.name


def test_the_session_cookie_stays_small(client: FlaskClient, send: Send) -> None:
    for mark in range(35):
        send(mark=mark)
    cookie = client.get_cookie("marque")
    assert cookie is not None and len(cookie.value) < 3000


def test_the_ground_truth_counts_for_every_photo(client: FlaskClient, app: Flask) -> None:
    client.post(
        "/", data=form_of((draw(), "a.jpg"), (draw("#C00000"), "b.jpg"), ground_truth="mclaren")
    )
    with app.app_context():
        labelled = count_by_outcome(GalleryFilter(ground_truth="mclaren"))["all"]
        assert labelled.number == 2


def test_the_script_gets_json(client: FlaskClient) -> None:
    answer = client.post(
        "/", data=form_of((draw(), "a.jpg")), headers={"Accept": "application/json"}
    )
    (result,) = answer.json["results"]
    assert (
        result["filename"] == "a.jpg"
        and result["answer"].startswith("McLaren")
        and result["error"] is None
    )
    assert client.get(result["url"]).status_code == 200 and client.get(
        result["thumbnail"]
    ).mimetype.startswith("image/")


def test_the_script_gets_a_refusal_in_json(client: FlaskClient) -> None:
    answer = client.post(
        "/", data=form_of((b"words", "a.jpg")), headers={"Accept": "application/json"}
    )
    assert answer.status_code == 415
    assert answer.json["results"][0]["error"] and answer.json["results"][0]["url"] is None


def test_the_latest_photo_stands_beside_the_form(client: FlaskClient, send: Send) -> None:
    public_id = send()
    page = client.get("/").text
    assert f"/photos/{public_id}/view" in page and "Latest answer" in page


def test_what_it_knows_shows_a_checked_photo(client: FlaskClient, send: Send) -> None:
    public_id = send(ground_truth="ferrari")
    assert f"/photos/{public_id}/thumbnail" in client.get("/").text


def test_the_shipped_samples_are_small_pictures_of_each_label_and_two_other_things() -> None:
    samples = sorted((ROOT / "webapp" / "static" / "samples").iterdir())
    labels = Registry(ROOT / "models").card("f1-teams").label_names
    assert {path.stem for path in samples} == {*labels, "road-car", "sailing-boat"}
    assert all(path.stat().st_size <= 60_000 for path in samples)


def test_it_works_without_any_sample(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "static_folder", str(tmp_path / "bare"))
    answer = app.test_client().get("/")
    assert answer.status_code == 200 and "Try a sample" not in answer.text


@pytest.fixture
def sampled(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An app with three samples."""
    static = tmp_path / "static"
    shutil.copytree(str(app.static_folder), static, ignore=shutil.ignore_patterns("samples"))
    (static / "samples").mkdir()
    for name, color in (("ferrari", "#C00000"), ("mclaren", "#FF8700"), ("road-car", "#4060A0")):
        (static / "samples" / f"{name}.jpg").write_bytes(draw(color))
    monkeypatch.setattr(app, "static_folder", str(static))
    return app


def test_a_sample_is_answered_and_not_stored(sampled: Flask) -> None:
    answer = sampled.test_client().get("/samples/ferrari")
    assert answer.status_code == 200 and "Ferrari" in answer.text and "not stored" in answer.text
    assert count(sampled) == 0


def test_a_sample_is_ranked_once(sampled: Flask, classifier: FakeClassifier) -> None:
    for _ in range(3):
        sampled.test_client().get("/samples/ferrari")
    assert classifier.ranked_photos == 1


def test_a_sample_goes_through_the_detector_like_an_upload(
    sampled: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = live_detector(monkeypatch)
    detector.boxes = [(0.25, 0.25, 0.5, 0.5)]
    page = sampled.test_client().get("/samples/ferrari").text
    assert "Ferrari" in page and '<rect x="240.0" y="160.0" width="480.0"' in page
    detector.boxes = []
    assert "No car <span>found.</span>" in sampled.test_client().get("/samples/mclaren").text


def test_a_sample_is_answered_anew_after_a_merge(
    sampled: Flask, admin: FlaskClient, classifier: FakeClassifier
) -> None:
    assert "<title>Ferrari" in admin.get("/samples/ferrari").text
    data = {"label": "ferrari", "into": "bwt", "why": "one team"}
    merged = admin.post("/models/f1-teams/labels/merge", data=data, follow_redirects=True)
    assert "Ferrari reads as BWT now" in merged.text
    assert "<title>BWT" in admin.get("/samples/ferrari").text


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fmarque.css", "marque.css"])
def test_there_is_no_other_sample(sampled: Flask, name: str) -> None:
    assert sampled.test_client().get(f"/samples/{name}").status_code == 404


def test_a_fresh_install_shows_a_sample_with_its_true_answer(sampled: Flask) -> None:
    page = sampled.test_client().get("/").text
    assert "A sample picture" in page and 'class="latest"' in page


def test_without_a_model_the_page_says_so_and_history_works(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    client = make_app(models=tmp_path / "no-models").test_client()
    answer = client.get("/")
    assert (
        answer.status_code == 503
        and "No model is installed" in answer.text
        and answer.headers["Retry-After"]
    )
    assert client.post("/", data=form_of((draw(), "a.jpg"))).status_code == 503
    assert client.get("/gallery").status_code == 200


def test_private_uploads_ask_to_log_in(
    make_app: Callable[..., Flask], classifier: FakeClassifier
) -> None:
    client = make_app(classifier, uploads="login").test_client()
    assert (
        client.get("/").location == "/login?next=/"
        and client.get("/samples/ferrari").status_code == 303
    )
    assert client.post("/", data=form_of((draw(), "a.jpg"))).status_code == 401
    assert "Visitors need no account" not in client.get("/login").text


def test_a_list_of_an_unknown_upload_is_not_there(client: FlaskClient) -> None:
    assert client.get("/uploads/nothing").status_code == 404
