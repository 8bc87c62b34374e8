"""Questions about what two versions of a model said about the same photos. Nothing here commits."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import aliased

from webapp.storage.database import db
from webapp.storage.jobs import results
from webapp.storage.tables import Job, Photo, Prediction


def first_labels(
    model: str, versions: tuple[int, int], labels: Collection[str], limit: int
) -> list[tuple[Photo, str | None, str | None]]:
    """The newest `limit` photos whose ground truth is one of `labels`, with the first label of each version; None: it has not looked."""
    question = (
        _with_labels(Photo, model, versions)
        .where(Photo.ground_truth.in_(labels))
        .order_by(Photo.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in db.session.execute(question)]


def newest_photos(limit: int) -> list[int]:
    """The numbers of the newest `limit` photos, the newest first."""
    question = (
        select(Photo.id).where(Photo.deleted_at.is_(None)).order_by(Photo.id.desc()).limit(limit)
    )
    return list(db.session.execute(question).scalars())


def labels_of(
    model: str, versions: tuple[int, int], numbers: Sequence[int]
) -> dict[int, tuple[str | None, str | None]]:
    """For each of these photos the first label of each version, None where it has not looked; photos that are gone are absent."""
    question = (
        _with_labels(Photo.id, model, versions).where(Photo.id.in_(numbers)).order_by(Photo.id)
    )
    return {int(row[0]): (row[1], row[2]) for row in db.session.execute(question)}


def count_unlabelled(numbers: Sequence[int]) -> int:
    """How many of these photos nobody has given a ground truth."""
    question = select(func.count()).where(
        Photo.id.in_(numbers), Photo.ground_truth.is_(None), Photo.deleted_at.is_(None)
    )
    return int(db.session.execute(question).scalar_one())


def numbers_that_differ(job_id: str) -> list[int]:
    """The numbers of the photos that two versions answered differently in a job (by its public id); only 0, which no photo has, when
    there are none, or no such job."""
    number = db.session.execute(select(Job.id).where(Job.public_id == job_id)).scalar_one_or_none()
    found = results(number) if number is not None else []
    return [one for result in found for one in result.get("differ", [])] or [0]


def _with_labels(photo: Any, model: str, versions: tuple[int, int]) -> Select[Any]:
    """Photos (all of their row, or a column) that are there, with the first label of each version."""
    one, other = aliased(Prediction), aliased(Prediction)
    question = (
        select(photo, one.label, other.label).select_from(Photo).where(Photo.deleted_at.is_(None))
    )
    for said, version in zip((one, other), versions, strict=True):
        question = question.outerjoin(
            said, and_(said.photo_id == Photo.id, said.model == model, said.version == version)
        )
    return question
