"""Promotions of versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now


class Promotion(Base):
    """A change of the live version of a model: what served when. Never changed, never removed.

    `kind` is "first", "promote" or "rollback". `figures` is the comparison that was made before
    (None: none was). `forced` tells that it was done against its verdict, or without one.
    """

    __tablename__ = "promotions"
    __table_args__ = (Index("ix_promotions_model", "model", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    model: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    from_version: Mapped[int | None]
    to_version: Mapped[int]
    forced: Mapped[bool] = mapped_column(Boolean, default=False)
    why: Mapped[str] = mapped_column(String(500), default="")
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
