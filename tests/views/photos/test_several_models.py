"""Choosing who looks at a photo, in the browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import draw
from tests.fakes import FakeClassifier
from tests.views.conftest import Send, form_of
from webapp.extensions import get_extensions


@pytest.fixture
def others(cars: FakeClassifier) -> list[FakeClassifier]:
    return [cars]


def test_the_form_asks_who_shall_look(client: FlaskClient) -> None:
    page = client.get("/").text
    assert (
        "Which model answers?" in page
        and "The one that knows the car" in page
        and "Formula One teams: ten teams" in page
        and "Road cars: four cars" in page
    )
    assert "All, side by side" in page and page.index('value="f1-teams"') < page.index(
        'value="stanford-cars"'
    )


def test_the_chosen_models_answer_is_shown(client: FlaskClient, send: Send) -> None:
    page = client.get(f"/photos/{send('#C00000', model='stanford-cars')}").text
    assert (
        "Ferrari 458" in page
        and "Answer of the model Road cars:" in page
        and "Alfa Romeo" not in page
    )


def test_all_lead_to_the_answers_side_by_side(client: FlaskClient) -> None:
    answer = client.post(
        "/", data=form_of((draw("#C00000"), "a.jpg"), model="all"), follow_redirects=True
    )
    assert answer.request.path.endswith("/models")
    assert (
        "two answers" in answer.text
        and "Ferrari 458" in answer.text
        and "Alfa Romeo" in answer.text
    )


def test_an_unknown_model_is_refused_above_the_form(client: FlaskClient) -> None:
    answer = client.post("/", data=form_of((draw(), "a.jpg"), model="nothing"))
    assert (
        answer.status_code == 404
        and "There is no live model called" in answer.text
        and 'role="alert"' in answer.text
    )


def test_a_label_of_another_model_is_refused_and_the_form_kept(client: FlaskClient) -> None:
    answer = client.post(
        "/", data=form_of((draw(), "a.jpg"), model="f1-teams", ground_truth="lada")
    )
    assert answer.status_code == 422 and '<option value="lada" selected>' in answer.text


def test_several_photos_lead_to_the_chosen_models_answers(client: FlaskClient) -> None:
    files = (draw("#C00000", mark=1), "a.jpg"), (draw("#C00000", mark=2), "b.jpg")
    client.post("/", data=form_of(*files))
    page = client.post("/", data=form_of(*files, model="stanford-cars"), follow_redirects=True).text
    assert page.count("Ferrari 458") == 2 and page.count("?model=stanford-cars") == 4
    page = client.post("/", data=form_of(*files, model="all"), follow_redirects=True).text
    assert len(re.findall(r'href="/photos/[\w-]+/models"', page)) == 4


def test_another_model_can_be_asked_later(client: FlaskClient, send: Send) -> None:
    path = f"/photos/{send('#C00000', model='f1-teams')}"
    assert "Ask another model" in client.get(path).text
    answer = client.post(f"{path}/models", data={"model": "stanford-cars"}, follow_redirects=True)
    assert answer.request.full_path == f"{path}?model=stanford-cars"
    assert (
        "Ferrari 458" in answer.text
        and 'aria-label="Whose answer"' in answer.text
        and "Ask another model" not in answer.text
    )


def test_asking_another_model_leaves_the_car_open(client: FlaskClient, send: Send) -> None:
    photo = send(model="f1-teams")
    (car,) = client.get(f"/api/v1/photos/{photo}").json["cars"]
    path, data = f"/photos/{photo}", {"car": car["id"]}
    for page in (f"{path}?car={car['id']}", f"{path}/models?car={car['id']}"):
        assert f'name="car" value="{car["id"]}"' in client.get(page).text
    answer = client.post(f"{path}/models", data=data | {"model": "stanford-cars"})
    assert answer.location == f"{path}?car={car['id']}&model=stanford-cars"
    answer = client.post(f"{path}/models", data=data | {"model": "all"})
    assert answer.location == f"{path}/models?car={car['id']}"


def test_all_can_be_asked_at_once(client: FlaskClient, send: Send) -> None:
    path = f"/photos/{send()}"
    assert client.post(f"{path}/models", data={"model": "all"}).location == f"{path}/models"


def test_the_page_of_a_model_that_has_not_looked_offers_to_ask(
    client: FlaskClient, send: Send
) -> None:
    page = client.get(f"/photos/{send(model='f1-teams')}?model=stanford-cars").text
    assert "Not answered yet." in page and "Road cars has not looked at this photo." in page


@pytest.mark.parametrize("path", ["/photos/{}?model=nothing", "/samples/mclaren?model=nothing"])
def test_there_is_no_page_of_an_unknown_model(client: FlaskClient, send: Send, path: str) -> None:
    assert client.get(path.format(send())).status_code == 404


def test_a_photo_that_is_not_there_cannot_be_asked_about(client: FlaskClient) -> None:
    assert client.get("/photos/nothing/models").status_code == 404
    assert client.post("/photos/nothing/models", data={"model": "all"}).status_code == 404


def test_the_bars_of_a_model_give_its_labels(
    client: FlaskClient, reviewer: FlaskClient, send: Send
) -> None:
    path = f"/photos/{send('#C00000', model='all')}"
    answer = reviewer.post(
        f"{path}/label", data={"label": "lada", "model": "stanford-cars"}, follow_redirects=True
    )
    assert "Lada 2105" in answer.text
    assert "Not one of these labels" in reviewer.get(path).text
    page = reviewer.get(f"{path}/models").text
    assert "Checked, and wrong." in page and "Not compared" in page


def test_a_label_of_another_model_is_no_label_here(reviewer: FlaskClient, send: Send) -> None:
    assert (
        reviewer.post(
            f"/photos/{send()}/label", data={"label": "lada", "model": "f1-teams"}
        ).status_code
        == 422
    )


def test_the_gallery_can_be_of_one_model(client: FlaskClient, send: Send) -> None:
    both = send("#C00000", mark=1, model="all")
    send(mark=2, model="f1-teams")
    page = client.get("/gallery?model=stanford-cars").text
    assert (
        "Answered by: Road cars" in page
        and f'href="/photos/{both}?model=stanford-cars"' in page
        and page.count('class="tile"') == 1
    )


def test_the_gallery_offers_the_labels_of_the_model_it_shows(
    reviewer: FlaskClient, send: Send
) -> None:
    send(model="all")
    assert '<optgroup label="Road cars"' in reviewer.get("/gallery").text
    page = reviewer.get("/gallery?model=stanford-cars").text
    assert "optgroup" not in page and 'value="lada"' in page and 'value="haas"' not in page


def test_the_gallery_relabels_with_labels_of_all(reviewer: FlaskClient, send: Send) -> None:
    public_id = send("#C00000", model="all")
    reviewer.post("/gallery/many", data={"ids": [public_id], "label": "lada"})
    assert public_id in reviewer.get("/gallery?model=stanford-cars&outcome=wrong").text


def test_a_sample_can_be_shown_to_each_model(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = tmp_path / "static"
    shutil.copytree(str(app.static_folder), static, ignore=shutil.ignore_patterns("samples"))
    (static / "samples").mkdir()
    (static / "samples" / "ferrari.jpg").write_bytes(draw("#C00000"))
    monkeypatch.setattr(app, "static_folder", str(static))
    client = app.test_client()
    assert "Ferrari 458" in client.get("/samples/ferrari?model=stanford-cars").text
    page = client.get("/samples/ferrari?model=all").text
    assert "two answers" in page and "Ferrari 458" in page and "Alfa Romeo" in page


def test_the_frame_and_the_cards_name_every_live_model(client: FlaskClient) -> None:
    assert "Live models:" in client.get("/help").text
    assert "Live: it answers when no other is chosen" in client.get("/models/f1-teams/1").text
    assert "Live: it answers when it is chosen" in client.get("/models/stanford-cars/1").text


def test_private_photos_are_not_shown_to_models_by_strangers(app: Flask, send: Send) -> None:
    public_id = send()
    with app.app_context():
        get_extensions().config = get_extensions().config.model_copy(update={"gallery": "login"})
    stranger = app.test_client()
    assert stranger.get(f"/photos/{public_id}/models").status_code == 303
    assert stranger.post(f"/photos/{public_id}/models", data={"model": "all"}).status_code == 401


def test_how_often_it_was_right_is_quoted_of_the_model_that_knows_the_car(
    client: FlaskClient, send: Send, classifier: FakeClassifier, cars: FakeClassifier
) -> None:
    classifier.says(mclaren=0.97)
    cars.says(lada=0.97)
    classifier.familiarity, cars.familiarity = 0.9, 0.6
    photo = send()
    assert "it was right 98 times in 100" in client.get(f"/photos/{photo}").text
    other = client.get(f"/photos/{photo}?model=stanford-cars").text
    assert "Lada 2105" in other and "it was right" not in other
    assert client.get(f"/photos/{photo}/models").text.count("it was right") == 1
