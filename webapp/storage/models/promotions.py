"""Questions about which version of a model was live when, and how that is written. Nothing here commits."""

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
    return (
        db.session.execute(
            select(Promotion).where(Promotion.model == model).order_by(Promotion.id.desc())
        )
        .scalars()
        .all()
    )


def last_arrival(model: str, version: int) -> Promotion | None:
    """How `version` last became live other than by going back to it, or None when that was never written down."""
    question = select(Promotion).where(
        Promotion.model == model, Promotion.to_version == version, Promotion.kind != "rollback"
    )
    return db.session.execute(question.order_by(Promotion.id.desc()).limit(1)).scalar_one_or_none()


def versions_that_served(model: str) -> list[int]:
    """Versions of a model that were live, the latest first, each once."""
    versions = [
        version for row in promotions_of(model) for version in (row.to_version, row.from_version)
    ]
    return [one for one in dict.fromkeys(versions) if one is not None]
