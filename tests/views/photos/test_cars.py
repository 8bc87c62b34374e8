"""Photos with several cars in the browser: boxes, one card for each car, drawing and moving."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.cars import no_live_model
from tests.conftest import draw
from tests.fakes import FakeClassifier, FakeDetector, make_card
from tests.views.conftest import Send, form_of, send_photo, text_of
from webapp.domain import Who
from webapp.extensions import get_pipeline
from webapp.inference.models.card import Label
from webapp.services.cars.boxes import DrawnCar, add_car
from webapp.services.photos import gallery as history
from webapp.storage.cars import cars as storage
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Photo


@pytest.fixture
def two(detector: FakeDetector, send: Send) -> str:
    """The address of a photo with two cars."""
    return f"/photos/{send()}"


@pytest.fixture
def whole(send: Send) -> str:
    """The address of a photo at which no detector has looked."""
    return f"/photos/{send()}"


def car_ids(client: FlaskClient, photo: str) -> list[str]:
    return [car["id"] for car in client.get(f"/api/v1{photo}").json["cars"]]


def drawn(client: FlaskClient, photo: str, **changes: str) -> str:
    numbers = {"left": "60", "top": "10", "width": "30", "height": "25"} | changes
    return str(client.post(f"{photo}/cars", data=numbers, follow_redirects=True).text)


def test_each_car_has_a_box_that_leads_to_its_card(client: FlaskClient, two: str) -> None:
    page = client.get(two).text
    for car in car_ids(client, two):
        assert f'<a href="{two}?car={car}" data-car="{car}" aria-label="Car' in page
    assert '<rect x="6.0" y="8.0" width="48.0" height="40.0"' in page  # of 120 x 80 pixels


def test_a_switch_names_the_cars(client: FlaskClient, two: str) -> None:
    page = client.get(two).text
    assert page.count('<span class="quiet name">McLaren</span>') == 2


def test_the_address_says_which_car_is_open(reviewer: FlaskClient, two: str) -> None:
    second = car_ids(reviewer, two)[1]
    page = reviewer.get(f"{two}?car={second}").text
    assert f'name="car" value="{second}"' in page
    assert re.search(f'data-car="{second}" aria-label="Car 2: McLaren" aria-current="true"', page)


def test_a_car_of_another_photo_is_not_there(client: FlaskClient, two: str, send: Send) -> None:
    other = car_ids(client, f"/photos/{send(mark=5)}")[0]
    answer = client.get(f"{two}?car={other}")
    assert answer.status_code == 404 and "There is no such car." in answer.text


def test_c_goes_to_the_next_car(client: FlaskClient, two: str) -> None:
    second = car_ids(client, two)[1]
    assert f'?car={second}" data-car="{second}" aria-keyshortcuts="c C"' in client.get(two).text


def test_the_open_car_gets_the_label(reviewer: FlaskClient, two: str) -> None:
    second = car_ids(reviewer, two)[1]
    data = {"label": "ferrari", "car": second, "model": "f1-teams"}
    page = reviewer.post(f"{two}/label", data=data, follow_redirects=True).text
    cars = reviewer.get(f"/api/v1{two}").json["cars"]
    assert [car["ground_truth"] for car in cars] == [None, "ferrari"]
    assert "Saved: car 2 is <b>Ferrari.</b>" in page and "Ben said of car 2:" in page


def test_a_box_can_be_said_to_hold_no_car(reviewer: FlaskClient, two: str) -> None:
    second = car_ids(reviewer, two)[1]
    data = {"label": "no-car", "car": second, "next": f"{two}?car={second}"}
    page = reviewer.post(f"{two}/label", data=data, follow_redirects=True).text
    assert "Checked: there is no car here." in page
    assert reviewer.get(f"/api/v1{two}").json["car_count"] == 1


def test_letters_find_another_label_for_the_open_car(reviewer: FlaskClient, two: str) -> None:
    second = car_ids(reviewer, two)[1]
    page = reviewer.get(f"{two}?car={second}&q=merc").text
    assert 'form="decide" name="label" value="mercedes"' in page


def test_a_photo_with_one_car_has_its_box_and_no_switch(
    client: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = detector.boxes[:1]
    page = client.get(f"/photos/{send()}").text
    assert page.count("<rect x=") == 1 and "Cars in this photo" not in page


def test_a_photo_without_a_car_says_so(
    reviewer: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = []
    page = reviewer.get(f"/photos/{send()}").text
    assert '<h1 class="answer">No car <span>found.</span></h1>' in page
    assert "The detector found none in this photo, so it is unclassified." in page
    assert "Draw a car" in page and "The detector found no car" in page


def test_what_a_model_would_say_without_a_car_stands_below_and_is_no_answer(
    client: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = []
    photo = send()
    page = text_of(client.get(f"/photos/{photo}"))
    before, _title, after = page.partition("Of the whole picture Formula One teams would say")
    assert 'class="rank"' not in before and "McLaren" in after
    assert "it had to guess" not in page and "f1-teams 1 looked at the whole picture" in page
    opinions = client.get(f"/photos/{photo}/models").text
    assert "Of the whole picture it would say:" in opinions


def test_a_tile_and_the_list_of_an_upload_say_that_no_car_was_found(
    client: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = []
    send(mark=1)
    assert '<span class="name">No car found</span>' in client.get("/gallery").text
    files = form_of((draw(mark=2), "a.jpg"), (draw(mark=3), "b.jpg"))
    page = client.post("/", data=files, follow_redirects=True).text
    assert page.count("No car found") == 2
    as_json = {"Accept": "application/json"}
    one = client.post("/", data=form_of((draw(mark=4), "c.jpg")), headers=as_json)
    assert one.json["results"][0]["answer"] == "No car found"


def test_a_photo_that_no_detector_has_seen_has_no_box(client: FlaskClient, whole: str) -> None:
    page = client.get(whole).text
    assert 'class="boxes"' not in page and "No car" not in page


def test_visitors_cannot_draw(client: FlaskClient, two: str) -> None:
    assert "Draw a car" not in client.get(two).text


def test_four_numbers_draw_a_car(reviewer: FlaskClient, two: str) -> None:
    page = drawn(reviewer, two)
    cars = reviewer.get(f"/api/v1{two}").json["cars"]
    assert cars[2]["box"] == pytest.approx([0.6, 0.1, 0.3, 0.25])
    assert "Saved: <b>a car was drawn.</b>" in page and "Ben drew the box of car 3" in page
    assert f'data-car="{cars[2]["id"]}" aria-current="true"' in page


def test_a_drawn_car_can_be_taken_back(reviewer: FlaskClient, two: str) -> None:
    batch = re.findall(r'name="batch" value="([^"]+)"', drawn(reviewer, two))[0]
    page = reviewer.post("/labels/undo", data={"batch": batch, "next": two}, follow_redirects=True)
    assert "Undone: the boxes are those from before." in page.text
    assert reviewer.get(f"/api/v1{two}").json["car_count"] == 2


def test_one_box_of_many_that_were_drawn_together_can_be_taken_back(
    app: Flask, reviewer: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = []
    photos, stamp = [send(mark=mark) for mark in (1, 2)], Stamp(Who("Ben"), "import")
    with app.app_context():
        for photo in photos:
            add_car(photo, DrawnCar((0.1, 0.1, 0.5, 0.5)), get_pipeline(), stamp)
    page = reviewer.get(f"/photos/{photos[0]}").text
    (name, number) = re.findall(r'name="(batch|event|box)" value="([^"]+)"', page)[0]
    reviewer.post("/labels/undo", data={name: number})
    counts = [reviewer.get(f"/api/v1/photos/{photo}").json["car_count"] for photo in photos]
    assert counts == [0, 1]


@pytest.mark.parametrize("number", ["0", "x", "7"])
def test_a_box_event_that_is_not_there_is_not_taken_back(
    reviewer: FlaskClient, number: str
) -> None:
    answer = reviewer.post("/labels/undo", data={"box": number}, follow_redirects=True)
    assert "There is nothing to undo" in answer.text


def test_four_numbers_move_a_box(reviewer: FlaskClient, two: str) -> None:
    first = car_ids(reviewer, two)[0]
    data = {"left": "5", "top": "10", "width": "45", "height": "80 %"}
    page = reviewer.post(f"/cars/{first}/box", data=data, follow_redirects=True).text
    car = reviewer.get(f"/api/v1{two}").json["cars"][0]
    assert car["box"] == pytest.approx([0.05, 0.1, 0.45, 0.8]) and car["found_by"] == "person"
    assert "Saved: <b>the box was moved.</b>" in page and "Ben moved the box of car 1" in page
    assert "The detector found 2 cars" in page  # one of them was moved since


def test_the_form_shows_where_the_box_is(reviewer: FlaskClient, two: str) -> None:
    page = reviewer.get(two).text
    assert re.search(r'id="move-height"[^>]* value="50"', page)


def test_a_box_that_is_sent_as_the_form_shows_it_is_not_moved(
    reviewer: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    detector.boxes = [(0.12345, 0.07003, 0.33337, 0.80001)]
    photo = f"/photos/{send()}"
    names, page = ("left", "top", "width", "height"), reviewer.get(photo).text
    shown = {name: re.findall(f'id="move-{name}"[^>]* value="([^"]+)"', page)[0] for name in names}
    (car,) = car_ids(reviewer, photo)
    page = reviewer.post(f"/cars/{car}/box", data=shown, follow_redirects=True).text
    assert "The box is there already." in page
    assert reviewer.get(f"/api/v1{photo}").json["cars"][0]["found_by"] == "detector"


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"left": "x"}, "Left must be a number of percent from 0 to 100."),
        ({"top": "-1"}, "Top must be a number of percent from 0 to 100."),
        ({"width": "nan"}, "Width must be a number of percent from 0 to 100."),
        ({"left": "80"}, "Left and width may add up to 100 %, else the box"),
        ({"top": "80"}, "Top and height may add up to 100 %, else the box"),
        ({"width": "0.1"}, "The box is too small"),
    ],
)
def test_a_box_that_cannot_be_is_refused(
    reviewer: FlaskClient, two: str, numbers: dict[str, str], sentence: str
) -> None:
    assert sentence in drawn(reviewer, two, **numbers)
    assert len(car_ids(reviewer, two)) == 2


def test_what_was_typed_stays_with_what_is_wrong_beside_it(reviewer: FlaskClient, two: str) -> None:
    second = car_ids(reviewer, two)[1]
    data = {"left": "80", "top": "ten", "width": "30", "height": "25", "car": second}
    answer = reviewer.post(f"{two}/cars", data=data)
    page = text_of(answer)
    assert answer.status_code == 422 and '<details class="tight" id="draw" open>' in page
    for field, typed, wrong in (("left", "80", ""), ("top", "ten", "Top must be a number")):
        (line,) = re.findall(f'<input[^>]*id="draw-{field}"[^>]*>', page)
        assert f'value="{typed}"' in line and ('aria-invalid="true"' in line) is bool(wrong)
        assert f'<small id="draw-{field}-hint" class="error">{wrong}' in page or not wrong
    assert 'id="draw-width-hint" class="error">Left and width may add up' in page
    assert "else the box is not inside the photo. Nothing was changed." in page
    assert re.search(f'data-car="{second}" aria-label="[^"]*" aria-current="true"', page)


def test_a_box_that_cannot_be_moved_there_stays_typed(reviewer: FlaskClient, two: str) -> None:
    first = car_ids(reviewer, two)[0]
    data = {"left": "5", "top": "10", "width": "0.1", "height": "80"}
    answer = reviewer.post(f"/cars/{first}/box", data=data)
    assert answer.status_code == 422 and 'id="move" open' in answer.text
    assert "The box is too small" in answer.text
    assert re.search(r'id="move-width"[^>]* value="0.1"', answer.text)


def test_a_photo_that_no_detector_has_seen_gets_a_box(reviewer: FlaskClient, whole: str) -> None:
    page = drawn(reviewer, whole)
    assert len(car_ids(reviewer, whole)) == 1 and "Ben moved the box of the car" in page


def test_the_crop_of_a_car_is_a_picture_of_its_box(client: FlaskClient, two: str) -> None:
    answer = client.get(f"/cars/{car_ids(client, two)[0]}/crop")
    assert answer.content_type == "image/jpeg"
    width, height = Image.open(io.BytesIO(answer.data)).size
    assert (width, height) == (52, 44)  # 48 x 40 pixels and the margin


def test_a_crop_is_asked_for_only_once(client: FlaskClient, two: str) -> None:
    address = f"/cars/{car_ids(client, two)[0]}/crop"
    tag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


def test_side_by_side_is_about_the_open_car(client: FlaskClient, two: str) -> None:
    second = car_ids(client, two)[1]
    page = client.get(f"{two}/models?car={second}").text
    assert f"{two}?car={second}&amp;model=f1-teams" in page


def test_side_by_side_says_which_car_of_several_it_is_about(
    client: FlaskClient, two: str, send: Send, detector: FakeDetector
) -> None:
    second = car_ids(client, two)[1]
    page = text_of(client.get(f"{two}/models?car={second}"))
    assert "Car 2 of 2, <span>one answer.</span>" in page
    assert f'{two}/models?car={second}" aria-label="Car 2" aria-current="true"' in page
    detector.boxes = detector.boxes[:1]
    assert "One photo, <span>one answer.</span>" in text_of(
        client.get(f"/photos/{send(mark=7)}/models")
    )


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A job removes a car of a photo between two reads of the next request."""
    read = history.load_cars

    def remove(public_id: str) -> None:
        def load_cars(photos: Sequence[Photo]) -> None:
            storage.remove(storage.numbers_with([public_id]))
            storage.arrange(photos[0].id)
            read(photos)

        monkeypatch.setattr(history, "load_cars", load_cars)

    return remove


def test_a_car_that_a_job_removes_meanwhile_is_not_there(
    client: FlaskClient, two: str, removed: Callable[[str], None]
) -> None:
    second = car_ids(client, two)[1]
    removed(second)
    answer = client.get(f"{two}?car={second}")
    assert answer.status_code == 404 and "There is no such car." in answer.text


def test_a_main_car_that_a_job_removes_meanwhile_leaves_the_page_of_the_next(
    client: FlaskClient, two: str, removed: Callable[[str], None]
) -> None:
    removed(car_ids(client, two)[0])
    answer = client.get(two)
    assert answer.status_code == 200 and "Cars in this photo" not in answer.text


def test_a_box_is_said_to_hold_no_car_while_no_model_is_live(
    reviewer: FlaskClient, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_live_model(monkeypatch)
    data = {"label": "no-car", "car": car_ids(reviewer, two)[1]}
    page = reviewer.post(f"{two}/label", data=data, follow_redirects=True).text
    assert "Saved: there is <b>no car here.</b>" in page


def shown(client: FlaskClient, cars: str) -> list[str]:
    page = client.get(f"/gallery?cars={cars}").text
    return re.findall(r'<li class="tile"><a href="(/photos/[\w-]+)"', page)


def test_the_gallery_finds_photos_by_the_number_of_cars(
    client: FlaskClient, detector: FakeDetector, send: Send
) -> None:
    boxes, photos = [(0.1, 0.1 * i, 0.5, 0.1) for i in range(5)], {}
    for number in (0, 1, 2, 3, 5):
        detector.boxes = boxes[:number]
        photos[number] = f"/photos/{send(mark=number)}"
    assert [shown(client, cars) for cars in ("0", "1", "2", "3%2B")] == [
        [photos[0]],
        [photos[1]],
        [photos[2]],
        [photos[5], photos[3]],
    ]


def test_photos_without_a_look_for_cars_have_no_number_of_cars(
    client: FlaskClient, whole: str
) -> None:
    assert not any(shown(client, cars) for cars in ("0", "1", "2", "3%2B"))


def test_the_number_of_cars_is_a_tag_that_can_be_taken_off(client: FlaskClient, two: str) -> None:
    page = client.get("/gallery?cars=3%2B&decision=mclaren").text
    assert re.search(r'class="tag" href="/gallery\?decision=mclaren">Three cars or more', page)


def test_a_tile_says_how_many_more_cars_there_are(client: FlaskClient, two: str) -> None:
    assert '<span class="pct" title="2 cars">+1</span>' in client.get("/gallery").text


def test_a_number_of_cars_that_cannot_be_chosen_is_named(client: FlaskClient) -> None:
    answer = client.get("/gallery?cars=many")
    assert answer.status_code == 400 and "cars must be one of 0, 1, 2, 3+." in answer.text


def test_the_ranking_can_be_seen_as_a_polar_chart_with_its_numbers(
    client: FlaskClient, two: str
) -> None:
    second = car_ids(client, two)[1]
    assert (
        f'href="{two}?car={second}&amp;chart=polar#ranks"' in client.get(f"{two}?car={second}").text
    )
    page = client.get(f"{two}?car={second}&chart=polar").text
    assert 'class="chart polar"' in page and "<title>McLaren: " in page
    assert f'href="{two}?car={second}#ranks"' in page and page.count('<span class="pct">') > 5
    assert client.get(f"{two}?chart=pie").status_code == 400


def test_bars_stand_beside_short_names(client: FlaskClient, two: str) -> None:
    page = client.get(two).text
    assert '<ol class="ranks">' in page and '<h1 class="answer">' in page


def test_bars_stand_below_long_names(make_app: Callable[..., Flask]) -> None:
    name = "Lamborghini Gallardo LP 570-4 Superleggera 2012"
    labels = (Label("gallardo", name, "#FF8700"), Label("lada", "Lada", "#000000"))
    other = make_app(FakeClassifier(make_card(labels=labels))).test_client()
    page = other.get(f"/photos/{send_photo(other)}").text
    assert '<ol class="ranks stacked">' in page and '<h1 class="answer long">' in page


def test_the_gallery_has_a_tab_for_what_is_no_car(
    reviewer: FlaskClient, two: str, send: Send
) -> None:
    send(mark=1)
    assert "outcome=no-car" not in reviewer.get("/gallery").text
    for car in car_ids(reviewer, two):
        reviewer.post(f"{two}/label", data={"label": "no-car", "car": car})
    page = text_of(reviewer.get("/gallery?outcome=no-car"))
    assert two in page and page.count('<li class="tile">') == 1
    assert 'aria-current="page">No car <span class="count">1</span>' in page
    assert '<option value="no-car">No car</option>' in page


def test_a_car_that_nobody_labelled_says_so_beside_one_that_was(
    reviewer: FlaskClient, two: str
) -> None:
    first, second = car_ids(reviewer, two)
    reviewer.post(f"{two}/label", data={"label": "haas", "car": first})
    assert "Nobody has checked this car" in reviewer.get(f"{two}?car={second}").text
