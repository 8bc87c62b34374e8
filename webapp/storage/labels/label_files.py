"""Photos by what a line of a label file says about them, and files that wait to be imported.

Nothing here commits.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from webapp.storage.database import db
from webapp.storage.tables import LabelFile, Photo


@dataclass
class KnownPhotos:
    """Photos by id, by the SHA-256 of their file, and by file name, which several may share."""

    ids: dict[str, Any]
    sha256s: dict[str, Any]
    names: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def add_names(self, names: Sequence[str]) -> None:
        """Add the photos that have these file names, which takes a look at every photo."""
        for row in _photos(Photo.filename.in_(names)) if names else ():
            self.names[row.filename].append(row)


def find_photos(ids: Sequence[str], sha256s: Sequence[str]) -> KnownPhotos:
    """The photos that have one of these ids or hashes."""
    hashes = [sha256.lower() for sha256 in sha256s]
    return KnownPhotos(
        {row.public_id: row for row in _photos(Photo.public_id.in_(ids))},
        {row.sha256: row for row in _photos(Photo.sha256.in_(hashes))},
    )


def _photos(which: Any) -> Sequence[Any]:
    columns = (Photo.public_id, Photo.sha256, Photo.filename, Photo.ground_truth, Photo.truth_model)
    return db.session.execute(select(*columns).where(Photo.deleted_at.is_(None), which)).all()


def add_file(row: LabelFile) -> None:
    """Keep a file."""
    db.session.add(row)
    db.session.flush()


def find_file(public_id: str) -> LabelFile | None:
    """The file, or None."""
    statement = select(LabelFile).where(LabelFile.public_id == public_id)
    return db.session.execute(statement).scalar_one_or_none()


def forget_file(public_id: str) -> None:
    """Remove a file."""
    db.session.execute(delete(LabelFile).where(LabelFile.public_id == public_id))


def forget_older(before: datetime, spare: Sequence[str] = ()) -> None:
    """Remove the files of before, but for those in `spare`."""
    which = (LabelFile.created_at < before, LabelFile.public_id.not_in(spare))
    db.session.execute(delete(LabelFile).where(*which))
