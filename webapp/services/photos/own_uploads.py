"""What those who sent an upload may do with its photos, without an account: see them, delete them, bring them back."""

from dataclasses import dataclass

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
from webapp.storage.database import writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.photos import photos
from webapp.storage.tables import Photo, now


@dataclass(frozen=True)
class Holdings:
    """The photos that came with an upload: how many are there, how many of these have a star, how many its sender can bring back."""

    photos: int
    starred: int
    deleted: int


def came_with(public_id: str, owner: str) -> bool:
    """True when a photo came in with an upload of this owner (the id of an `Owner`; "" has none)."""
    return bool(owner) and storage.came_with_job_of(public_id, owner, JOB_TYPE.name)


def is_theirs(view: JobView, owner: Owner) -> bool:
    """True for an upload that has ended and that this very owner put in. Who may see all jobs does not own them."""
    return (
        view.over
        and view.job.type == JOB_TYPE.name
        and bool(owner.id)
        and view.job.owner == owner.id
    )


def holdings(view: JobView) -> Holdings:
    """What there is of an upload's photos."""
    there, starred = storage.count_photos_of(view.job.public_id)
    return Holdings(there, starred, storage.count_deleted(_name(view), now() - GRACE))


def delete(view: JobView, owner: Owner, *, who: Who, files: FileStore) -> Relabelled:
    """Delete the photos that were new with an upload, as one batch that can be taken back for `GRACE`; those with a star stay.

    Raises `NotAllowedError` for somebody else, `JobRefusedError` while photos still come in or when none is there.
    """
    _check(view, owner)
    if not storage.count_photos_of(view.job.public_id)[0]:
        raise JobRefusedError("None of these photos is there any more. Nothing was changed.")
    return delete_all(
        Selection(wanted=GalleryFilter(batch=view.job.public_id)),
        who=who,
        files=files,
        batch=_name(view),
    )


def restore(view: JobView, owner: Owner) -> int:
    """Bring back what `delete` took away; returns how many photos. Raises `NotAllowedError`, and `JobNotFoundError` when there is none."""
    _check(view, owner)
    mine = and_(Photo.deleted_batch == _name(view), Photo.deleted_at >= now() - GRACE)
    with writing():
        back = photos.restore(mine)
    if not back:
        raise JobNotFoundError(
            "There is nothing to bring back: the photos are there, or they are gone for good."
        )
    return back


def _check(view: JobView, owner: Owner) -> None:
    if not view.over:
        raise JobRefusedError(
            "Photos of this upload still come in. Cancel it first, or wait until it is through. Nothing was changed."
        )
    if not is_theirs(view, owner):
        raise NotAllowedError(
            "Only whoever sent these photos, or an admin in the gallery, may delete them. Nothing was changed."
        )


def _name(view: JobView) -> str:
    """What a deletion by the sender is called, so that they bring back what they deleted and nothing else."""
    return f"job-{view.job.public_id}"[:24]
