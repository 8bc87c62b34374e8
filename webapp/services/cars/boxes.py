"""People draw boxes around cars and move them; the models classify what is in the box then."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from webapp.domain import DETECTOR, NO_CAR, PERSON, WHOLE, WHOLE_PHOTO, Box, DetectedCar
from webapp.errors import (
    BadBoxError,
    NothingToUndoError,
    PhotoNotFoundError,
    PhotoRefusedError,
)
from webapp.inference.models.card import ModelCard
from webapp.services.cars.rows import make_car, make_predictions, with_merges
from webapp.services.labels.label_mapping import remember_labels
from webapp.services.labels.relabel import (
    Relabelled,
    check_why,
    record_label,
    resolve_label,
)
from webapp.services.labels.undo import NOTHING, undo_batch
from webapp.services.photos.classify import Pipeline, classify_cars
from webapp.services.photos.gallery import cars_of, get_car, get_photo, stored_content
from webapp.services.webhooks import events as webhook_events
from webapp.storage.cars import cars as storage
from webapp.storage.cars.boxes import add_box_event, standing_event, standing_events
from webapp.storage.cars.predictions import insert_predictions, replace_predictions
from webapp.storage.database import writing
from webapp.storage.labels.events import Stamp, has_label_of_another_batch
from webapp.storage.tables import BoxEvent, Car, Photo, Prediction

MOST_CARS = 100  # of a photo
_LEAST_SHARE, _LEAST_PIXELS = 0.01, 8  # of each side of a box; the larger of both counts
_ROUNDING = 1e-5  # of each number of a box, as the page writes it
_LABELLED_SINCE = (
    "Somebody gave this car a label after its box was drawn, so the box stays. Take that label "
    "back first, or say that there is no car."
)
_GetPipeline = Callable[[], Pipeline]  # asked only where models have to look: all may be down


@dataclass(frozen=True)
class DrawnCar:
    """A box that somebody has drawn, and what they say is in it: `label` is one of the labels of
    the `cards`, a verdict, or "" for nothing."""

    box: Box
    label: str = ""
    cards: Sequence[ModelCard] = ()


def add_car(photo_id: str, drawn: DrawnCar, pipeline: Pipeline, stamp: Stamp) -> Car:
    """Add a car that somebody has drawn a box around, or give the box to the car that stood for the
    whole photo, unless people said that it is no car, or named it and now say that the box has
    none.

    Raises `BadBoxError`, `UnknownLabelError`, `BadRequestError`, `PhotoNotFoundError`,
    `PhotoRefusedError` or `ServerBusyError`.
    """
    check_why(stamp.why)
    label, model = resolve_label(drawn.label, drawn.cards) if drawn.label else ("", None)
    photo = get_photo(photo_id)
    box = check_box(drawn.box, photo)
    rows = _classify(photo, box, pipeline)
    with writing():
        main, *others = cars_of(get_photo(photo_id))
        if len(others) + 1 >= MOST_CARS:
            raise BadBoxError(
                f"This photo has {MOST_CARS} cars, the most that are kept. Nothing was changed: "
                "move one of its boxes instead."
            )
        _remember(pipeline)
        kept = main.ground_truth if label == NO_CAR else main.ground_truth == NO_CAR
        if main.found_by == WHOLE and not kept:
            _move(main, _by_person(box), rows, stamp)
            number = main.id
        else:
            number = _insert(main.photo, box, rows, stamp)
        storage.arrange(main.photo_id)
        webhook_events.boxes_changed(stamp.batch)
        if label:
            (car,) = storage.cars_by_number([number])
            record_label(car, label, model or car.shown_model, stamp)
            webhook_events.labels_changed(stamp.batch)
    return next(car for car in cars_of(get_photo(photo_id)) if car.id == number)


def move_car(car_id: str, box: Box, pipeline: Pipeline, stamp: Stamp) -> Car:
    """Give a car another box. Its ground truth stays. Raises like `add_car`."""
    check_why(stamp.why)
    car = get_car(car_id)
    box = check_box(box, car.photo)
    if all(abs(new - old) <= _ROUNDING for new, old in zip(box, car.box, strict=True)):
        return car
    rows = _classify(car.photo, box, pipeline)
    with writing():
        car = get_car(car_id)
        _remember(pipeline)
        _move(car, _by_person(box), rows, stamp)
        storage.arrange(car.photo_id)
        webhook_events.boxes_changed(stamp.batch)
    return get_car(car_id)


def check_box(box: Box, photo: Photo) -> Box:
    """The box, cut off at the edges of the photo where only rounding crosses them. Raises
    `BadBoxError` for one that is outside, or too small."""
    x, y, width, height = box
    inside = all(map(math.isfinite, box)) and min(box) >= 0
    if not inside or x + width > 1 + _ROUNDING or y + height > 1 + _ROUNDING:
        raise BadBoxError(
            "A box is [x, y, width, height] in shares of the photo's sides and lies inside it: "
            "each is from 0 to 1, and so are x + width and y + height."
        )
    least = [
        min(1.0, max(_LEAST_SHARE, _LEAST_PIXELS / side)) for side in (photo.width, photo.height)
    ]
    if width < least[0] or height < least[1]:
        raise BadBoxError(
            f"The box is too small: it needs {least[0]:.3f} of the width and {least[1]:.3f} of the "
            f"height of this photo, which is {_LEAST_PIXELS} pixels or 1 %. Draw a larger one."
        )
    return x, y, min(width, 1 - x), min(height, 1 - y)


# ---- undo ----


def undo_boxes(batch: str, get_pipeline: _GetPipeline, stamp: Stamp) -> Relabelled:
    """Take a batch back that may have boxes in it: labels are those from before, then each moved
    box is where it was, and each drawn car is no car.

    What was changed since is skipped: so is a drawn car that got a label since, and a box of a
    photo whose file is missing. Boxes are taken back one at a time: when the machine stops in
    between, the same undo goes on. Raises `NothingToUndoError` when nothing stands any more,
    `PhotoNotFoundError` when no file is there.
    """
    events = standing_events(batch)
    if not events:
        return undo_batch(batch, stamp)
    labels = Relabelled(0, 0, "")
    with suppress(NothingToUndoError):
        labels = undo_batch(batch, stamp)
    undone, trouble = 0, None
    for event in events:
        try:
            undone += undo_box(event.id, get_pipeline, stamp)
        except (NothingToUndoError, PhotoNotFoundError, PhotoRefusedError) as error:
            trouble = error
    if not undone + labels.changed:
        raise trouble or NothingToUndoError(NOTHING)
    return Relabelled(max(undone, labels.changed), len(events) - undone, stamp.batch)


def undo_box_event(number: int, get_pipeline: _GetPipeline, stamp: Stamp) -> Relabelled:
    """Take back what a box event did, and leave the rest of its batch. Raises
    `NothingToUndoError`."""
    if not undo_box(number, get_pipeline, stamp):
        raise NothingToUndoError(NOTHING)
    return Relabelled(1, 0, stamp.batch)


def undo_box(number: int, get_pipeline: _GetPipeline, stamp: Stamp) -> bool:
    """Take back what a box event did; False when it does not stand any more, or the box was changed
    since. Raises `NothingToUndoError` for a drawn car that got a label since."""
    event = standing_event(number)
    car = _car_of(event) if event else None
    if event is None or car is None:
        return False
    pipeline, rows = None, list[Prediction]()
    if event.from_box:
        pipeline = get_pipeline()
        rows = _classify(car.photo, _before(event).box, pipeline)
    with writing():
        car = _car_of(event)
        if car is None or standing_event(number) is None:
            return False
        if pipeline is not None:
            _remember(pipeline)
            _move(car, _before(event), rows, stamp, event)
            storage.arrange(car.photo_id)
        else:
            if car.ground_truth != NO_CAR and has_label_of_another_batch(car.id, event.batch):
                raise NothingToUndoError(_LABELLED_SINCE)
            add_box_event(car, car.box, stamp, undoes=event.id)
            record_label(car, NO_CAR, car.shown_model, stamp)
            webhook_events.labels_changed(stamp.batch)
        webhook_events.boxes_changed(stamp.batch)
    return True


def _car_of(event: BoxEvent) -> Car | None:
    """The car of an event, None when its box is not that of the event any more."""
    cars = storage.cars_by_number([event.car_id or 0])
    return cars[0] if cars and list(cars[0].box) == event.to_box else None


def _before(event: BoxEvent) -> DetectedCar:
    """The box before an event, and who found it."""
    x, y, width, height = event.from_box or WHOLE_PHOTO
    box = x, y, width, height
    if event.from_score is None:
        return _by_person(box)
    return DetectedCar(box, event.from_score, DETECTOR)


def _by_person(box: Box) -> DetectedCar:
    """A box as a person gives it; nobody has found a car that is the whole photo."""
    return DetectedCar(box, None, WHOLE if box == WHOLE_PHOTO else PERSON)


# ---- steps ----


def _classify(photo: Photo, box: Box, pipeline: Pipeline) -> list[Prediction]:
    """Rows of what the models say about a box of a stored photo."""
    content = stored_content(photo, pipeline.files)
    cars = classify_cars(content, pipeline, [DetectedCar(box, None, PERSON)]).cars
    return make_predictions(with_merges(cars, pipeline.classifiers)[0])


def _remember(pipeline: Pipeline) -> None:
    for classifier in pipeline.classifiers:
        remember_labels(classifier.card)


def _insert(photo: Photo, box: Box, rows: Sequence[Prediction], stamp: Stamp) -> int:
    """Insert a drawn car behind the others; its number."""
    position = storage.next_position(photo.id)
    car = make_car(DetectedCar(box, None, PERSON), position)
    storage.insert_car(photo, car, rows)
    insert_predictions([(car, row) for row in rows])
    add_box_event(car, box, stamp, drawn=True)
    return car.id


def _move(
    car: Car,
    wanted: DetectedCar,
    rows: Sequence[Prediction],
    stamp: Stamp,
    undoes: BoxEvent | None = None,
) -> None:
    """Move the box of a car. One that is back where the detector found it is the detector's."""
    add_box_event(car, wanted.box, stamp, undoes=undoes.id if undoes else None)
    storage.set_box(car, wanted, undoes.from_version if undoes else None)
    replace_predictions(car, rows)
