"""The detector looks at photos of before: nothing that people said or drew is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.cars import LEFT, RIGHT, live_detector
from tests.fakes import FakeClassifier, FakeDetector, make_card
from webapp.domain import NO_CAR, WHOLE_PHOTO, Box, Who
from webapp.extensions import get_pipeline
from webapp.services.cars.boxes import DrawnCar, add_car, undo_boxes
from webapp.services.cars.look_again import look_again
from webapp.services.labels.relabel import relabel_car, relabel_photo
from webapp.services.photos import gallery as history
from webapp.services.stats.counters import check_counters
from webapp.storage.labels.events import Stamp
from webapp.storage.tables import Car

CARDS = [make_card()]
NEAR_LEFT: Box = (0.02, 0.1, 0.5, 0.78)
Detected = tuple[Box, str, str | None]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def photo(upload: Callable[..., str]) -> str:
    """A photo from before there was a detector."""
    return upload()


@pytest.fixture
def detector(photo: str, monkeypatch: pytest.MonkeyPatch) -> FakeDetector:
    return live_detector(monkeypatch)


def look(photo: str) -> bool:
    return look_again(history.get_photo(photo), get_pipeline())


def cars(photo: str) -> list[Car]:
    return history.cars_of(history.get_photo(photo))


def seen(photo: str) -> list[Detected]:
    return [(car.box, car.found_by, car.ground_truth) for car in cars(photo)]


def stamp() -> Stamp:
    return Stamp(Who("Anna"), "photo")


def draw_car(photo: str, box: Box) -> str:
    drawn = stamp()
    add_car(photo, DrawnCar(box), get_pipeline(), drawn)
    return drawn.batch


def take_back(batch: str) -> None:
    undo_boxes(batch, get_pipeline, stamp())


def test_the_main_car_takes_over_what_people_said_of_the_whole_photo(
    photo: str, detector: FakeDetector
) -> None:
    relabel_photo(photo, "haas", CARDS, stamp())
    (whole,) = cars(photo)
    assert look(photo)
    assert seen(photo) == [(LEFT, "detector", "haas"), (RIGHT, "detector", None)]
    assert cars(photo)[0].id == whole.id
    assert [event.to_label for event in history.label_events(photo)] == ["haas"]
    stored = history.get_photo(photo)
    assert (stored.car_count, stored.detector_version, stored.ground_truth) == (2, 1, "haas")


def test_predictions_are_of_the_new_boxes(
    photo: str, detector: FakeDetector, classifier: FakeClassifier
) -> None:
    relabel_photo(photo, "haas", CARDS, stamp())
    classifier.says(haas=0.9)
    look(photo)
    assert [[answer.label for answer in car.predictions] for car in cars(photo)] == [["haas"]] * 2
    assert history.get_photo(photo).outcome == "correct"
    assert check_counters()[0]


def test_looking_twice_changes_nothing(photo: str, detector: FakeDetector) -> None:
    look(photo)
    before = [(car.id, car.box) for car in cars(photo)]
    assert not look(photo)
    assert [(car.id, car.box) for car in cars(photo)] == before


def test_where_nothing_is_found_the_whole_photo_stays_and_no_car_is_counted(
    photo: str, detector: FakeDetector
) -> None:
    detector.boxes = []
    look(photo)
    assert [car.found_by for car in cars(photo)] == ["whole"]
    stored = history.get_photo(photo)
    assert stored.car_count == 0
    assert stored.prediction is not None and stored.prediction.decision == "unclassified"


def test_boxes_that_people_drew_stay_and_what_is_found_there_is_left_out(
    photo: str, detector: FakeDetector
) -> None:
    draw_car(photo, NEAR_LEFT)
    look(photo)
    assert seen(photo) == [(NEAR_LEFT, "person", None), (RIGHT, "detector", None)]
    assert history.get_photo(photo).car_count == 2


def test_a_later_version_keeps_the_cars_that_it_finds_again(
    photo: str, detector: FakeDetector
) -> None:
    look(photo)
    left, right = cars(photo)
    relabel_car(left.public_id, "haas", CARDS, stamp())
    detector.boxes = [NEAR_LEFT]
    detector.is_version(2)
    assert look(photo)
    assert seen(photo) == [(NEAR_LEFT, "detector", "haas")]
    assert cars(photo)[0].id == left.id != right.id


def test_a_car_that_is_not_found_again_stays_when_people_said_something_about_it(
    photo: str, detector: FakeDetector
) -> None:
    look(photo)
    relabel_car(cars(photo)[1].public_id, "bwt", CARDS, stamp())
    detector.boxes = [LEFT]
    detector.is_version(2)
    look(photo)
    assert seen(photo) == [(LEFT, "detector", None), (RIGHT, "detector", "bwt")]


def test_what_people_said_is_no_car_stays_none(photo: str, detector: FakeDetector) -> None:
    look(photo)
    relabel_car(cars(photo)[0].public_id, NO_CAR, CARDS, stamp())
    detector.is_version(2)
    look(photo)
    assert seen(photo) == [(RIGHT, "detector", None), (LEFT, "detector", NO_CAR)]
    assert history.get_photo(photo).car_count == 1


def test_an_earlier_version_is_not_asked_again(photo: str, detector: FakeDetector) -> None:
    detector.is_version(2)
    look(photo)
    detector.is_version(1)
    assert not look(photo)


def test_where_a_later_version_finds_nothing_the_whole_photo_is_the_car_again(
    photo: str, detector: FakeDetector
) -> None:
    look(photo)
    detector.boxes = []
    detector.is_version(2)
    look(photo)
    assert seen(photo) == [(WHOLE_PHOTO, "whole", None)]
    stored = history.get_photo(photo)
    assert stored.car_count == 0
    assert stored.prediction is not None and stored.prediction.decision == "unclassified"


@pytest.fixture
def taken_back(photo: str, detector: FakeDetector) -> str:
    """A photo with a box that was taken back beside the car that is the whole photo."""
    for batch in [draw_car(photo, box) for box in (LEFT, RIGHT)]:
        take_back(batch)
    assert seen(photo) == [(WHOLE_PHOTO, "whole", None), (RIGHT, "person", NO_CAR)]
    return photo


def test_a_box_that_was_taken_back_stays_so_beside_the_car_that_is_found(
    taken_back: str, detector: FakeDetector
) -> None:
    look(taken_back)
    assert seen(taken_back) == [(LEFT, "detector", None), (RIGHT, "person", NO_CAR)]
    assert history.get_photo(taken_back).car_count == 1


def test_beside_a_box_that_was_taken_back_the_whole_photo_is_answered_anew_where_nothing_is_found(
    taken_back: str, detector: FakeDetector
) -> None:
    detector.boxes = []
    look(taken_back)
    assert seen(taken_back) == [(WHOLE_PHOTO, "whole", None), (RIGHT, "person", NO_CAR)]
    stored = history.get_photo(taken_back)
    assert stored.prediction is not None and stored.prediction.decision == "unclassified"


def test_what_is_found_only_where_a_box_was_taken_back_is_no_answer_for_the_whole_photo(
    taken_back: str, detector: FakeDetector
) -> None:
    before = history.get_photo(taken_back).prediction
    detector.boxes = [RIGHT]
    look(taken_back)
    assert seen(taken_back) == [(WHOLE_PHOTO, "whole", None), (RIGHT, "person", NO_CAR)]
    after = history.get_photo(taken_back).prediction
    assert before is not None and after is not None and after.id == before.id
