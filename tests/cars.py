"""Photos with several cars, as a detector and people leave them."""

from collections.abc import Sequence

import pytest

from tests.fakes import FakeDetector
from webapp.domain import DETECTOR, Box, DetectedCar, FoundBy
from webapp.errors import ModelUnavailableError
from webapp.extensions import Extensions
from webapp.inference.classifier import Classifier
from webapp.services.cars.rows import make_car
from webapp.services.photos.gallery import cars_of, get_photo
from webapp.storage.cars import cars as storage
from webapp.storage.database import insert_row, writing
from webapp.storage.tables import Photo

LEFT: Box = (0.05, 0.1, 0.4, 0.5)
RIGHT: Box = (0.55, 0.25, 0.4, 0.5)


def live_detector(monkeypatch: pytest.MonkeyPatch) -> FakeDetector:
    """A detector that is live from now on. It finds two cars, or what a test says."""
    detector = FakeDetector(LEFT, RIGHT)
    monkeypatch.setattr(Extensions, "detector", lambda _extensions: detector)
    monkeypatch.setattr(Extensions, "live_detector", lambda _extensions: detector.card.name)
    return detector


def no_live_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no classifier is live."""

    def classifier(_extensions: Extensions, _name: str = "") -> Classifier:
        raise ModelUnavailableError("No model is live.")

    monkeypatch.setattr(Extensions, "live_models", lambda _extensions: [])
    monkeypatch.setattr(Extensions, "classifier", classifier)


def put_cars(
    photo_id: str, boxes: Sequence[Box] = (LEFT, RIGHT), found_by: FoundBy = DETECTOR
) -> list[str]:
    """Give a stored photo these cars: the first takes the place of the whole photo, and nothing
    has answered about the others. Returns their ids."""
    score = 0.9 if found_by == DETECTOR else None
    with writing():
        main = storage.find_car(Photo.public_id == photo_id, storage.is_main)
        assert main is not None
        storage.set_box(main, DetectedCar(boxes[0], score, found_by))
        for position, box in enumerate(boxes[1:], 1):
            car = make_car(DetectedCar(box, score, found_by), position)
            car.photo_id = main.photo_id
            insert_row(car)
        storage.arrange(main.photo_id)
    return [car.public_id for car in cars_of(get_photo(photo_id))]
