"""Queries about which version of a model was live when. Nothing here commits."""

from collections.abc import Sequence

from sqlalchemy import select

from webapp.storage.database import db
from webapp.storage.tables import Promotion


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
