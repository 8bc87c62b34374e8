"""Exports."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now


class Export(Base):
    """One download of photos or their answers: what was asked, who asked, and how it ended.

    `unit` is "photos", "crops" or "boxes", `filter_json` the filter as the parameters of a URL,
    `state` "running", "complete" or "stopped", `photos` how many were handed to the network,
    `after` the id of the photo it went on after, `manifest` what a complete export says about
    itself.
    """

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    format: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str] = mapped_column(String(16), server_default="photos")
    filter_json: Mapped[str] = mapped_column("question", String(2000))
    state: Mapped[str] = mapped_column(String(16))
    photos: Mapped[int] = mapped_column(default=0)
    after: Mapped[str] = mapped_column(String(24), default="")
    manifest: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
