"""Questions about what two versions of a model said about photos with a ground truth. Nothing here commits."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, select
from sqlalchemy.orm import aliased

from webapp.storage.database import db
from webapp.storage.tables import Photo, Prediction


def first_labels(model: str, versions: tuple[int, int], labels: Collection[str], limit: int) -> list[tuple[Photo, str | None, str | None]]:
    """The newest `limit` photos whose ground truth is one of `labels`, with the first label of each version; None: it has not looked."""
    one, other = aliased(Prediction), aliased(Prediction)
    question = select(Photo, one.label, other.label)
    for said, version in zip((one, other), versions, strict=True):
        question = question.outerjoin(said, and_(said.photo_id == Photo.id, said.model == model, said.version == version))
    question = question.where(Photo.ground_truth.in_(labels), Photo.deleted_at.is_(None)).order_by(Photo.id.desc()).limit(limit)
    return [(row[0], row[1], row[2]) for row in db.session.execute(question)]
