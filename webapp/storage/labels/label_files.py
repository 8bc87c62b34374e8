"""Photos that label files are about, and files that wait to be imported. Nothing here commits."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from webapp.storage.database import db
from webapp.storage.tables import LabelFile, Photo


def find_photos(column: Any, values: Collection[str]) -> Sequence[Any]:
    """The photos with one of these values in a column of theirs: rows of public_id, sha256,
    filename, ground_truth and truth_model."""
    if not values:  # by file name this takes a look at every photo
        return []
    columns = (Photo.public_id, Photo.sha256, Photo.filename, Photo.ground_truth, Photo.truth_model)
    which = (Photo.deleted_at.is_(None), column.in_(values))
    return db.session.execute(select(*columns).where(*which)).all()


def add_file(row: LabelFile, *, oldest: datetime, spare: Sequence[str]) -> None:
    """Keep a file, and remove those that are older than `oldest`, but for those in `spare`."""
    which = (LabelFile.created_at < oldest, LabelFile.public_id.not_in(spare))
    db.session.execute(delete(LabelFile).where(*which))
    db.session.add(row)


def find_file(public_id: str) -> LabelFile | None:
    """The file, or None."""
    statement = select(LabelFile).where(LabelFile.public_id == public_id)
    return db.session.execute(statement).scalar_one_or_none()


def forget_file(public_id: str) -> None:
    """Remove a file."""
    db.session.execute(delete(LabelFile).where(LabelFile.public_id == public_id))
