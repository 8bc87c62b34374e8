"""One action on photos that were picked, or on all that a filter lets through: one batch, and one
undo.

Photos change a chunk at a time, each chunk in a transaction of its own, so that uploads and other
people come in between. When the server stops in the middle, what was done stands and is undone by
the same batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from webapp.domain import UNDO
from webapp.errors import BadRequestError, MarqueError, PhotoNotFoundError, PhotoRefusedError
from webapp.gallery_filter import GalleryFilter
from webapp.inference.models.card import ModelCard
from webapp.services.labels.relabel import (
    CHUNK,
    Relabelled,
    check_why,
    confirm_cars,
    label_cars,
    resolve_label,
)
from webapp.services.photos.deletion import purge
from webapp.storage.cars.cars import main_cars
from webapp.storage.database import count_rows, last_id, writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import bulk as storage
from webapp.storage.photos import photos
from webapp.storage.photos.deletion import put_away
from webapp.storage.tables import Photo

MOST = 50_000  # photos that one action may change while the browser waits
MOST_RANKED = 200  # photos that a version looks at meanwhile; more become a job
ACTIONS = ("label", "confirm", "star", "unstar", "delete")
LABEL, CONFIRM, STAR, UNSTAR, DELETE = ACTIONS
NOTHING_SELECTED = "No photo was selected. Select one or more, then press the button again."


@dataclass(frozen=True)
class Selection:
    """Photos that were picked by id, or, without ids, all that `wanted` lets through and whose
    number is at most `up_to` (0: all that are there now). `wanted` also says whose answers."""

    ids: tuple[str, ...] = ()
    wanted: GalleryFilter = field(default_factory=GalleryFilter)
    up_to: int = 0


@dataclass(frozen=True)
class Change:
    """What is done with photos: one of `ACTIONS`. They get `label` of `model` (None: a verdict on
    the model whose answer each shows), or the answer of the model that `wanted` is about."""

    action: str
    wanted: GalleryFilter
    label: str = ""
    model: str | None = None

    def apply(self, numbers: Sequence[int], stamp: Stamp) -> int:
        """Do it with some photos inside the caller's transaction; returns how many changed. Labels
        are given to their main cars."""
        if self.action == LABEL:
            return label_cars(main_cars(numbers), self.label, self.model, stamp)
        if self.action == CONFIRM:
            return confirm_cars(main_cars(numbers), self.wanted, stamp)
        if self.action == DELETE:
            return put_away(numbers, stamp.batch, stamp.who.name)
        return storage.star_photos(numbers, stamp.batch, starred=self.action == STAR)


@dataclass(frozen=True)
class _Forecast:
    """What an action would meet."""

    photos: int  # at most `MOST` + 1 are counted
    starred: int  # of them
    first: Sequence[Photo]  # the first few
    up_to: int  # the number of the newest photo, for `Selection`: later ones are left alone


def forecast(selection: Selection) -> _Forecast:
    """How many photos an action on this selection would meet. Changes nothing."""
    up_to = last_id(Photo)
    met = starred = 0
    first: list[int] = []
    for chunk in _chunks(selection, up_to, limit=MOST + 1):
        met += len(chunk)
        starred += count_rows(Photo, Photo.id.in_(chunk), Photo.starred.is_(True))
        first = first or chunk[:7]
    return _Forecast(met, starred, photos.photos_by_number(first), up_to)


def is_large(selection: Selection, most: int) -> bool:
    """True when a filter lets through more than `most` photos, so that a job changes them."""
    return not selection.ids and len(_numbers(selection, most + 1)) > most


def make_change(
    action: str, wanted: GalleryFilter, label: str = "", cards: Sequence[ModelCard] = ()
) -> Change:
    """A change; `label` is for "label". Raises `UnknownLabelError` when none of the cards has it,
    `BadRequestError` for an unknown action."""
    if action not in ACTIONS:
        raise BadRequestError(f"action must be one of {', '.join((*ACTIONS, UNDO))}.")
    if action != LABEL:
        return Change(action, wanted)
    return Change(action, wanted, *resolve_label(label, cards))


def change_all(selection: Selection, change: Change, stamp: Stamp) -> Relabelled:
    """Change photos, as one batch. Raises `BadRequestError` for no photo, too many, or a reason
    that is too long, and `PhotoNotFoundError` for an unknown id: then nothing is changed."""
    check_why(stamp.why)
    up_to = selection.up_to or last_id(Photo)
    _check(selection, up_to)
    changed = met = 0
    for chunk in _chunks(selection, up_to, limit=MOST):
        with writing():
            changed += change.apply(chunk, stamp)
        met += len(chunk)
    return Relabelled(changed, met - changed, stamp.batch if changed else "", change.label)


def relabel_all(
    selection: Selection, label: str, cards: Sequence[ModelCard], stamp: Stamp
) -> Relabelled:
    """Give photos a ground truth. Raises like `make_change` and `change_all`."""
    return change_all(selection, make_change(LABEL, selection.wanted, label, cards), stamp)


def delete_all(selection: Selection, stamp: Stamp, files: FileStore) -> Relabelled:
    """Delete photos without a star, as a batch that can be brought back for `GRACE`; what was
    deleted before that goes for good now."""
    done = change_all(selection, Change(DELETE, selection.wanted), stamp)
    purge(files=files, most=200)
    return done


@dataclass(frozen=True)
class Looked:
    """How many photos a version looked at, had `seen` before, and could not look at: these are
    `gone`, deleted or damaged. `trouble` is what ended it early, None when it went through."""

    looked: int
    seen: int
    gone: int
    trouble: MarqueError | None = None


def look_at_all(selection: Selection, look: Callable[[Photo], bool]) -> Looked:
    """Let a version look at photos, at most `MOST_RANKED`: `look` is False for one that it has seen
    before. What is done is kept. Raises `BadRequestError` for no photo, or too many."""
    numbers = _numbers(selection, MOST_RANKED + 1)
    if len(numbers) > MOST_RANKED:
        raise BadRequestError(
            f"These are more than {MOST_RANKED} photos, the most that a version can look at while "
            "you wait. Pick fewer."
        )
    if not numbers:
        raise BadRequestError(NOTHING_SELECTED)
    looked = seen = gone = 0
    for photo in photos.photos_by_number(numbers):
        try:
            if look(photo):
                looked += 1
            else:
                seen += 1
        except (PhotoNotFoundError, PhotoRefusedError):
            gone += 1
        except MarqueError as error:
            return Looked(looked, seen, gone, error)
    return Looked(looked, seen, gone)


def _check(selection: Selection, up_to: int) -> None:
    if selection.ids:
        if len(selection.ids) > CHUNK:
            raise BadRequestError(
                f"These are {len(selection.ids)} photos; {CHUNK} are the most that can be named."
            )
        if len(storage.numbers_of(selection.ids)) < len(set(selection.ids)):
            raise PhotoNotFoundError(
                "One of these photos is not there any more. Nothing was changed: load the page "
                "again."
            )
        return
    met = sum(map(len, _chunks(selection, up_to, limit=MOST + 1)))
    if not met:
        raise BadRequestError(NOTHING_SELECTED)
    if met > MOST:
        raise BadRequestError(
            f"These are more than {MOST:,} photos, the most at a time. Nothing was changed: put in "
            "a job for them."
        )


def _numbers(selection: Selection, limit: int) -> list[int]:
    up_to = selection.up_to or last_id(Photo)
    return [number for chunk in _chunks(selection, up_to, limit=limit) for number in chunk]


def _chunks(selection: Selection, up_to: int, *, limit: int) -> Iterator[list[int]]:
    """The photos by number, in order of arrival, at most `limit` in all. What one chunk changes
    does not touch the next."""
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
