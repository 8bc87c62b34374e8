"""The history on the page of a photo: uploaded, cars found, answers, labels, boxes."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from webapp.domain import DETECTOR, PERSON, WHOLE_PHOTO
from webapp.services.photos import gallery
from webapp.services.photos.gallery import Car, PhotoDetails
from webapp.storage.tables import BoxEvent
from webapp.views.photos.presenters import present_prediction


def lines(details: PhotoDetails) -> list[dict[str, Any]]:
    """What happened to a photo, newest first: answers about the car that is open, labels and boxes
    of all its cars, what the detector found, the upload."""
    entries: list[dict[str, Any]] = []
    photo, cars = details.photo, gallery.cars_of(details.photo)
    numbers = {car.id: car.position + 1 for car in cars}
    for prediction in details.predictions:
        title = present_prediction(prediction).title
        entries.append({"moment": prediction.created_at, "prediction": prediction, "title": title})
    for event in details.events:
        number = numbers.get(event.car_id or 0) if len(cars) > 1 else None
        entries.append({"moment": event.created_at, "event": event, "number": number})
    entries += _box_lines(details.box_events, numbers)
    if photo.detector_version is not None:
        count = sum(_by_detector(car, details.box_events) for car in cars)
        entries.append({"moment": _looked_at(cars), "detected": count})
    entries.sort(key=itemgetter("moment"), reverse=True)
    who = photo.uploader.name if photo.uploader else "a visitor"
    return [*entries, {"moment": photo.created_at, "who": who}]


def _box_lines(events: Sequence[BoxEvent], numbers: dict[int, int]) -> list[dict[str, Any]]:
    """What people did to boxes; the newest change of a car can be undone while it stands."""
    undone, newest = {event.undoes for event in events}, set[int | None]()
    entries = []
    for event in events:
        did = "drew" if event.from_box is None else "moved"
        if event.undoes is not None:
            did = "took back" if event.from_box == event.to_box else "moved back"
        last = event.car_id not in newest and event.undoes is None
        newest.add(event.car_id)
        entries.append(
            {
                "moment": event.created_at,
                "box": event,
                "did": did,
                "number": numbers.get(event.car_id or 0, 1),
                "undone": event.id in undone,
                "last": last,
            }
        )
    return entries


def _by_detector(car: Car, events: Sequence[BoxEvent]) -> bool:
    """Whether the detector found a car, whose box people may have moved since."""
    if car.found_by == DETECTOR:
        return True
    boxes = [event.from_box for event in events if event.car_id == car.id]
    return car.found_by == PERSON and bool(boxes) and boxes[-1] not in (None, list(WHOLE_PHOTO))


def _looked_at(cars: Sequence[Car]) -> datetime:
    """When the detector looked: what models said of the cars before was replaced then."""
    by_machine = [car for car in cars if car.found_by != PERSON] or cars
    moments = [answer.created_at for car in by_machine for answer in car.predictions]
    return min(moments or [car.created_at for car in by_machine])
