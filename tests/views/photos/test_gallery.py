"""The gallery, one photo's page, its pictures, and forgetting it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import update

from tests.conftest import draw, statements
from tests.fakes import FakeClassifier, make_card
from tests.views.conftest import Send, form_of
from webapp.extensions import get_files, get_limiter
from webapp.services.photos.classify import Pipeline, ask_models
from webapp.services.photos.gallery import get_photo
from webapp.storage.database import db, writing
from webapp.storage.tables import Photo


def ids(page: str) -> list[str]:
    """The photos of a page, in order."""
    return list(dict.fromkeys(re.findall(r'href="/photos/([\w-]+)"', page)))


def with_exif() -> bytes:
    """A photo that says where it was taken."""
    image, stream = Image.new("RGB", (60, 40), "#FF8700"), io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Kamera"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_an_empty_gallery_says_what_to_do(client: FlaskClient) -> None:
    answer = client.get("/gallery")
    assert (
        answer.status_code == 200
        and "No photos yet" in answer.text
        and "Send the first one" in answer.text
    )


def test_the_newest_photo_comes_first(client: FlaskClient, send: Send) -> None:
    sent = [send(mark=number) for number in range(3)]
    assert ids(client.get("/gallery").text) == sent[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("decision=ferrari", ["red"]),
        ("predicted=mclaren", ["orange"]),
        ("ground_truth=williams", ["orange"]),
        ("outcome=wrong", ["orange"]),
        ("outcome=unlabelled", ["red"]),
        ("filename=ROS", ["red"]),
        ("from=10&to=100", ["red", "orange"]),
        ("to=1", []),
    ],
)
def test_a_filter_keeps_what_it_says(
    client: FlaskClient, send: Send, query: str, expected: list[str]
) -> None:
    sent = {
        "orange": send("#FF8700", "orange.jpg", ground_truth="williams"),
        "red": send("#C00000", "rosso.jpg"),
    }
    assert ids(client.get(f"/gallery?{query}").text) == [sent[name] for name in expected]


def test_the_least_sure_comes_first_when_asked(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.says(haas=0.9)
    sure = send(mark=1)
    classifier.says(haas=0.6)
    unsure = send(mark=2)
    assert ids(client.get("/gallery?sort=least-sure").text) == [unsure, sure]


def test_a_filter_that_is_on_can_be_taken_off(client: FlaskClient, send: Send) -> None:
    send()
    page = unescape(client.get("/gallery?decision=mclaren&from=30&size=small").text)
    assert 'class="tag" href="/gallery?decision=mclaren&size=small"' in page
    assert "Answer: McLaren" in page and "30 % or more" in page


@pytest.mark.parametrize(
    "query",
    [
        "from=abc",
        "to=101",
        "from=-1",
        "outcome=maybe",
        "sort=size",
        "cursor=nonsense",
        f"filename={'x' * 300}",
    ],
)
def test_a_filter_that_makes_no_sense_is_said_and_kept(
    client: FlaskClient, send: Send, query: str
) -> None:
    send()
    answer = client.get(f"/gallery?{query}")
    assert answer.status_code == 400 and 'role="alert"' in answer.text
    assert ids(answer.text) == []


def test_a_model_that_is_unknown_is_said(client: FlaskClient) -> None:
    answer = client.get("/gallery?model=nope")
    assert (answer.status_code, "There is no model called" in answer.text) == (404, True)


def test_it_jumps_to_a_day(client: FlaskClient, send: Send) -> None:
    send()
    answer = client.get("/gallery?jump= 2026-02-27 &starred=no")
    assert (answer.status_code, "cursor=" in answer.location) == (303, True)


def test_a_day_to_jump_to_that_is_none_is_said(client: FlaskClient) -> None:
    page = client.get("/gallery?jump=tomorrow")
    assert (page.status_code, "jump must be a day like 2026-02-27." in page.text) == (400, True)


def test_pages_follow_each_other_without_gaps(client: FlaskClient, send: Send) -> None:
    sent = [send(mark=number) for number in range(30)][::-1]
    first = client.get("/gallery").text
    send(mark=99)
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = client.get(unescape(following[1])).text
    assert ids(first) + ids(second) == sent and 'rel="prev"' in second


def test_the_tabs_count_the_outcomes(client: FlaskClient, send: Send) -> None:
    send(ground_truth="mclaren")
    send(mark=1)
    page = re.sub(r"\s+", " ", client.get("/gallery").text)
    assert (
        'Right <span class="count">1</span>' in page
        and 'Not checked <span class="count">1</span>' in page
    )


def test_an_empty_outcome_offers_the_others(client: FlaskClient, send: Send) -> None:
    send()
    page = client.get("/gallery?outcome=wrong").text
    assert "No photo is “Wrong” here" in page and "Show it" in page


def test_only_reviewers_pick(client: FlaskClient, reviewer: FlaskClient, send: Send) -> None:
    send()
    assert 'name="ids"' not in client.get("/gallery").text
    assert 'name="ids"' in reviewer.get("/gallery").text


def test_it_asks_the_database_a_fixed_number_of_questions(
    app: Flask, reviewer: FlaskClient, send: Send
) -> None:
    def asked() -> int:
        with app.app_context(), statements() as seen:
            reviewer.get("/gallery")
        return len(seen)

    send(mark=0)
    few = asked()
    for number in range(1, 20):
        send(mark=number, ground_truth="ferrari" if number % 2 else "")
    assert asked() == few <= 8


# ---- one photo ----


def test_a_photo_shows_every_label(client: FlaskClient, send: Send) -> None:
    page = client.get(f"/photos/{send()}").text
    for name in ("McLaren", "Alfa Romeo Racing", "Williams", "The other five"):
        assert name in page


def test_the_title_is_the_answer(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.says(mclaren=0.97)
    assert "<title>McLaren, 97\u202f% · Marque</title>" in client.get(f"/photos/{send()}").text


def test_a_close_call_colours_both(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.says(williams=0.46, mercedes=0.41)
    page = client.get(f"/photos/{send()}").text
    assert "Close call:" in page and 'fill="#0082FA"' in page and 'fill="#00D2BE"' in page


def test_an_unsure_answer_names_nothing(
    client: FlaskClient, send: Send, classifier: FakeClassifier
) -> None:
    classifier.says(williams=0.15)
    page = client.get(f"/photos/{send()}").text
    assert "Not sure." in page and 'fill="#0082FA"' not in page


def test_the_facts_name_file_size_model_and_time(client: FlaskClient, send: Send) -> None:
    page = client.get(f"/photos/{send(name='monza.jpg')}").text
    assert (
        "monza.jpg" in page
        and "120 × 80" in page
        and "/models/f1-teams/1" in page
        and "\u202fms" in page
    )


def test_a_visitor_sees_bars_and_a_reviewer_buttons(
    client: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    public_id = send()
    assert 'name="label"' not in client.get(f"/photos/{public_id}").text
    page = reviewer.get(f"/photos/{public_id}").text
    assert page.count('name="label"') == 12 and 'aria-keyshortcuts="5"' in page


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>.jpg",
        "{{7*7}}.jpg",
        "' onerror='alert(1)><.jpg",
        "‮gpj.exe",
        "a&b.jpg",
    ],
)
def test_a_file_name_is_only_text(
    client: FlaskClient, reviewer: FlaskClient, send: Send, name: str
) -> None:
    public_id = send(name=name, ground_truth="ferrari")
    for browser, path in (
        (client, "/"),
        (client, "/gallery"),
        (client, f"/photos/{public_id}"),
        (reviewer, "/admin/log"),
    ):
        page = browser.get(path).text
        assert "<script>alert" not in page and "49.jpg" not in page and "onerror='" not in page


# ---- pictures ----


def test_the_large_picture_and_the_thumbnail_are_images(client: FlaskClient, send: Send) -> None:
    public_id = send()
    for kind in ("view", "thumbnail"):
        answer = client.get(f"/photos/{public_id}/{kind}")
        assert (
            answer.mimetype.startswith("image/")
            and "sandbox" in answer.headers["Content-Security-Policy"]
        )


def test_a_picture_is_not_sent_twice(client: FlaskClient, send: Send) -> None:
    path = f"/photos/{send()}/thumbnail"
    tag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_stranger_gets_the_file_without_its_metadata(app: Flask, client: FlaskClient) -> None:
    path = client.post("/", data=form_of((with_exif(), "a.jpg"))).location
    mine, theirs = client.get(f"{path}/file"), app.test_client().get(f"{path}/file")
    assert mine.data == with_exif() and "attachment" in mine.headers["Content-Disposition"]
    assert b"Kamera" not in theirs.data and theirs.mimetype == "image/jpeg"


def test_a_copy_that_became_a_jpeg_is_named_so(app: Flask, client: FlaskClient) -> None:
    image, stream = Image.open(io.BytesIO(draw())), io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Kamera"
    image.save(stream, "PNG", exif=exif)
    path = client.post("/", data=form_of((stream.getvalue(), "a.png"))).location
    assert "a.jpg" in app.test_client().get(f"{path}/file").headers["Content-Disposition"]


def test_answers_of_other_versions_are_told(app: Flask, client: FlaskClient, send: Send) -> None:
    public_id = send("#C00000")
    assert "Other versions" not in client.get(f"/photos/{public_id}").text
    other = FakeClassifier(make_card(version=2))
    other.says(haas=0.99)
    with app.app_context():
        pipeline = Pipeline([other], get_files(), get_limiter())
        ask_models(get_photo(public_id), pipeline, standing=False)
    words = " ".join(client.get(f"/photos/{public_id}").text.split())
    assert "<dt>Other versions</dt> <dd>f1-teams 2: Haas" in words


@pytest.mark.parametrize("kind", ["", "/view", "/thumbnail", "/file", "/delete"])
def test_an_unknown_photo_is_not_there(client: FlaskClient, kind: str) -> None:
    answer = client.get(f"/photos/nothing{kind}")
    assert answer.status_code == 404 and "no such photo" in answer.text


# ---- forgetting ----


def test_the_uploader_gets_a_link_to_delete(client: FlaskClient, app: Flask, send: Send) -> None:
    public_id = send()
    link = re.search(
        r'href="(/photos/[\w-]+/delete\?token=[\w-]+)"', client.get(f"/photos/{public_id}").text
    )
    assert link is not None
    elsewhere = app.test_client()
    page = elsewhere.get(link[1])
    assert page.status_code == 200 and "bring it back" in page.text
    token = link[1].split("token=")[1]
    answer = elsewhere.post(
        f"/photos/{public_id}/delete", data={"token": token}, follow_redirects=True
    )
    assert "Deleted:" in answer.text and client.get(f"/photos/{public_id}").status_code == 410


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_stranger_deletes_nothing(
    app: Flask, client: FlaskClient, send: Send, token: str
) -> None:
    public_id = send()
    stranger = app.test_client()
    assert stranger.get(f"/photos/{public_id}/delete?token={token}").status_code == 403
    assert stranger.post(f"/photos/{public_id}/delete", data={"token": token}).status_code == 403
    assert client.get(f"/photos/{public_id}").status_code == 200


def test_an_admin_deletes_any_photo(admin: FlaskClient, client: FlaskClient, send: Send) -> None:
    public_id = send()
    assert admin.post(f"/photos/{public_id}/delete").status_code == 303
    for kind in ("", "/view", "/thumbnail", "/file", "/delete", "/models"):
        assert client.get(f"/photos/{public_id}{kind}").status_code == 410
    assert public_id not in client.get("/gallery").text


def test_who_sent_a_photo_brings_it_back(app: Flask, client: FlaskClient, send: Send) -> None:
    public_id = send(name="monza.jpg")
    page = client.post(f"/photos/{public_id}/delete", follow_redirects=True).text
    assert f'href="/photos/{public_id}"' in page and "Bring it back" in page
    mine, theirs = (
        client.get(f"/photos/{public_id}").text,
        app.test_client().get(f"/photos/{public_id}").text,
    )
    assert "monza.jpg" in mine and "monza.jpg" not in theirs and "/restore" not in theirs
    assert client.post(f"/photos/{public_id}/restore", follow_redirects=True).status_code == 200


def test_the_link_brings_a_photo_back_from_any_browser(
    app: Flask, client: FlaskClient, send: Send
) -> None:
    public_id = send()
    token = re.search(r'/delete\?token=([\w-]+)"', client.get(f"/photos/{public_id}").text)
    assert token is not None
    elsewhere = app.test_client()
    page = elsewhere.post(
        f"/photos/{public_id}/delete", data={"token": token[1]}, follow_redirects=True
    ).text
    assert f'href="/photos/{public_id}?token={token[1]}"' in page
    for kind in ("", "/delete"):
        assert "/restore" in elsewhere.get(f"/photos/{public_id}{kind}?token={token[1]}").text
    assert (
        elsewhere.post(f"/photos/{public_id}/restore", data={"token": token[1]}).status_code == 303
    )
    assert client.get(f"/photos/{public_id}").status_code == 200


def test_a_stranger_brings_nothing_back(app: Flask, client: FlaskClient, send: Send) -> None:
    public_id = send()
    client.post(f"/photos/{public_id}/delete")
    assert app.test_client().post(f"/photos/{public_id}/restore").status_code == 404


def test_a_photo_with_a_star_is_not_deleted(app: Flask, admin: FlaskClient, send: Send) -> None:
    public_id = send()
    with app.app_context(), writing():
        db.session.execute(update(Photo).values(starred=True))
    assert "protects it" in admin.get(f"/photos/{public_id}/delete").text
    assert admin.post(f"/photos/{public_id}/delete").status_code == 403


def test_a_reviewer_deletes_only_what_they_sent(reviewer: FlaskClient, send: Send) -> None:
    assert reviewer.post(f"/photos/{send()}/delete").status_code == 403


# ---- a private gallery ----


@pytest.fixture
def private(make_app: Callable[..., Flask], classifier: FakeClassifier) -> Flask:
    """An app whose photos are for people who log in."""
    return make_app(classifier, gallery="login")


def test_a_private_gallery_asks_to_log_in(private: Flask) -> None:
    client = private.test_client()
    path = client.post("/", data=form_of((draw(), "a.jpg"))).location
    stranger = private.test_client()
    for address in ("/gallery", path, f"{path}/view", f"{path}/thumbnail", f"{path}/file"):
        answer = stranger.get(address)
        assert answer.status_code == 303 and answer.location.startswith("/login?next=")


def test_who_sent_a_photo_sees_it_in_a_private_gallery(private: Flask) -> None:
    client = private.test_client()
    path = client.post("/", data=form_of((draw(), "a.jpg"))).location
    assert client.get(path).status_code == 200 and client.get(f"{path}/view").status_code == 200


def test_a_private_gallery_keeps_photos_off_the_first_page(private: Flask) -> None:
    private.test_client().post("/", data=form_of((draw(), "a.jpg"), ground_truth="ferrari"))
    assert "/photos/" not in private.test_client().get("/").text
