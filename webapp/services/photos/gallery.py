"""Gallery pages, one photo with its details, and the bytes behind them."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy import inspect

from webapp.domain import ALL_MODELS, Parent, RankedLabel, Rendition, make_tag, ready_rendition
from webapp.errors import (
    BadRequestError,
    ModelError,
    NotAskedError,
    PhotoDeletedError,
    PhotoNotFoundError,
)
from webapp.gallery_filter import GalleryFilter
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.cars import render_crop
from webapp.inference.classifier import best_parent, rank_labels
from webapp.inference.decoding.detect_format import CONTENT_TYPES
from webapp.inference.decoding.images import (
    RENDERER,
    THUMBNAIL_TYPE,
    VIEW_SIDE,
    VIEW_TYPE,
    render_view,
)
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import sum_merged
from webapp.inference.models.registry import Registry
from webapp.storage.cars import boxes
from webapp.storage.cars.cars import find_car, is_main, load_cars
from webapp.storage.cars.predictions import predictions_of
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels import events as labels
from webapp.storage.photos import deletion, pages
from webapp.storage.photos import photos as storage
from webapp.storage.photos.pages import Place
from webapp.storage.photos.query_filters import SORT_COLUMNS
from webapp.storage.tables import BoxEvent, Car, LabelEvent, Photo, Prediction

PAGE = 24
MAX_LIMIT = 200
LAST = "last"  # the cursor of the end of the list
AFTER, BEFORE = "after", "before"
NO_SUCH_CAR = "There is no such car. Its photo may have been deleted."
_MOST_NUMBER = 2**62


@dataclass(frozen=True)
class Page:
    """One page of the gallery; `next` and `previous` are cursors of other pages, "" for none."""

    items: list[Photo]
    next: str
    previous: str


@dataclass(frozen=True)
class PhotoDetails:
    """Everything that the page of a photo tells."""

    photo: Photo
    car: Car  # the one that answers and predictions are about
    answers: list[Prediction]  # what each model says, the shown answer first
    predictions: Sequence[Prediction]  # all, newest first, of replaced versions too
    events: Sequence[LabelEvent]  # of all its cars, newest first
    box_events: Sequence[BoxEvent]  # the same of their boxes
    disagree: list[tuple[str, str]]  # while people disagree, each one's last word


# ---- lists ----


def gallery_page(wanted: GalleryFilter, *, limit: int = PAGE, cursor: str = "") -> Page:
    """A page of photos. Cursors name a photo and a direction, so that nothing shifts when photos
    arrive. Raises `BadRequestError` for a cursor of another list."""
    place, backwards = read_cursor(cursor, wanted.sort)
    rows = pages.page_of_photos(wanted, limit + 1, place, backwards=backwards)
    more = len(rows) > limit
    if backwards and not more and place is not None:  # this is the beginning: show it whole
        return gallery_page(wanted, limit=limit)
    items = rows[-limit:] if backwards else rows[:limit]
    if not items:
        return Page([], next="", previous="")
    has_next = place is not None if backwards else more
    has_previous = more if backwards else place is not None
    return Page(
        items,
        next=_cursor_of(items[-1], wanted.sort, AFTER) if has_next else "",
        previous=_cursor_of(items[0], wanted.sort, BEFORE) if has_previous else "",
    )


def cursor_at(wanted: GalleryFilter, day: date) -> str:
    """The cursor of the page that begins with this day (UTC), in one of the orders by arrival; ""
    in the others."""
    if wanted.sort == "newest":
        day_after = day + timedelta(days=1) if day < date.max else day
        return make_cursor("newest", None, pages.first_number_of(day_after), AFTER)
    if wanted.sort == "oldest":
        return make_cursor("oldest", None, pages.first_number_of(day) - 1, AFTER)
    return ""


def get_upload(public_id: str) -> tuple[list[dict[str, Any]], dict[str, Photo]]:
    """What became of the files of one form, and its photos by id. Raises `PhotoNotFoundError`."""
    upload = storage.find_upload(public_id)
    if upload is None:
        raise PhotoNotFoundError("There is no such upload.")
    ids = [str(result["photo"]) for result in upload.results if result["photo"]]
    model = next((str(result["model"]) for result in upload.results if result.get("model")), "")
    return upload.results, storage.photos_by_public_id(ids, "" if model == ALL_MODELS else model)


# ---- one photo ----


def get_photo(public_id: str, model: str = "") -> Photo:
    """One photo with its shown prediction, or with that of `model`.

    Raises `NotAskedError` when the model has not looked at it, and `PhotoNotFoundError`, a
    `PhotoDeletedError` while it can be restored.
    """
    if photo := storage.find_photo(Photo.public_id == public_id, model):
        return photo
    if model and storage.find_photo(Photo.public_id == public_id) is not None:
        raise not_asked(model[:80])
    raise absent(public_id)


def not_asked(model: str) -> NotAskedError:
    """The error for a photo that a model has not looked at."""
    return NotAskedError(
        f"{model} has not looked at this photo yet. If it is live, send the photo once more with "
        f"model={model} to ask it."
    )


def get_numbered(number: int) -> Photo:
    """The photo with this number in the order of arrival. Raises `PhotoNotFoundError`."""
    for photo in storage.photos_by_number([number] if number < _MOST_NUMBER else []):
        return photo
    raise PhotoNotFoundError(f"There is no photo with the number {number}.")


def get_details(public_id: str, car_id: str = "") -> PhotoDetails:
    """One photo with the predictions of its main car, or of another of its cars, and its label
    history. Raises `PhotoNotFoundError`."""
    photo = _find_car(public_id, car_id).photo
    events, box_events = labels.events_of(photo), boxes.events_of(photo)
    car = _with_answers(photo, car_id)
    predictions = predictions_of(car)
    current = [prediction for prediction in predictions if prediction.current]
    return PhotoDetails(
        photo,
        car,
        sorted(current, key=lambda prediction: (not prediction.shown, prediction.model)),
        predictions,
        events,
        box_events,
        labels.latest_labels(car) if car.disputed else [],
    )


def _find_car(photo_id: str, car_id: str) -> Car:
    """The main car of a photo, or another of its cars. Raises `PhotoNotFoundError`."""
    which = Car.public_id == car_id if car_id else is_main
    if car := find_car(Photo.public_id == photo_id, which):
        return car
    if car_id and find_car(Photo.public_id == photo_id, is_main):
        raise PhotoNotFoundError(NO_SUCH_CAR)
    raise absent(photo_id)


def get_car(public_id: str) -> Car:
    """One car with its photo, and with what each model says about it. Raises
    `PhotoNotFoundError`."""
    if car := find_car(Car.public_id == public_id):
        return _with_answers(car.photo, public_id)
    raise PhotoNotFoundError(NO_SUCH_CAR)


def get_car_of(photo_id: str, car_id: str = "") -> Car:
    """The same for the main car of a photo, or another of its cars."""
    return _with_answers(_find_car(photo_id, car_id).photo, car_id)


def _with_answers(photo: Photo, car_id: str) -> Car:
    """A car of a photo, by default the main one, with what each model says about it and about the
    others. A job may have removed it since it was found. Raises `PhotoNotFoundError`."""
    load_cars([photo])
    for each in photo.cars:
        if each.public_id == car_id or (not car_id and each.position == 0):
            return each
    raise PhotoNotFoundError(NO_SUCH_CAR)


def label_events(public_id: str) -> Sequence[LabelEvent]:
    """The label history of the cars of a photo, newest first. Raises `PhotoNotFoundError`."""
    return labels.events_of(get_photo(public_id))


def current_predictions(photo: Photo) -> list[Prediction]:
    """What each model that has looked at the main car of a photo says about it, the shown one
    first."""
    return next((car.predictions for car in cars_of(photo)), [])


def cars_of(photo: Photo) -> list[Car]:
    """The cars of a photo, the main one first, with what each model says about them."""
    if "cars" in inspect(photo).unloaded:
        load_cars([photo])
    return photo.cars


def full_ranking(prediction: Prediction, registry: Registry) -> tuple[RankedLabel, ...]:
    """Every label of a stored prediction, best first; the top five when the card is gone."""
    card = card_of(prediction, registry)
    distribution = np.frombuffer(prediction.distribution, dtype="<f4")
    if card is None or len(distribution) != len(card.labels):
        return stored_ranking(prediction)
    return rank_labels(distribution, card)


def parent_of(prediction: Prediction, registry: Registry) -> Parent | None:
    """The most probable parent of a stored prediction, None for labels without parents and when the
    card is gone."""
    card = card_of(prediction, registry)
    distribution = np.frombuffer(prediction.distribution, dtype="<f4")
    if card is None or len(distribution) != len(card.labels):
        return None
    return best_parent(sum_merged(distribution, card), card)


def stored_ranking(prediction: Prediction) -> tuple[RankedLabel, ...]:
    """The stored top five of a prediction."""
    return tuple(
        RankedLabel(line.rank, line.label, -1, line.probability) for line in prediction.top
    )


def card_of(prediction: Prediction, registry: Registry) -> ModelCard | None:
    """The card of the version that made a prediction, or None when it is not on this machine."""
    try:
        return registry.card(prediction.model, prediction.version)
    except ModelError:
        return None


# ---- bytes ----


def thumbnail(public_id: str) -> Rendition:
    """The small picture, without metadata. Raises `PhotoNotFoundError`."""
    row = storage.thumbnail_of(public_id)
    if row is None:
        raise absent(public_id)
    return ready_rendition(row[0], THUMBNAIL_TYPE, row[1])


def view(public_id: str, *, files: FileStore, limiter: AdmissionLimiter) -> Rendition:
    """The large picture of a page: a JPEG, upright, without metadata. Raises
    `PhotoNotFoundError` or `ServerBusyError`."""
    return _copy(get_photo(public_id), VIEW_SIDE, files, limiter)


def car_crop(car: Car, *, files: FileStore, limiter: AdmissionLimiter) -> Rendition:
    """What a car's box and its margin cut out of the photo: a JPEG, upright, without metadata."""

    def make() -> bytes:
        content = stored_content(car.photo, files)
        with limiter.slot():
            return render_crop(content, car.box, VIEW_SIDE)

    tag = make_tag("crop", car.box, VIEW_SIDE, car.photo.sha256, RENDERER)
    return Rendition(VIEW_TYPE, tag, make)


def original(
    photo: Photo, *, files: FileStore, limiter: AdmissionLimiter, with_metadata: bool
) -> Rendition:
    """The stored bytes; a copy when they carry metadata that is not asked for."""
    if photo.has_metadata and not with_metadata:
        return _copy(photo, max(photo.width, photo.height), files, limiter)
    return Rendition(
        CONTENT_TYPES[photo.format],
        photo.sha256[:32],
        lambda: stored_content(photo, files),
        photo.bytes,
        photo.created_at,
    )


def _copy(photo: Photo, side: int, files: FileStore, limiter: AdmissionLimiter) -> Rendition:
    """A copy without metadata, at most `side` pixels long."""

    def make() -> bytes:
        content = stored_content(photo, files)
        with limiter.slot():
            return render_view(content, max_side=side)

    tag = make_tag("copy", side, photo.sha256, RENDERER)
    return Rendition(VIEW_TYPE, tag, make, modified=photo.created_at)


def stored_content(photo: Photo, files: FileStore) -> bytes:
    """The bytes as they came. Raises `PhotoNotFoundError` when they are missing or damaged."""
    content = files.get(photo.sha256)
    if content is None or hashlib.sha256(content).hexdigest() != photo.sha256:
        raise PhotoNotFoundError(
            "The stored file of this photo is missing or damaged. "
            "Its answer and its labels are kept."
        )
    return content


def absent(public_id: str) -> PhotoNotFoundError:
    """The error for a photo that is not there: it was deleted, or there is none such."""
    if deletion.find_deleted(public_id):
        return PhotoDeletedError("This photo was deleted.")
    return PhotoNotFoundError("There is no such photo. It may have been deleted.")


# ---- cursors ----


def _cursor_of(photo: Photo, sort: str, direction: str) -> str:
    key = getattr(photo.prediction, SORT_COLUMNS.get(sort, ""), None)
    return make_cursor(sort, key, photo.id, direction)


def make_cursor(sort: str, key: float | None, number: int, direction: str) -> str:
    """The cursor of the page after (or before) the photo with this sort key (None in the orders by
    arrival) and number."""
    text = json.dumps([sort, key, number, direction], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: str) -> tuple[Place | None, bool]:
    """Where a page begins or ends, and whether it is read backwards. Raises `BadRequestError`."""
    if cursor in ("", LAST):
        return None, cursor == LAST
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        made_for, key, number, direction = json.loads(base64.urlsafe_b64decode(padded))
        if made_for != sort or direction not in (AFTER, BEFORE):
            raise ValueError("made for another order")
        if not isinstance(number, int) or not 0 <= number < _MOST_NUMBER:
            raise ValueError("no number of a photo")
        if (key is None) != (sort in ("newest", "oldest")):
            raise ValueError("made for another order")
        return Place(None if key is None else float(key), number), direction == BEFORE
    except (ValueError, TypeError) as error:
        raise BadRequestError(
            "The cursor is not one that this list gave out. Start again without it."
        ) from error
