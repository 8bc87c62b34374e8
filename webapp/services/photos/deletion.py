"""Deleting photos: first out of sight, after a time of grace for good; what protects them; and the
retention rule."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from webapp.domain import Who
from webapp.errors import BadRequestError, NotAllowedError, PhotoNotFoundError
from webapp.services.labels.relabel import Relabelled
from webapp.services.photos.gallery import get_photo
from webapp.storage.database import count_rows, end_reading, writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels import events as labels
from webapp.storage.labels.events import new_batch
from webapp.storage.photos import deletion as storage
from webapp.storage.photos import photos
from webapp.storage.tables import LabelEvent, Photo, now

GRACE = timedelta(days=7)  # how long a deleted photo can be brought back
CHUNK = 200  # photos that are deleted in one transaction
NOT_YOURS = "Only the person who uploaded this photo, or an admin, may delete it."


@dataclass(frozen=True)
class _Surplus:
    """What a retention rule would delete: for each class how many photos there are, how many would
    go, and the bytes of their files; photos and bytes that would go in all."""

    classes: dict[str, tuple[int, int, int]]
    photos: int
    bytes: int


# ---- one photo ----


def may_delete(photo: Photo, token: str) -> bool:
    """True when `token` is the one its uploader was given."""
    return bool(token and photo.delete_hash) and hmac.compare_digest(
        hashlib.sha256(token.encode("utf-8", "replace")).hexdigest(), str(photo.delete_hash)
    )


def delete_photo(public_id: str, *, who: Who, admin: bool, token: str = "") -> str:
    """Delete a photo, which can be brought back for `GRACE`; its file name.

    `admin`: no token is needed, as an admin deletes, or who sent it among many. Raises
    `PhotoNotFoundError`, or `NotAllowedError`: the token does not fit, or the photo has a star.
    """
    with writing():
        photo = get_photo(public_id)
        if not admin and not may_delete(photo, token):
            raise NotAllowedError(NOT_YOURS)
        if photo.starred:
            raise NotAllowedError(
                "This photo has a star, which protects it. A reviewer can take the star off; then "
                "it can be deleted."
            )
        storage.put_away([photo.id], new_batch(), who.name)
        return photo.filename


def restorable(public_id: str, *, admin: bool, token: str = "") -> Photo | None:
    """A photo that was deleted and that this person may bring back, or None."""
    photo = storage.find_deleted(public_id)
    if photo is None or photo.deleted_at is None or photo.deleted_at < now() - GRACE:
        return None
    return photo if admin or may_delete(photo, token) else None


def restore_photo(public_id: str, *, admin: bool, token: str = "") -> str:
    """Bring a deleted photo back; its file name. Raises `PhotoNotFoundError` when it is gone or not
    theirs."""
    with writing():
        photo = restorable(public_id, admin=admin, token=token)
        if photo is None:
            raise PhotoNotFoundError(
                "There is nothing to bring back: the photo is there, or it is gone for good."
            )
        storage.restore(Photo.id == photo.id)
        return photo.filename


# ---- for good ----


def purge(*, files: FileStore, before: datetime | None = None, most: int | None = None) -> int:
    """Remove photos for good that were deleted longer than `GRACE` ago, about `most`; returns how
    many. The label log keeps a line each.

    Rows go first, then the files: when the machine stops in between, `sweep` finds those.
    """
    removed = 0
    while (most is None or removed < most) and (names := _remove_rows(before or now() - GRACE)):
        _remove_files(names, files)
        removed += len(names)
    return removed


def sweep(*, files: FileStore) -> int:
    """Remove files that belong to no photo; returns how many."""
    removed = 0
    for names, known in _files(files):
        end_reading()
        if orphans := sorted({*names} - known):
            removed += _remove_files(orphans, files)
    return removed


def count_orphans(*, files: FileStore) -> tuple[int, int]:
    """How many files belong to no photo, and how many photos have no file."""
    orphans = known_files = 0
    for names, known in _files(files):
        orphans, known_files = orphans + len(names) - len(known), known_files + len(known)
    return orphans, count_rows(Photo) - known_files


def _files(files: FileStore) -> Iterator[tuple[list[str], set[str]]]:
    """The names of all files, a chunk at a time, with those among them that belong to a photo."""
    names = files.names()
    while chunk := list(islice(names, CHUNK)):
        yield chunk, storage.known_files(chunk)


def _remove_rows(before: datetime) -> list[str]:
    """Remove the rows of some photos that are due; the names of their files."""
    with writing():
        due = storage.due_photos(before, CHUNK)
        batch = new_batch()
        for photo in due:
            who, why = photo.deleted_by or "", "photo deleted"
            labels.add_farewell(LabelEvent(who=who, why=why, place="delete", batch=batch), photo)
            photos.delete_photo(photo)
        return [photo.sha256 for photo in due]


def _remove_files(names: Sequence[str], files: FileStore) -> int:
    """Remove files unless a photo has them (again): uploads put theirs inside a transaction."""
    with writing():
        orphans = sorted({*names} - storage.known_files(names))
        for name in orphans:
            files.delete(name)
    return len(orphans)


# ---- the retention rule ----


def surplus(per_class: int, older_than: timedelta) -> _Surplus:
    """What would go if each class kept `per_class` photos and only older ones went, of those that
    have neither a label nor a star."""
    classes = storage.count_surplus(per_class, now() - older_than)
    lines = classes.values()
    return _Surplus(classes, sum(line[1] for line in lines), sum(line[2] for line in lines))


def apply_rule(per_class: int, older_than: timedelta, *, who: Who) -> Relabelled:
    """Delete what `surplus` counts, as one batch that can be taken back for `GRACE`."""
    numbers = iter(storage.surplus_numbers(per_class, now() - older_than))
    batch, deleted = new_batch(), 0
    while chunk := list(islice(numbers, CHUNK)):
        with writing():
            deleted += storage.put_away(chunk, batch, who.name, labelled=False)
    return Relabelled(deleted, 0, batch if deleted else "")


def parse_age(text: str) -> timedelta:
    """ "90d", "12w", "2y", or a number of days. Raises `BadRequestError`."""
    text = text.strip().lower()
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("d", "w", "y") else (text, "d")
    if not number.isascii() or not number.isdecimal() or len(number) > 5:
        raise BadRequestError("An age is a number of days like 90, or 90d, 12w, 2y.")
    return timedelta(days=int(number) * {"d": 1, "w": 7, "y": 365}[unit])


def parse_number(text: str) -> int:
    """How many photos a class keeps. Raises `BadRequestError`."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise BadRequestError("How many photos each class keeps is a whole number.")
    return int(text)
