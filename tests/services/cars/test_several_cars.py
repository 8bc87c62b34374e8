"""A photo with several cars: each has its own predictions, ground truth and outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from tests.cars import LEFT, RIGHT
from tests.fakes import FakeClassifier, FakeDetector, make_card
from webapp.domain import NO_CAR, UNDO, Who
from webapp.extensions import get_pipeline
from webapp.gallery_filter import GalleryFilter
from webapp.services.cars.boxes import DrawnCar, add_car
from webapp.services.labels.relabel import relabel_car, relabel_photo
from webapp.services.labels.undo import undo_batch
from webapp.services.photos import bulk, deletion
from webapp.services.photos import gallery as history
from webapp.services.photos.bulk import Selection
from webapp.services.photos.classify import ask_models
from webapp.services.stats.counters import check_counters
from webapp.storage.database import db
from webapp.storage.labels.events import Stamp
from webapp.storage.stats import stats
from webapp.storage.tables import Car, Photo, Prediction

ANNA = Who("Anna")
CARDS = [make_card()]


@pytest.fixture(autouse=True)
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def two(detector: FakeDetector, classifier: FakeClassifier, upload: Callable[..., str]) -> Photo:
    """A photo with two cars that the model takes for a McLaren."""
    classifier.says(mclaren=0.9)
    return history.get_photo(upload())


def cars(photo: Photo) -> list[Car]:
    return history.cars_of(history.get_photo(photo.public_id))


def stamp() -> Stamp:
    return Stamp(ANNA, "photo")


def say(car: Car, label: str) -> str:
    return relabel_car(car.public_id, label, CARDS, stamp()).batch


def outcomes(photo: Photo) -> list[tuple[str | None, str]]:
    return [(car.ground_truth, car.outcome) for car in cars(photo)]


def test_an_upload_stores_every_car_with_its_box_and_its_predictions(two: Photo) -> None:
    assert [(car.box, car.score, car.found_by, car.detector_version) for car in cars(two)] == [
        (LEFT, 0.9, "detector", 1),
        (RIGHT, 0.9, "detector", 1),
    ]
    assert [car.prediction.label for car in cars(two) if car.prediction] == ["mclaren"] * 2
    assert (two.car_count, two.detector_version, two.shown_label) == (2, 1, "mclaren")


def test_nothing_found_is_counted_as_no_car_and_the_whole_photo_is_kept(
    detector: FakeDetector, upload: Callable[..., str]
) -> None:
    detector.boxes = []
    photo = history.get_photo(upload())
    assert photo.car_count == 0
    assert [car.found_by for car in cars(photo)] == ["whole"]


def test_each_car_has_a_ground_truth_of_its_own(two: Photo) -> None:
    first, second = cars(two)
    say(first, "haas")
    say(second, "mclaren")
    assert outcomes(two) == [("haas", "wrong"), ("mclaren", "correct")]
    photo = history.get_photo(two.public_id)
    assert (photo.ground_truth, photo.outcome) == ("haas", "wrong")


def test_a_label_of_the_photo_is_that_of_its_main_car(two: Photo) -> None:
    relabel_photo(two.public_id, "mclaren", CARDS, stamp())
    assert outcomes(two) == [("mclaren", "correct"), (None, "unlabelled")]


def test_a_label_of_a_further_car_does_not_touch_the_photo(two: Photo) -> None:
    say(cars(two)[1], "haas")
    photo = history.get_photo(two.public_id)
    assert (photo.ground_truth, photo.outcome) == (None, "unlabelled")


def test_the_gallery_shows_a_photo_once_also_by_a_model(two: Photo) -> None:
    for wanted in (GalleryFilter(), GalleryFilter(model="f1-teams")):
        assert [photo.id for photo in history.gallery_page(wanted).items] == [two.id]


def test_photos_are_found_by_their_number_of_cars(
    two: Photo, detector: FakeDetector, upload: Callable[..., str]
) -> None:
    photos = {"2": two.public_id}
    for number, boxes in (("0", []), ("1", [LEFT]), ("3+", [LEFT, RIGHT, (0.9, 0.9, 0.1, 0.1)])):
        detector.boxes = boxes
        photos[number] = upload(mark=50 + len(boxes))
    for number, photo in photos.items():
        page = history.gallery_page(GalleryFilter(cars=number))
        assert [item.public_id for item in page.items] == [photo]


def test_statistics_count_cars(two: Photo) -> None:
    first, second = cars(two)
    say(first, "haas")
    say(second, "mclaren")
    for wanted in (GalleryFilter(), GalleryFilter(source="api")):
        counts = stats.count_answers(wanted, "f1-teams", 1)
        pairs = [(pair.truth, pair.decision, pair.n) for pair in counts.pairs]
        assert sorted(pairs) == [("haas", "mclaren", 1), ("mclaren", "mclaren", 1)]
    only = stats.count_answers(GalleryFilter(ground_truth="haas"), "f1-teams", 1)
    assert [(pair.truth, pair.n) for pair in only.pairs] == [("haas", 1)]
    assert check_counters()[0]


def test_a_car_that_is_none_counts_in_no_accuracy(two: Photo) -> None:
    say(cars(two)[1], "mclaren")
    say(cars(two)[1], NO_CAR)
    assert outcomes(two)[1] == (NO_CAR, "no-car")
    assert stats.count_answers(GalleryFilter(), "f1-teams", 1).pairs == []
    assert history.get_photo(two.public_id).car_count == 1


def test_when_the_main_car_is_none_the_next_one_is_the_main_car(two: Photo) -> None:
    first, second = cars(two)
    say(second, "haas")
    say(first, NO_CAR)
    assert [car.id for car in cars(two)] == [second.id, first.id]
    photo = history.get_photo(two.public_id)
    assert (photo.ground_truth, photo.outcome, photo.car_count) == ("haas", "wrong", 1)
    assert photo.prediction is not None and photo.prediction.car_id == second.id
    photos = db.session.execute(select(Prediction.car_id, Prediction.photo_id)).all()
    assert sorted(map(tuple, photos)) == [(first.id, None), (second.id, photo.id)]


def test_undo_makes_it_the_main_car_again(two: Photo) -> None:
    first, second = cars(two)
    batch = say(first, NO_CAR)
    undo_batch(batch, Stamp(ANNA, UNDO))
    assert [car.id for car in cars(two)] == [first.id, second.id]
    photo = history.get_photo(two.public_id)
    assert (photo.ground_truth, photo.car_count) == (None, 2)


def test_a_photo_whose_only_car_is_none_shows_so(upload: Callable[..., str]) -> None:
    public_id = upload()
    relabel_photo(public_id, NO_CAR, CARDS, stamp())
    photo = history.get_photo(public_id)
    assert (photo.ground_truth, photo.outcome, photo.car_count) == (NO_CAR, "no-car", None)
    assert [car.public_id for car in history.cars_of(photo)]


def test_many_photos_without_a_car_are_arranged_and_undone_as_a_batch(two: Photo) -> None:
    first, second = cars(two)
    done = bulk.relabel_all(Selection(ids=(two.public_id,)), NO_CAR, CARDS, stamp())
    assert [car.id for car in cars(two)] == [second.id, first.id]
    undo_batch(done.batch, Stamp(ANNA, UNDO))
    assert [car.id for car in cars(two)] == [first.id, second.id]


def test_people_who_disagree_about_a_further_car_do_not_mark_the_photo(two: Photo) -> None:
    people = [history.labels.Stamp(Who(name, None), "photo") for name in ("Ben", "Anna")]
    for who, label in zip(people, ("haas", "bwt"), strict=True):
        relabel_car(cars(two)[1].public_id, label, CARDS, who)
    assert not history.get_photo(two.public_id).disputed


def test_a_deleted_photo_takes_its_cars_and_brings_them_back(two: Photo) -> None:
    say(cars(two)[1], "mclaren")
    deletion.delete_photo(two.public_id, who=ANNA, admin=True)
    assert stats.count_answers(GalleryFilter(), "f1-teams", 1).pairs == []
    deletion.restore_photo(two.public_id, admin=True)
    assert len(cars(two)) == 2
    assert [pair.n for pair in stats.count_answers(GalleryFilter(), "f1-teams", 1).pairs] == [1]


def test_a_photo_without_a_car_is_as_unfamiliar_to_a_later_version(
    detector: FakeDetector, upload: Callable[..., str]
) -> None:
    detector.boxes = []
    public_id = upload()
    second = FakeClassifier(make_card(version=2))
    second.says(mclaren=0.9)
    ask_models(history.get_photo(public_id), replace(get_pipeline(), classifiers=[second]))
    photo = history.get_photo(public_id)
    assert photo.prediction is not None
    assert (photo.prediction.version, photo.prediction.decision) == (2, "unclassified")


def test_a_later_version_is_asked_about_each_car(two: Photo) -> None:
    second = FakeClassifier(make_card(version=2))
    ask_models(two, replace(get_pipeline(), classifiers=[second]))
    assert second.ranked_photos == 2
    assert [car.shown_version for car in cars(two)] == [2, 2]
    assert not ask_models(two, replace(get_pipeline(), classifiers=[second]))


def test_a_later_version_is_asked_about_a_car_drawn_beside_a_photo_that_is_none(
    upload: Callable[..., str],
) -> None:
    photo = history.get_photo(upload())
    say(cars(photo)[0], NO_CAR)
    add_car(photo.public_id, DrawnCar(LEFT), get_pipeline(), stamp())
    second = FakeClassifier(make_card(version=2))
    assert ask_models(photo, replace(get_pipeline(), classifiers=[second]))
    versions = [[answer.version for answer in car.predictions] for car in cars(photo)]
    assert versions == [[2], [2]]
