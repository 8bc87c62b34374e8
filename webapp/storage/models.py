"""Queries about versions of a model: which was live when, and what two of them answered on the
same photos. Nothing here commits."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import aliased

from webapp.storage.database import count_rows, db
from webapp.storage.jobs import results
from webapp.storage.tables import Job, Photo, Prediction, Promotion

_Labels = tuple[str | None, str | None]


def first_labels(
    model: str, versions: tuple[int, int], labels: Collection[str], limit: int
) -> list[tuple[Photo, str | None, str | None]]:
    """The newest `limit` photos whose ground truth is one of `labels`, with both first labels.

    A first label is None where the version has not classified the photo.
    """
    statement = _with_labels(Photo, model, versions).where(Photo.ground_truth.in_(labels))
    rows = db.session.execute(statement.order_by(Photo.id.desc()).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


def newest_photos(limit: int) -> list[int]:
    """The ids of the newest `limit` photos, newest first."""
    present = select(Photo.id).where(Photo.deleted_at.is_(None))
    return list(db.session.scalars(present.order_by(Photo.id.desc()).limit(limit)))


def labels_of(model: str, versions: tuple[int, int], ids: Sequence[int]) -> dict[int, _Labels]:
    """The first labels of both versions for each photo that exists; None where not classified."""
    statement = _with_labels(Photo.id, model, versions).where(Photo.id.in_(ids))
    rows = db.session.execute(statement.order_by(Photo.id))
    return {int(row[0]): (row[1], row[2]) for row in rows}


def count_unlabelled(ids: Sequence[int]) -> int:
    """How many of these photos have no ground truth."""
    unlabelled = (Photo.ground_truth.is_(None), Photo.deleted_at.is_(None))
    return count_rows(Photo, Photo.id.in_(ids), *unlabelled)


def numbers_that_differ(job_id: str) -> list[int]:
    """The ids of the photos that two versions answered differently in a job, by its public id.

    Only 0, which no photo has, when there are none or no such job.
    """
    number = db.session.scalar(select(Job.id).where(Job.public_id == job_id))
    parts = results(number) if number is not None else []
    return [photo_id for part in parts for photo_id in part.get("differ", [])] or [0]


def _with_labels(photo: Any, model: str, versions: tuple[int, int]) -> Select[Any]:
    """Photos (entity or column) that are not deleted, with the first label of each version."""
    champion, challenger = aliased(Prediction), aliased(Prediction)
    statement = select(photo, champion.label, challenger.label).select_from(Photo)
    for prediction, version in zip((champion, challenger), versions, strict=True):
        statement = statement.outerjoin(
            prediction,
            and_(
                prediction.photo_id == Photo.id,
                prediction.model == model,
                prediction.version == version,
            ),
        )
    return statement.where(Photo.deleted_at.is_(None))


# ---- which version was live ----


def add_promotion(row: Promotion) -> None:
    """Append a change of the live version."""
    db.session.add(row)
    db.session.flush()


def promotions_of(model: str) -> Sequence[Promotion]:
    """Every change of the live version of a model, newest first."""
    statement = select(Promotion).where(Promotion.model == model).order_by(Promotion.id.desc())
    return db.session.scalars(statement).all()


def last_arrival(model: str, version: int) -> Promotion | None:
    """How `version` last became live other than by a rollback, None when not recorded."""
    statement = select(Promotion).where(
        Promotion.model == model, Promotion.to_version == version, Promotion.kind != "rollback"
    )
    return db.session.scalar(statement.order_by(Promotion.id.desc()).limit(1))


def versions_that_served(model: str) -> list[int]:
    """Versions of a model that were live, the latest first, each once."""
    changes = ((row.to_version, row.from_version) for row in promotions_of(model))
    versions = dict.fromkeys(version for change in changes for version in change)
    return [version for version in versions if version is not None]
