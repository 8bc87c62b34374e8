"""What is cut out for the classifiers, and whose answer is shown."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.fakes import FakeClassifier, FakeDetector, make_card, make_cars_card
from webapp.domain import (
    PERSON,
    UNCLASSIFIED,
    WHOLE,
    Answer,
    DetectedCar,
    NetworkOutput,
)
from webapp.inference.cars import choose, crop, side_for
from webapp.inference.classifier import classify, make_answer
from webapp.inference.decoding.images import DecodedPhoto, decode_large
from webapp.inference.models.card import InputSpec

MCLAREN, MERCEDES = "#FF8700", "#00D2BE"
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.6), (0.6, 0.3, 0.2, 0.2)


def photo_of_two() -> bytes:
    """A McLaren's colour on the left, larger, and a Mercedes' on the right; on white."""
    image, file = Image.new("RGB", (600, 400), "white"), io.BytesIO()
    pen = ImageDraw.Draw(image)
    pen.rectangle((50, 70, 250, 330), fill=MCLAREN)
    pen.rectangle((350, 110, 490, 210), fill=MERCEDES)
    image.save(file, "PNG")
    return file.getvalue()


def photo(width: int, height: int) -> DecodedPhoto:
    return DecodedPhoto(Image.new("RGB", (1, 1)), width, height, "JPEG", has_metadata=False)


def answer(familiarity: float | None, **probabilities: float) -> Answer:
    classifier = FakeClassifier()
    classifier.says(**probabilities)
    output = classifier.predict(np.zeros((4, 4, 3), np.uint8))
    return make_answer(classifier.card, replace(output, familiarity=familiarity), 1.0)


# ---- crops ----


def test_a_crop_is_the_box_with_a_margin() -> None:
    assert crop(Image.new("RGB", (200, 100)), (0.25, 0.25, 0.5, 0.5)).size == (106, 54)


def test_a_crop_ends_where_the_photo_does() -> None:
    assert crop(Image.new("RGB", (200, 100)), (0.0, 0.0, 1.0, 1.0)).size == (200, 100)


def test_the_crop_of_a_tiny_box_has_a_pixel() -> None:
    assert crop(Image.new("RGB", (10, 10)), (0.999, 0.999, 0.0001, 0.0001)).size == (1, 1)


def test_a_small_car_is_cut_from_more_pixels() -> None:
    small = DetectedCar((0.4, 0.4, 0.25, 0.2))
    assert side_for([small], 320, photo(4000, 3000)) == 1280


def test_a_photo_is_never_decoded_larger_than_it_is() -> None:
    assert side_for([DetectedCar((0.4, 0.4, 0.1, 0.1))], 320, photo(800, 600)) == 800


def test_a_distant_car_does_not_make_a_huge_photo_fill_the_memory() -> None:
    assert side_for([DetectedCar((0.4, 0.4, 0.01, 0.01))], 320, photo(9000, 6000)) == 2560


@pytest.mark.parametrize("size", [InputSpec(64, 96), InputSpec(640, 960)])
def test_a_photo_is_decoded_once_for_the_detector_and_a_large_car(
    size: InputSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []

    def count(content: bytes, *, min_side: int = 0, max_side: int = 0) -> DecodedPhoto:
        sides.append(min_side or max_side)
        return decode_large(content, min_side=min_side or max_side)

    monkeypatch.setattr("webapp.inference.classifier.decode_photo", count)
    monkeypatch.setattr("webapp.inference.classifier.decode_large", count)
    classifier = FakeClassifier(make_card(input=size))
    classify(photo_of_two(), [classifier], FakeDetector((0.1, 0.1, 0.8, 0.8)))
    assert sides == [768]


# ---- whose answer is shown ----


def test_without_answers_none_is_shown() -> None:
    assert choose([]) is None


def test_the_model_that_knows_this_kind_of_car_answers() -> None:
    assert choose([answer(0.6, mclaren=0.99), answer(0.9, ferrari=0.8)]) == 1


def test_a_model_that_names_something_answers_before_one_that_does_not() -> None:
    assert choose([answer(0.9, mclaren=0.3), answer(0.6, ferrari=0.8)]) == 1


def test_the_confidence_counts_where_familiarity_is_not_measured() -> None:
    assert choose([answer(None, mclaren=0.6), answer(None, ferrari=0.8)]) == 1


# ---- a photo with cars ----


def test_each_car_is_classified_by_what_its_box_cuts_out() -> None:
    found = classify(photo_of_two(), [FakeClassifier()], FakeDetector(LEFT, RIGHT))
    labels = [car.answers[0].label for car in found.cars]
    assert labels == ["mclaren", "mercedes"]
    assert [car.car.box for car in found.cars] == [LEFT, RIGHT]


def test_every_model_answers_for_every_car() -> None:
    classifiers = [FakeClassifier(), FakeClassifier(make_cars_card())]
    found = classify(photo_of_two(), classifiers, FakeDetector(LEFT, RIGHT))
    models = [[answer.model for answer in car.answers] for car in found.cars]
    assert models == [["f1-teams", "stanford-cars"]] * 2


def test_where_no_car_is_found_the_whole_photo_counts_as_one_that_nobody_knows() -> None:
    found = classify(photo_of_two(), [FakeClassifier(make_card(threshold=0.0))], FakeDetector())
    assert [car.car.found_by for car in found.cars] == [WHOLE]
    assert found.cars[0].answers[0].decision == UNCLASSIFIED
    assert found.cars[0].answers[0].output.familiarity == 0.0


def test_without_a_detector_the_whole_photo_is_answered_as_it_is() -> None:
    found = classify(photo_of_two(), [FakeClassifier(make_card(threshold=0.0))])
    assert [car.car.found_by for car in found.cars] == [WHOLE]
    assert found.cars[0].answers[0].decision != UNCLASSIFIED


def test_boxes_that_are_given_are_taken_instead_of_looking() -> None:
    drawn = DetectedCar(RIGHT, None, PERSON)
    found = classify(photo_of_two(), [FakeClassifier()], FakeDetector(LEFT), cars=[drawn])
    assert [(car.car, car.answers[0].label) for car in found.cars] == [(drawn, "mercedes")]


def test_cars_are_found_without_a_model_too() -> None:
    found = classify(photo_of_two(), [], FakeDetector(LEFT), thumbnail=True)
    assert [(car.car.box, car.chosen) for car in found.cars] == [(LEFT, None)]
    assert found.thumbnail


@pytest.mark.parametrize("familiarity", [0.0, 0.2])
def test_a_photo_that_is_not_familiar_is_unclassified(familiarity: float) -> None:
    output = NetworkOutput(
        np.full(10, 0.1, np.float32), np.zeros(8), np.zeros((2, 2, 8)), familiarity
    )
    rule = {"scores": ["logit"], "means": [0.0], "spreads": [1.0]}
    rule |= {"slope": 1.0, "offset": 0.0, "threshold": 0.5}
    card = make_card(threshold=0.0, familiarity=rule)
    assert make_answer(card, output, 1.0).decision == UNCLASSIFIED
