"""Photos by what a line of a label file says about them, and the files that wait to be imported. Nothing here commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select

from webapp.storage.database import db
from webapp.storage.tables import LabelFile, Photo


@dataclass(frozen=True)
class Found:
    """Photos by id, by the SHA-256 of their file, and by file name, which several may share."""

    ids: dict[str, Row[Any]]
    sha256s: dict[str, Row[Any]]
    names: dict[str, list[Row[Any]]]

    def with_names(self, names: Sequence[str]) -> Found:
        """The same with the photos that have these file names, which takes a look at every photo."""
        named: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in _photos(Photo.filename.in_(names)) if names else ():
            named[row.filename].append(row)
        return Found(self.ids, self.sha256s, named)


def find_photos(ids: Sequence[str], sha256s: Sequence[str]) -> Found:
    """The photos that have one of these ids or hashes."""
    by_id = {row.public_id: row for row in _photos(Photo.public_id.in_(ids))}
    return Found(
        by_id,
        {row.sha256: row for row in _photos(Photo.sha256.in_([one.lower() for one in sha256s]))},
        {},
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
    return db.session.execute(
        select(LabelFile).where(LabelFile.public_id == public_id)
    ).scalar_one_or_none()


def forget_file(public_id: str) -> None:
    """Remove a file."""
    db.session.execute(delete(LabelFile).where(LabelFile.public_id == public_id))


def forget_older(before: datetime, spare: Sequence[str] = ()) -> None:
    """Remove the files of before, but for those in `spare`."""
    db.session.execute(
        delete(LabelFile).where(LabelFile.created_at < before, LabelFile.public_id.not_in(spare))
    )
