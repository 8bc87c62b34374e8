"""Photos in the JSON API."""

from __future__ import annotations

import io
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.conftest import draw
from tests.fakes import FakeClassifier, make_card
from webapp.services.accounts import api_keys
from webapp.storage.database import db
from webapp.storage.tables import Prediction

Upload = Callable[..., str]


def send(client: FlaskClient, *contents: bytes, path: str = "/api/v1/photos", **fields: str):
    files = [(io.BytesIO(content), f"car{number}.jpg") for number, content in enumerate(contents)]
    answer = client.post(path, data={"file": files, **fields})
    answer.request.environ["wsgi.input"].close()  # large forms wait in a temporary file
    return answer


# ---- one photo in ----


def test_a_new_photo_is_ranked_and_answered_with_201(client: FlaskClient) -> None:
    answer = send(client, draw("#FF8700"))
    assert answer.status_code == 201
    assert answer.json["duplicate"] is False
    assert answer.json["prediction"]["label"] == "mclaren"
    assert answer.headers["Location"].endswith(answer.json["id"])


def test_the_photo_has_the_promised_shape(client: FlaskClient) -> None:
    photo = send(client, draw()).json
    assert set(photo) == {
        *("id", "filename", "sha256", "width", "height", "bytes", "created_at"),
        *("ground_truth", "outcome", "prediction", "cars", "car_count", "duplicate"),
    }  # fmt: skip
    assert set(photo["prediction"]) == {
        "decision",
        "level",
        "label",
        "confidence",
        "familiarity",
        "parent",
        "ranked",
        "model",
        "elapsed_ms",
    }
    assert photo["prediction"]["model"] == {"name": "f1-teams", "version": 1}
    assert photo["created_at"].endswith("Z")


def test_every_label_is_ranked_and_they_sum_to_one(client: FlaskClient) -> None:
    ranked = send(client, draw()).json["prediction"]["ranked"]
    assert [item["rank"] for item in ranked] == list(range(1, 11))
    assert sum(item["probability"] for item in ranked) == pytest.approx(1, abs=1e-3)
    assert ranked == sorted(ranked, key=lambda item: -item["probability"])
    assert {item["label"]: item["class_id"] for item in ranked}["mclaren"] == 4


def test_the_same_bytes_again_are_the_same_photo(client: FlaskClient) -> None:
    first, second = send(client, draw()), send(client, draw())
    assert second.status_code == 200
    assert second.json["duplicate"] is True
    assert second.json["id"] == first.json["id"]
    assert len(client.get("/api/v1/photos").json["items"]) == 1


def test_a_ground_truth_is_kept_with_the_photo(client: FlaskClient) -> None:
    photo = send(client, draw("#FF8700"), ground_truth="ferrari").json
    assert (photo["ground_truth"], photo["outcome"]) == ("ferrari", "wrong")


def test_a_duplicate_gets_the_ground_truth_it_lacked(client: FlaskClient) -> None:
    send(client, draw("#FF8700"))
    assert send(client, draw("#FF8700"), ground_truth="mclaren").json["outcome"] == "correct"


def test_a_duplicate_keeps_the_ground_truth_it_has(client: FlaskClient) -> None:
    send(client, draw("#FF8700"), ground_truth="mclaren")
    assert send(client, draw("#FF8700"), ground_truth="ferrari").json["ground_truth"] == "mclaren"


def test_a_new_version_ranks_a_known_photo_again(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    send(client, draw())
    classifier.card = make_card(version=2)
    assert send(client, draw()).json["prediction"]["model"]["version"] == 2


def test_a_model_that_is_not_sure_says_unclassified(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    classifier.says(mclaren=0.4)
    prediction = send(client, draw()).json["prediction"]
    assert (prediction["decision"], prediction["label"]) == ("unclassified", "mclaren")


def test_fields_that_nobody_may_set_are_ignored(client: FlaskClient) -> None:
    photo = send(
        client, draw(), id="mine", outcome="correct", created_at="1970-01-01", is_admin="1"
    ).json
    assert photo["id"] != "mine"
    assert photo["outcome"] == "unlabelled"


# ---- several ----


def test_several_files_get_a_result_each_in_order(client: FlaskClient) -> None:
    answer = send(client, draw(mark=1), b"not a photo", draw(mark=2))
    assert answer.status_code == 200
    assert [item["status"] for item in answer.json["results"]] == [201, 415, 201]
    assert [item["filename"] for item in answer.json["results"]] == [
        "car0.jpg",
        "car1.jpg",
        "car2.jpg",
    ]
    assert "error" in answer.json["results"][1]


def test_too_many_files_are_refused_as_a_whole(client: FlaskClient) -> None:
    answer = send(client, *[draw(mark=number) for number in range(51)])
    assert answer.status_code == 413
    assert client.get("/api/v1/photos").json["items"] == []


# ---- nothing stored ----


def test_classify_answers_and_stores_nothing(client: FlaskClient) -> None:
    answer = send(client, draw("#0600EF"), path="/api/v1/classify")
    assert answer.status_code == 200
    assert answer.json["prediction"]["label"] == "redbull"
    assert client.get("/api/v1/photos").json["items"] == []


def test_classify_takes_several(client: FlaskClient) -> None:
    results = send(client, draw(), b"no", path="/api/v1/classify").json["results"]
    assert [item["status"] for item in results] == [200, 415]


# ---- bad input ----


def one_bit_png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"plain text, renamed", 415),
        (b"", 415),
        (draw()[:400], 422),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415),
        (one_bit_png(7750), 413),
        (b"\xff\xd8\xff" + b"\0" * (25 * 2**20), 413),
    ],
    ids=["text", "empty", "truncated", "svg", "60 megapixels", "25 MB"],
)
def test_a_bad_file_is_refused_and_nothing_is_stored(
    client: FlaskClient, content: bytes, status: int
) -> None:
    answer = send(client, content)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["detail"].endswith(".")
    assert client.get("/api/v1/photos").json["items"] == []


def test_a_form_without_a_file_says_how_to_send_one(client: FlaskClient) -> None:
    answer = client.post(
        "/api/v1/photos", data={"ground_truth": "mclaren"}, content_type="multipart/form-data"
    )
    assert answer.status_code == 400
    assert "curl -F file=" in answer.json["detail"]


def test_an_unknown_ground_truth_stores_nothing(client: FlaskClient) -> None:
    answer = send(client, draw(), ground_truth="lada")
    assert answer.status_code == 422
    assert "mclaren" in answer.json["detail"]
    assert client.get("/api/v1/photos").json["items"] == []


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.put("/api/v1/photos")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/photos/nothing",
        "/api/v1/photos/nothing/file",
        "/api/v1/photos/nothing/thumbnail",
        "/api/v1/no",
    ],
)
def test_an_unknown_address_is_a_problem(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


# ---- reading ----


def test_one_photo_can_be_read(client: FlaskClient, upload: Upload) -> None:
    public_id = upload()
    assert client.get(f"/api/v1/photos/{public_id}").json["id"] == public_id


def test_the_file_is_what_was_sent(client: FlaskClient, upload: Upload) -> None:
    answer = client.get(f"/api/v1/photos/{upload('#FF8700')}/file")
    assert answer.data == draw("#FF8700")
    assert answer.content_type == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["Лада.jpg", "🏎️.jpg", "a b;c.jpg", "日本.jpg"])
def test_a_download_keeps_a_name_in_any_script(
    client: FlaskClient, upload: Upload, name: str
) -> None:
    header = client.get(f"/api/v1/photos/{upload(name=name)}/file").headers["Content-Disposition"]
    assert header.isascii()
    assert unquote(header.split("filename*=UTF-8''")[1]) == name


def with_gps() -> bytes:
    stream = io.BytesIO()
    image = Image.new("RGB", (64, 48), "#FF8700")
    exif = image.getexif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "Camera"
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_where_it_was_taken_is_not_served(client: FlaskClient) -> None:
    public_id = send(client, with_gps()).json["id"]
    for name in ("file", "thumbnail", "view"):
        served = Image.open(io.BytesIO(client.get(f"/api/v1/photos/{public_id}/{name}").data))
        assert not served.getexif()


def test_an_admins_key_gets_the_original(client: FlaskClient, key: dict[str, str]) -> None:
    public_id = send(client, with_gps()).json["id"]
    assert (
        client.get(f"/api/v1/photos/{public_id}/file?metadata=keep", headers=key).data == with_gps()
    )


def test_a_stranger_does_not_get_the_original(client: FlaskClient) -> None:
    public_id = send(client, with_gps()).json["id"]
    assert client.get(f"/api/v1/photos/{public_id}/file?metadata=keep").status_code == 401


def test_a_picture_that_is_known_is_not_sent_again(client: FlaskClient, upload: Upload) -> None:
    path = f"/api/v1/photos/{upload()}/thumbnail"
    tag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_photo_tells_what_people_said_about_it(
    client: FlaskClient, key: dict[str, str], upload: Upload
) -> None:
    path = f"/api/v1/photos/{upload()}"
    assert client.get(f"{path}/labels").json == {"items": []}
    client.put(f"{path}/ground-truth", json={"label": "haas", "why": "the nose"}, headers=key)
    client.put(f"{path}/ground-truth", json={"label": "bwt"}, headers=key)
    newest = client.get(f"{path}/labels").json["items"][0]
    assert (
        client.delete(f"/api/v1/labels/batches/{newest['batch']}", headers=key).status_code == 200
    )
    undo, last, first = client.get(f"{path}/labels").json["items"]
    assert (first["from"], first["to"], first["why"], first["place"]) == (
        None,
        "haas",
        "the nose",
        "api",
    )
    assert last["undone"] and undo["undoes"] == last["event"] and undo["to"] == "haas"


# ---- lists ----


def test_a_list_is_newest_first_and_goes_on_with_a_cursor(
    client: FlaskClient, upload: Upload
) -> None:
    ids = [upload(mark=number) for number in range(5)]
    first = client.get("/api/v1/photos?limit=2").json
    second = client.get(f"/api/v1/photos?limit=2&cursor={first['next']}").json
    third = client.get(f"/api/v1/photos?limit=2&cursor={second['next']}").json
    assert [item["id"] for page in (first, second, third) for item in page["items"]] == ids[::-1]
    assert third["next"] is None


def test_a_photo_that_arrives_meanwhile_shifts_nothing(client: FlaskClient, upload: Upload) -> None:
    ids = [upload(mark=number) for number in range(3)]
    first = client.get("/api/v1/photos?limit=2").json
    upload(mark=99)
    assert [
        item["id"] for item in client.get(f"/api/v1/photos?cursor={first['next']}").json["items"]
    ] == [ids[0]]


def test_least_sure_comes_first_when_asked_for(
    client: FlaskClient, classifier: FakeClassifier, upload: Upload
) -> None:
    expected = []
    for number, confidence in enumerate((0.9, 0.3, 0.6, 0.3)):
        classifier.says(mclaren=confidence)
        expected.append((confidence, number, upload(mark=number)))
    seen, cursor = [], ""
    for _ in range(4):
        page = client.get(f"/api/v1/photos?sort=least-sure&limit=1&cursor={cursor}").json
        seen.append(page["items"][0]["id"])
        cursor = page["next"]
    assert seen == [item[2] for item in sorted(expected)]


def test_filters_combine(client: FlaskClient, upload: Upload) -> None:
    wanted = upload("#FF8700", mark=1, name="monza-1.jpg", ground_truth="mclaren")
    upload("#FF8700", mark=2, name="spa-1.jpg", ground_truth="mclaren")
    upload("#FF8700", mark=3, name="monza-2.jpg")
    upload("#0600EF", mark=4, name="monza-3.jpg", ground_truth="mclaren")
    query = (
        "predicted=mclaren&ground_truth=mclaren&outcome=correct"
        "&min_confidence=0.5&max_confidence=1&filename=MONZA"
    )
    assert [item["id"] for item in client.get(f"/api/v1/photos?{query}").json["items"]] == [wanted]


@pytest.mark.parametrize(
    "outcome", ["correct", "wrong", "unlabelled", "unclassified", "unusable", "no-car"]
)
def test_each_outcome_finds_its_photos(
    client: FlaskClient, classifier: FakeClassifier, upload: Upload, outcome: str
) -> None:
    classifier.says(mclaren=0.9)
    upload(mark=1, ground_truth="mclaren")
    upload(mark=2, ground_truth="ferrari")
    upload(mark=3)
    upload(mark=4, ground_truth="unusable")
    upload(mark=6, ground_truth="no-car")
    classifier.says(mclaren=0.3)
    upload(mark=5, ground_truth="mclaren")
    items = client.get(f"/api/v1/photos?outcome={outcome}").json["items"]
    assert [item["outcome"] for item in items] == [outcome]


def test_not_naming_a_team_is_right_when_there_is_none(
    client: FlaskClient, classifier: FakeClassifier
) -> None:
    classifier.says(mclaren=0.3)
    assert send(client, draw(), ground_truth="none").json["outcome"] == "correct"


def test_a_percent_sign_in_a_file_name_is_only_a_percent_sign(
    client: FlaskClient, upload: Upload
) -> None:
    upload(name="100%.jpg", mark=1)
    upload(name="100x.jpg", mark=2)
    assert [
        item["filename"] for item in client.get("/api/v1/photos?filename=100%25").json["items"]
    ] == ["100%.jpg"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=9999999999999999999999",
        "sort=__class__",
        "outcome=maybe",
        "cursor=%00",
        "cursor=e30",
        "cursor=WzEsMiwzXQ",
        "min_confidence=2",
        "max_confidence=nan",
        "min_confidence=x",
        "filename=" + "x" * 300,
    ],
)
def test_a_question_that_makes_no_sense_is_a_400(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/v1/photos?{query}")
    assert answer.status_code == 400
    assert answer.json["title"] == "Bad Request"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("model=nope", "There is no model called 'nope'. Name one of f1-teams."),
        ("model=f1-teams&version=99", "There is no version 99 of 'f1-teams'."),
    ],
)
def test_a_filter_by_an_unknown_model_is_a_404(
    client: FlaskClient, query: str, detail: str
) -> None:
    answer = client.get(f"/api/v1/photos?{query}")
    assert (answer.status_code, answer.json["detail"]) == (404, detail)


def test_a_model_that_is_gone_is_known_by_its_answers(
    app: Flask, client: FlaskClient, upload: Upload
) -> None:
    public_id = upload()
    with app.app_context():
        db.session.query(Prediction).update({"model": "gone"})
        db.session.commit()
    (photo,) = client.get("/api/v1/photos?model=gone@1").json["items"]
    assert photo["id"] == public_id


def test_labels_by_the_filter_of_an_unknown_model_are_refused(
    client: FlaskClient, key: dict[str, str]
) -> None:
    body = {"filter": {"model": "nope"}, "label": "mclaren"}
    assert client.post("/api/v1/labels", json=body, headers=key).status_code == 404


# ---- ground truth ----


def test_a_ground_truth_is_put_with_a_key(
    client: FlaskClient, upload: Upload, key: dict[str, str]
) -> None:
    answer = client.put(
        f"/api/v1/photos/{upload()}/ground-truth",
        json={"label": "mclaren", "why": "seen it"},
        headers=key,
    )
    assert answer.status_code == 200
    assert (answer.json["ground_truth"], answer.json["outcome"]) == ("mclaren", "correct")


def test_without_a_key_nothing_is_relabelled(client: FlaskClient, upload: Upload) -> None:
    public_id = upload()
    answer = client.put(f"/api/v1/photos/{public_id}/ground-truth", json={"label": "mclaren"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get(f"/api/v1/photos/{public_id}").json["ground_truth"] is None


def test_a_key_of_a_smaller_scope_may_not_relabel(
    app: Flask, client: FlaskClient, upload: Upload
) -> None:
    with app.app_context():
        _key, text = api_keys.create_key("camera", "predict")
    answer = client.put(
        f"/api/v1/photos/{upload()}/ground-truth",
        json={"label": "mclaren"},
        headers={"Authorization": f"Bearer {text}"},
    )
    assert answer.status_code == 403


def test_a_revoked_key_is_worth_nothing(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        made, text = api_keys.create_key("camera", "admin")
        api_keys.revoke_key_by_prefix(made.prefix)
    assert (
        client.get("/api/v1/photos", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    )


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Basic YTpi", "Bearer " + "x" * 10_000, "Bearer é"]
)
def test_a_wrong_key_is_refused_even_where_none_is_needed(client: FlaskClient, header: str) -> None:
    assert client.get("/api/v1/photos", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("label", ["lada", "", "McLaren", "<b>", "x" * 10_000, "mclaren\x00"])
def test_an_unknown_label_is_refused(
    client: FlaskClient, upload: Upload, key: dict[str, str], label: str
) -> None:
    answer = client.put(
        f"/api/v1/photos/{upload()}/ground-truth", json={"label": label}, headers=key
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [{"label": "lada"}, {"label": "haas", "model": "none"}])
def test_that_a_photo_is_gone_is_said_before_what_is_wrong_with_its_label(
    client: FlaskClient, upload: Upload, key: dict[str, str], body: dict[str, str]
) -> None:
    path = f"/api/v1/photos/{upload()}"
    client.delete(path, headers=key)
    assert client.put(f"{path}/ground-truth", json=body, headers=key).status_code == 410
    absent = client.put("/api/v1/photos/nothing/ground-truth", json=body, headers=key)
    assert absent.json["detail"] == "There is no such photo. It may have been deleted."


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"label": 5}', b"{", b'{"label": "mclaren", "why": 5}']
)
def test_a_body_that_is_not_the_promised_json_is_a_400(
    client: FlaskClient, upload: Upload, key: dict[str, str], body: bytes
) -> None:
    path = f"/api/v1/photos/{upload()}/ground-truth"
    assert (
        client.put(path, data=body, content_type="application/json", headers=key).status_code == 400
    )


# ---- deleting ----


def test_an_admins_key_deletes_a_photo_and_brings_it_back(
    client: FlaskClient, upload: Upload, key: dict[str, str]
) -> None:
    path = f"/api/v1/photos/{upload()}"
    assert client.delete(path, headers=key).status_code == 204
    assert [client.get(path + more).status_code for more in ("", "/file", "/thumbnail")] == [
        410,
        410,
        410,
    ]
    assert client.post(f"{path}/restore").status_code == 404
    assert client.post(f"{path}/restore", headers=key).status_code == 200
    assert client.get(path).status_code == 200


def test_a_stranger_deletes_nothing(client: FlaskClient, upload: Upload) -> None:
    path = f"/api/v1/photos/{upload()}"
    assert client.delete(path).status_code == 403
    assert client.get(path).status_code == 200


# ---- access settings ----


@pytest.fixture
def closed(config, classifier):

    from webapp.app import create_app
    from webapp.storage.database import db

    app = create_app(config.model_copy(update={"uploads": "login", "gallery": "login"}), classifier)
    app.testing = True
    with app.app_context():
        db.create_all()
    return app


def test_a_closed_server_takes_photos_only_with_a_key(closed: Flask) -> None:
    with closed.app_context():
        _key, text = api_keys.create_key("camera", "predict")
    client = closed.test_client()
    assert send(client, draw()).status_code == 401
    assert client.get("/api/v1/photos").status_code == 401
    header = {"Authorization": f"Bearer {text}"}
    assert (
        client.post(
            "/api/v1/photos", data={"file": (io.BytesIO(draw()), "a.jpg")}, headers=header
        ).status_code
        == 201
    )
    assert client.get("/api/v1/photos", headers=header).status_code == 200
