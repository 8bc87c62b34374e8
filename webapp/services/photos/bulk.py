"""One action on many photos: those that were picked, or all that a filter lets through. Each action is one batch, and one undo.

Photos change a chunk at a time, each chunk in a transaction of its own, so that uploads and other people come in between. When the
server stops in the middle, what was done stands and is undone by the same batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from webapp.domain import GalleryFilter, Who
from webapp.errors import BadRequestError, MarqueError, PhotoNotFoundError
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import Classifier
from webapp.inference.models.card import ModelCard
from webapp.services.labels.label_mapping import current_card
from webapp.services.labels.relabel import (
    CHUNK,
    Relabelled,
    check_label,
    check_why,
    confirm_photos,
    label_photos,
    model_of,
)
from webapp.services.photos.classify import Pipeline, ask_version
from webapp.services.photos.deletion import GRACE, purge
from webapp.storage.database import writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels.events import Stamp, new_batch
from webapp.storage.photos import bulk as storage
from webapp.storage.photos import photos
from webapp.storage.photos.deletion import put_away
from webapp.storage.tables import Photo

MOST = 50_000
"""Photos that one action may change: more would keep the browser waiting for minutes."""
MOST_RANKED = 200
"""Photos that a version looks at while one waits: some seconds of work, in which others are answered too. More become a job."""
PURGED_AT_ONCE = 200


@dataclass(frozen=True)
class Selection:
    """Photos that were picked by id, or, without ids, all that `wanted` lets through and that were there by the number `up_to`.

    `wanted` also says whose answers are meant.
    """

    ids: tuple[str, ...] = ()
    wanted: GalleryFilter = field(default_factory=GalleryFilter)
    up_to: int = 0


@dataclass(frozen=True)
class Forecast:
    """What an action would meet: `photos` of them (at most `MOST` + 1 are counted), `starred` ones among them, the first few, the number
    of the newest photo, to be handed back so that photos that come meanwhile are left alone."""

    photos: int
    starred: int
    first: Sequence[tuple[Photo, str]]
    up_to: int

    @property
    def too_many(self) -> bool:
        """True when it is more than one action may change."""
        return self.photos > MOST


@dataclass(frozen=True)
class Waiting:
    """Photos that were deleted together and can be brought back until `ends`."""

    batch: str
    who: str
    at: datetime
    photos: int

    @property
    def ends(self) -> datetime:
        """When they go for good."""
        return self.at + GRACE


def forecast(selection: Selection, show: int = 7) -> Forecast:
    """How many photos an action on this selection would meet. Changes nothing."""
    up_to = storage.last_number()
    found = starred = 0
    first: list[int] = []
    for chunk in _chunks(selection, up_to, limit=MOST + 1):
        found += len(chunk)
        starred += storage.count_starred(chunk)
        first = first or chunk[:show]
    return Forecast(found, starred, photos.photos_by_number(first), up_to)


def is_long(selection: Selection) -> bool:
    """True when a version cannot look at all of these photos while one waits."""
    met = sum(
        map(
            len, _chunks(selection, selection.up_to or storage.last_number(), limit=MOST_RANKED + 1)
        )
    )
    return met > MOST_RANKED


def relabel_all(
    selection: Selection, label: str, cards: Sequence[ModelCard], stamp: Stamp
) -> Relabelled:
    """Give photos a ground truth. Raises `UnknownLabelError`, or what `_all` raises."""
    cards = [current_card(card) for card in cards]
    label, model = check_label(label, cards), model_of(label, cards)
    check_why(stamp.why)
    done = _all(selection, stamp.batch, lambda chunk: label_photos(chunk, label, model, stamp))
    return replace(done, label=label)


def confirm_all(selection: Selection, stamp: Stamp) -> Relabelled:
    """Make the answers the ground truths. Photos whose answer names no label are skipped."""
    wanted = selection.wanted
    return _all(selection, stamp.batch, lambda chunk: confirm_photos(chunk, wanted, stamp))


def star_all(selection: Selection, *, starred: bool) -> Relabelled:
    """Star photos, or take their stars off."""
    batch = new_batch()
    return _all(selection, batch, lambda chunk: storage.star_photos(chunk, batch, starred=starred))


def rank_all(
    selection: Selection,
    classifier: Classifier,
    *,
    standing: bool,
    files: FileStore,
    limiter: AdmissionLimiter,
) -> tuple[Relabelled, MarqueError | None]:
    """Let a version look at photos, at most `MOST_RANKED`. What it says stands for its model when `standing`, else it is only remembered.

    Also returns what ended it early, if anything did: what was ranked until then is kept.
    """
    numbers = [
        number
        for chunk in _chunks(
            selection, selection.up_to or storage.last_number(), limit=MOST_RANKED + 1
        )
        for number in chunk
    ]
    if len(numbers) > MOST_RANKED:
        raise BadRequestError(
            f"These are more than {MOST_RANKED} photos, the most that a version can look at while you wait. Pick fewer."
        )
    if not numbers:
        raise BadRequestError(
            "No photo was selected. Select one or more, then press the button again."
        )
    changed = met = 0
    for photo, _outcome in photos.photos_by_number(numbers):
        try:
            changed += ask_version(
                photo.public_id, Pipeline([classifier], files, limiter), standing=standing
            )
        except MarqueError as error:
            return Relabelled(changed, met - changed, ""), error
        met += 1
    return Relabelled(changed, met - changed, ""), None


def delete_all(selection: Selection, *, who: Who, files: FileStore, batch: str = "") -> Relabelled:
    """Delete photos; starred ones are skipped. They can be brought back for `GRACE`; what waited longer goes now.

    `batch` is what the deletion is called, a new name when it is not given.
    """
    batch = batch or new_batch()
    done = _all(selection, batch, lambda chunk: put_away(chunk, batch, who.name))
    purge(files=files, most=PURGED_AT_ONCE)
    return done


def waiting() -> list[Waiting]:
    """What was deleted and can be brought back, latest first."""
    return [Waiting(*line) for line in storage.waiting_batches()]


def anything_waits() -> bool:
    """True when something was deleted and can be brought back."""
    return storage.anything_waits()


def _all(selection: Selection, batch: str, change: Callable[[list[int]], int]) -> Relabelled:
    """Change chunk after chunk. Raises `BadRequestError` for no photo or too many, `PhotoNotFoundError` for an unknown id: then nothing
    is changed."""
    up_to = selection.up_to or storage.last_number()
    _check(selection, up_to)
    changed = met = 0
    for chunk in _chunks(selection, up_to, limit=MOST):
        with writing():
            changed += change(chunk)
        met += len(chunk)
    return Relabelled(changed, met - changed, batch if changed else "")


def _check(selection: Selection, up_to: int) -> None:
    if selection.ids:
        if len(selection.ids) > CHUNK:
            raise BadRequestError(
                f"These are {len(selection.ids)} photos; {CHUNK} are the most that can be named."
            )
        if len(storage.numbers_of(selection.ids)) < len(set(selection.ids)):
            raise PhotoNotFoundError(
                "One of these photos is not there any more. Nothing was changed: load the page again."
            )
        return
    met = sum(map(len, _chunks(selection, up_to, limit=MOST + 1)))
    if not met:
        raise BadRequestError(
            "No photo was selected. Select one or more, then press the button again."
        )
    if met > MOST:
        raise BadRequestError(
            f"These are more than {MOST:,} photos, the most at a time. Nothing was changed: put in a job for them."
        )


def _chunks(selection: Selection, up_to: int, *, limit: int) -> Iterator[list[int]]:
    """The photos by number, in order of arrival, at most `limit` in all. What one chunk changes does not touch the next."""
    if selection.ids:
        yield storage.numbers_of(selection.ids)
        return
    last = met = 0
    while met < limit:
        chunk = storage.next_numbers(selection.wanted, last, up_to, min(CHUNK, limit - met))
        if not chunk:
            return
        yield chunk
        met, last = met + len(chunk), chunk[-1]
