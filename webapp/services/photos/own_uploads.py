"""What senders may do with the photos of an upload without an account: see, delete, restore."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_

from webapp.domain import Who
from webapp.errors import JobNotFoundError, JobRefusedError, NotAllowedError
from webapp.gallery_filter import GalleryFilter
from webapp.services.jobs.queue import JobView, Owner
from webapp.services.jobs.types.upload import JOB_TYPE
from webapp.services.labels.relabel import Relabelled
from webapp.services.photos.bulk import Selection, delete_all
from webapp.services.photos.deletion import GRACE
from webapp.storage import jobs as storage
from webapp.storage.database import count_rows, writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.labels.events import Stamp
from webapp.storage.photos import deletion
from webapp.storage.tables import Photo, now


@dataclass(frozen=True)
class _Holdings:
    """How many photos of an upload are there, have a star, or can be restored by their sender."""

    photos: int
    starred: int
    deleted: int


def came_with(public_id: str, owner: str) -> bool:
    """True when a photo came in with an upload of this owner, by the id of an `Owner`."""
    return bool(owner) and storage.came_with_job_of(public_id, owner, JOB_TYPE.name)


def is_theirs(view: JobView, owner: Owner) -> bool:
    """True for an upload that has ended and that this very owner sent in."""
    job = view.job
    return view.over and job.type == JOB_TYPE.name and bool(owner.id) and job.owner == owner.id


def holdings(view: JobView) -> _Holdings:
    """What there is of an upload's photos."""
    there = (Photo.batch == view.job.public_id, Photo.deleted_at.is_(None))
    return _Holdings(
        count_rows(Photo, *there),
        count_rows(Photo, *there, Photo.starred.is_(True)),
        count_rows(Photo, _restorable(view)),
    )


def delete(view: JobView, owner: Owner, *, who: Who, files: FileStore) -> Relabelled:
    """Delete the new photos of an upload without a star, as one batch that can be restored.

    Raises `NotAllowedError` for somebody else, `JobRefusedError` while photos still come in or when
    none is there.
    """
    _check(view, owner)
    if not holdings(view).photos:
        raise JobRefusedError("None of these photos is there any more. Nothing was changed.")
    selection = Selection(wanted=GalleryFilter(batch=view.job.public_id))
    return delete_all(selection, Stamp(who, "gallery", batch=_batch(view)), files)


def restore(view: JobView, owner: Owner) -> int:
    """Restore what `delete` deleted; how many photos.

    Raises `NotAllowedError`, and `JobNotFoundError` when there is none.
    """
    _check(view, owner)
    with writing():
        restored = deletion.restore(_restorable(view))
    if not restored:
        raise JobNotFoundError(
            "There is nothing to restore: the photos are there, or they are gone for good."
        )
    return restored


def _check(view: JobView, owner: Owner) -> None:
    if not view.over:
        raise JobRefusedError(
            "Photos of this upload still come in. Cancel it first, or wait until it has ended. "
            "Nothing was changed."
        )
    if not is_theirs(view, owner):
        raise NotAllowedError(
            "Only the sender of these photos, or an admin in the gallery, may delete them. "
            "Nothing was changed."
        )


def _restorable(view: JobView) -> Any:
    return and_(Photo.deleted_batch == _batch(view), Photo.deleted_at >= now() - GRACE)


def _batch(view: JobView) -> str:
    """A deletion by the sender has a name of its own: they restore that and nothing else."""
    return f"job-{view.job.public_id}"[:24]
