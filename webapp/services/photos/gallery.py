"""Gallery pages, one photo with its story, and the bytes behind them."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from webapp.domain import (
    ALL_MODELS,
    GalleryFilter,
    RankedLabel,
    Rendition,
    make_tag,
    ready_rendition,
)
from webapp.errors import (
    BadRequestError,
    ModelError,
    NotAskedError,
    PhotoDeletedError,
    PhotoNotFoundError,
)
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import rank_labels
from webapp.inference.decoding.images import (
    RENDERER,
    THUMBNAIL_TYPE,
    VIEW_SIDE,
    VIEW_TYPE,
    content_type,
    render_view,
)
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import Registry
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels import events as labels
from webapp.storage.photos import pages
from webapp.storage.photos import photos as storage
from webapp.storage.photos.pages import Count, Place
from webapp.storage.tables import LabelEvent, Photo, Prediction, Upload

PAGE = 24
MAX_LIMIT = 200
MOST_NUMBER = 2**62
LAST = "last"
AFTER, BEFORE = "after", "before"


@dataclass(frozen=True)
class Item:
    """A photo with its shown prediction, or that of the model that was asked for, and what became of it."""

    photo: Photo
    outcome: str


@dataclass(frozen=True)
class Opinion:
    """What one model says about a photo, and what became of it."""

    prediction: Prediction
    outcome: str


@dataclass(frozen=True)
class Page:
    """One page of the gallery. `next` and `previous` are the cursors of the pages beside it, "" where there is none."""

    items: list[Item]
    next: str
    previous: str


@dataclass(frozen=True)
class Event:
    """A label event and whether pressing undo would still do something."""

    event: LabelEvent
    undone: bool


@dataclass(frozen=True)
class Story:
    """Everything the photo page tells: the photo, what each model says about it (the shown one first), all its predictions (newest
    first), its label history (newest first), and while people disagree about it each one's last word as (person, label)."""

    item: Item
    opinions: list[Opinion]
    predictions: Sequence[Prediction]
    events: list[Event]
    disagree: list[tuple[str, str]]


# ---- questions ----


def gallery_page(wanted: GalleryFilter, *, limit: int = PAGE, cursor: str = "") -> Page:
    """A page of photos. Cursors name a photo and a direction, so photos that arrive meanwhile shift nothing. Raises `BadRequestError`.

    The cursor `LAST` is the end of the list.
    """
    place, backwards = read_cursor(cursor, wanted.sort)
    rows = pages.page_of_photos(wanted, limit + 1, place, backwards=backwards)
    more = len(rows) > limit
    if backwards and not more and place is not None:  # this is the beginning: show it whole
        return gallery_page(wanted, limit=limit)
    items = [
        Item(photo, outcome) for photo, outcome in (rows[-limit:] if backwards else rows[:limit])
    ]
    if not items:
        return Page([], next="", previous="")
    following = place is not None if backwards else more
    before = more if backwards else place is not None
    return Page(
        items,
        next=_write_cursor(items[-1].photo, wanted.sort, AFTER) if following else "",
        previous=_write_cursor(items[0].photo, wanted.sort, BEFORE) if before else "",
    )


def cursor_at(wanted: GalleryFilter, day: date) -> str:
    """The cursor of the page that begins with this day (UTC), in one of the orders by arrival; "" in the others."""
    if wanted.sort == "newest":
        return make_cursor("newest", None, pages.first_number_of(pages.day_after(day)), AFTER)
    if wanted.sort == "oldest":
        return make_cursor("oldest", None, pages.first_number_of(day) - 1, AFTER)
    return ""


def outcome_counts(wanted: GalleryFilter) -> dict[str, Count]:
    """How many photos each outcome has under the other filters, every outcome named, and "all" of them. See `Count`."""
    total, each = pages.count_by_outcome(wanted)
    return {"all": total, **each}


def get_item(public_id: str, model: str = "") -> Item:
    """One photo with its shown prediction, or with that of `model`. Raises `PhotoNotFoundError` (`PhotoDeletedError` for one that was
    deleted and waits for its end) or `NotAskedError`."""
    found = storage.find_photo(public_id, model)
    if found is not None:
        return Item(*found)
    if model and storage.find_photo(public_id) is not None:
        raise NotAskedError(
            f"{model[:80]} has not looked at this photo yet. Send the photo once more with model={model[:80]} to ask it."
        )
    raise absent(public_id)


def get_numbered(number: int) -> Item:
    """The photo that came as the one with this number, with its shown prediction. Raises `PhotoNotFoundError`."""
    found = storage.photos_by_number([number]) if number < MOST_NUMBER else []
    if not found:
        raise PhotoNotFoundError(f"There is no photo with the number {number}.")
    return Item(*found[0])


def get_story(public_id: str) -> Story:
    """One photo with its predictions and label history. Raises `PhotoNotFoundError`."""
    item = get_item(public_id)
    disagree = labels.last_words(item.photo) if item.photo.disputed else []
    return Story(
        item,
        opinions(item.photo),
        storage.predictions_of(item.photo),
        with_undone(labels.events_of(item.photo)),
        disagree,
    )


def label_events(public_id: str) -> list[Event]:
    """The label history of a photo, newest first. Raises `PhotoNotFoundError`."""
    return with_undone(labels.events_of(get_item(public_id).photo))


def first_label(public_id: str, model: str) -> str:
    """The first guess of a model about a photo. Raises like `get_item`."""
    prediction = get_item(public_id, model).photo.prediction
    if prediction is None:
        raise NotAskedError(f"{model[:80]} has not looked at this photo yet.")
    return prediction.label


def opinions(photo: Photo) -> list[Opinion]:
    """What each model that has looked at a photo says about it, the shown one first."""
    return [Opinion(*row) for row in storage.current_predictions(photo)]


def latest_item() -> Item | None:
    """The newest photo, or None in an empty history."""
    found = storage.latest_photo()
    return None if found is None else Item(*found)


def checked_examples() -> tuple[dict[str, Photo], dict[str, int]]:
    """For each ground truth its newest photo, and how many photos have it."""
    return storage.latest_checked_photo_of_each_label(), storage.count_by_ground_truth()


def get_upload(public_id: str) -> tuple[Upload, dict[str, Item]]:
    """What became of the files of one form, and the photos among them by id, each as it was asked for. Raises `PhotoNotFoundError`."""
    upload = storage.find_upload(public_id)
    if upload is None:
        raise PhotoNotFoundError("There is no such upload.")
    ids = [str(result["photo"]) for result in upload.results if result["photo"]]
    asked = next((str(result["model"]) for result in upload.results if result.get("model")), "")
    rows = storage.photos_by_public_id(ids, "" if asked == ALL_MODELS else asked)
    return upload, {public_id: Item(*row) for public_id, row in rows.items()}


def full_ranking(prediction: Prediction, registry: Registry) -> tuple[RankedLabel, ...]:
    """Every label of a stored prediction, best first; only the stored top five when the version's card is gone."""
    card = card_of(prediction, registry)
    distribution = np.frombuffer(prediction.distribution, dtype="<f4")
    if card is None or len(distribution) != len(card.labels):
        return tuple(
            RankedLabel(line.rank, line.label, -1, line.probability) for line in prediction.top
        )
    return rank_labels(distribution, card)


def card_of(prediction: Prediction, registry: Registry) -> ModelCard | None:
    """The card of the version that made a prediction, or None when it is not on this machine any more."""
    try:
        return registry.card(prediction.model, prediction.version)
    except ModelError:
        return None


# ---- bytes ----


def thumbnail(public_id: str) -> Rendition:
    """The small picture, without metadata. Raises `PhotoNotFoundError`."""
    found = storage.thumbnail_of(public_id)
    if found is None:
        raise absent(public_id)
    return ready_rendition(found[0], THUMBNAIL_TYPE, found[1])


def view(public_id: str, *, files: FileStore, limiter: AdmissionLimiter) -> Rendition:
    """The large picture for the page: a JPEG, upright, without metadata. Raises `PhotoNotFoundError` or `ServerBusyError`."""
    return _copy(get_item(public_id).photo, VIEW_SIDE, files, limiter)


def original(
    public_id: str, *, files: FileStore, limiter: AdmissionLimiter, with_metadata: bool
) -> Rendition:
    """The stored bytes. When they carry metadata (where it was taken, by whom) a stranger gets a copy without it instead."""
    photo = get_item(public_id).photo
    if photo.has_metadata and not with_metadata:
        return _copy(photo, max(photo.width, photo.height), files, limiter)
    kind = content_type(photo.format)
    return Rendition(
        kind, photo.sha256[:32], lambda: stored_content(photo, files), photo.bytes, photo.created_at
    )


def _copy(photo: Photo, side: int, files: FileStore, limiter: AdmissionLimiter) -> Rendition:
    """A copy without metadata, at most `side` pixels long: always the same bytes, as long as the same library makes it."""

    def make() -> bytes:
        content = stored_content(photo, files)
        with limiter.slot():
            return render_view(content, max_side=side)

    return Rendition(
        VIEW_TYPE, make_tag("copy", side, photo.sha256, RENDERER), make, modified=photo.created_at
    )


def stored_content(photo: Photo, files: FileStore) -> bytes:
    """The bytes of a photo as they came. Raises `PhotoNotFoundError` when they are missing or damaged."""
    content = files.get(photo.sha256)
    if content is None or hashlib.sha256(content).hexdigest() != photo.sha256:
        raise PhotoNotFoundError(
            "The stored file of this photo is missing or damaged. Its answer and its labels are kept."
        )
    return content


# ---- small parts ----


def absent(public_id: str) -> PhotoNotFoundError:
    """Why a photo is not shown."""
    if storage.was_deleted(public_id):
        return PhotoDeletedError("This photo was deleted.")
    return PhotoNotFoundError("There is no such photo. It may have been deleted.")


def with_undone(events: Sequence[LabelEvent]) -> list[Event]:
    """Events, each with whether it was undone."""
    undone = labels.undone_ids([event.id for event in events])
    return [Event(event, event.id in undone) for event in events]


def _write_cursor(photo: Photo, sort: str, direction: str) -> str:
    said = photo.prediction
    keys = {"least-sure": "confidence", "smallest-margin": "margin", "most-wrong": "confidence"}
    return make_cursor(
        sort, getattr(said, keys[sort]) if sort in keys and said else None, photo.id, direction
    )


def make_cursor(sort: str, key: float | None, number: int, direction: str) -> str:
    """The cursor of the page after (or before) the photo with this sort key and number. The orders by arrival have no key."""
    text = json.dumps([sort, key, number, direction], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: str) -> tuple[Place | None, bool]:
    """Where a page begins or ends, and True when it is read backwards from there. Raises `BadRequestError`."""
    if cursor in ("", LAST):
        return None, cursor == LAST
    try:
        made_for, key, number, direction = json.loads(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        )
        if (
            made_for != sort
            or not isinstance(number, int)
            or not 0 <= number < 2**62
            or direction not in (AFTER, BEFORE)
        ):
            raise ValueError("made for another order")
        if (key is None) != (sort in ("newest", "oldest")):
            raise ValueError("made for another order")
        return Place(None if key is None else float(key), number), direction == BEFORE
    except (ValueError, TypeError) as error:
        raise BadRequestError(
            "The cursor is not one that this list gave out. Start again without it."
        ) from error
