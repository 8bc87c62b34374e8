"""The detector looks at a stored photo: what it finds becomes the photo's cars."""

from collections.abc import Sequence

import numpy as np

from webapp.domain import DETECTOR, NO_CAR, PERSON, WHOLE, Box, ClassifiedCar
from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import ClassifiedPhoto
from webapp.inference.metrics.overlap import Boxes, iou
from webapp.services.cars.rows import make_car, make_predictions, with_merges
from webapp.services.labels.label_mapping import remember_labels
from webapp.services.photos.classify import Pipeline, classify_cars
from webapp.services.photos.gallery import cars_of, get_photo, stored_content
from webapp.storage.cars import cars as storage
from webapp.storage.cars.predictions import insert_predictions, replace_predictions
from webapp.storage.database import writing
from webapp.storage.tables import Car, Photo

_SAME = 0.5  # overlap (intersection over union) of two boxes of one car


def look_again(photo: Photo, pipeline: Pipeline) -> bool:
    """Let the detector find the cars of a stored photo, and the models classify them; False when
    this version, or a later one, has looked before.

    The main car that is found takes over the car that stood for the whole photo, with its ground
    truth and label history. A car of an earlier look keeps its row where its box overlaps a new
    one; others of which nobody has said anything go. Boxes that people drew stay as they are, and
    what is found in the same place is left out. Where nothing is found, and nobody has said
    anything of what was found before, the whole photo is the car. Raises `ModelUnavailableError`
    without a detector, `PhotoNotFoundError`, `PhotoRefusedError`, `ServerBusyError` or
    `StorageFullError`.
    """
    if pipeline.detector is None:
        raise ModelUnavailableError("No detector is live, so nobody can look for cars.")
    version = pipeline.detector.card.version
    if _has_looked(photo, version):
        return False
    classified = classify_cars(stored_content(photo, pipeline.files), pipeline)
    with writing():
        photo = get_photo(photo.public_id)
        if _has_looked(photo, version):
            return False
        for classifier in pipeline.classifiers:
            remember_labels(classifier.card)
        _take_over(photo, classified, with_merges(classified.cars, pipeline.classifiers))
        storage.set_detector(photo.id, version)
        storage.arrange(photo.id)
    return True


def _has_looked(photo: Photo, version: int) -> bool:
    return photo.detector_version is not None and photo.detector_version >= version


def _take_over(
    photo: Photo, classified: ClassifiedPhoto, answered: Sequence[ClassifiedCar]
) -> None:
    """Bring the cars of a photo up to date with what was found."""
    stored = cars_of(photo)
    drawn = [car for car in stored if car.found_by == PERSON]
    earlier = [car for car in stored if car.found_by == DETECTOR]
    whole = next((car for car in stored if car.found_by == WHOLE), None)
    new = [car for car in answered if car.car.found_by == DETECTOR]
    new = [car for car in new if _match(car.car.box, drawn) is None]
    nothing = answered[0].car.found_by == WHOLE  # found, and nothing drawn that is a car
    nothing = nothing and all(car.ground_truth == NO_CAR for car in drawn)
    if whole is not None and nothing:
        replace_predictions(whole, make_predictions(answered[0]))
    if whole is not None and whole.ground_truth == NO_CAR and len(stored) > 1:
        whole = None  # people said so beside cars that they drew
    for car in new:
        row = _match(car.car.box, earlier)
        if row is not None:
            earlier.remove(row)
        elif whole is not None:
            row, whole = whole, None
        _store(photo, row, car, classified.detector_version)
    gone = storage.untouched([car.id for car in earlier])
    if not new and len(gone) == len(stored):  # the main car stands for the whole photo again
        _store(photo, stored[0], answered[0], None)
        gone.remove(stored[0].id)
    storage.remove(gone)


def _match(box: Box, cars: Sequence[Car]) -> Car | None:
    """The car whose box overlaps this one most, None when none does enough."""
    if not cars:
        return None
    overlaps = iou(_edges([box]), _edges([car.box for car in cars]))[0]
    best = int(overlaps.argmax())
    return cars[best] if overlaps[best] >= _SAME else None


def _edges(boxes: Sequence[Box]) -> Boxes:
    """Left, top, right and bottom of boxes."""
    sides = np.array(boxes, dtype=np.float64)
    return np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)


def _store(photo: Photo, row: Car | None, car: ClassifiedCar, version: int | None) -> None:
    """Give a stored car its new box and predictions; None: it is a further one."""
    predictions = make_predictions(car)
    if row is not None:
        storage.set_box(row, car.car, version)
        replace_predictions(row, predictions)
        return
    row = make_car(car.car, storage.next_position(photo.id), version)
    storage.insert_car(photo, row, predictions)
    insert_predictions([(row, prediction) for prediction in predictions])
