"""Webhooks, events and deliveries."""

from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now


class Webhook(Base):
    """An address that is told what happens here.

    `events` are the types it hears of, separated by spaces. `below`: it also hears of answers whose
    confidence is under this (0 to 1), not only of those that name no label. `secret` signs what it
    is sent. After failures in a row (`failures`) it rests until `rest_until`.
    """

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    events: Mapped[str] = mapped_column(String(200))
    below: Mapped[float] = mapped_column(Float, default=0.0)
    secret: Mapped[str] = mapped_column(String(80))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    failures: Mapped[int] = mapped_column(default=0)
    rest_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    who: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    @property
    def host(self) -> str:
        """Where it leads, without the path, which may be a secret."""
        return urlsplit(self.url).hostname or self.url


class WebhookEvent(Base):
    """Something that a webhook wants to hear of, written in the transaction in which it happened.

    `about` is a photo's id, a batch of label events, or the number of a promotion. Of a batch it
    tells the label events with numbers over `after`, up to `upto`. `body` is what is sent, made
    when it is sent first.
    """

    __tablename__ = "webhook_events"
    __table_args__ = (
        Index("ix_webhook_events_about", "about", "id"),
        Index("ix_webhook_events_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True)
    type: Mapped[str] = mapped_column(String(32))
    about: Mapped[str] = mapped_column(String(64), default="")
    after: Mapped[int] = mapped_column(default=0)
    upto: Mapped[int] = mapped_column(default=0)
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class WebhookDelivery(Base):
    """An event on its way to one webhook.

    `state` is "waiting", "delivered" or "given up"; `answer` is what came back the last time.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_next", "webhook_id", "state", "next_at"),
        Index("ix_webhook_deliveries_event_id", "event_id"),
        Index("ix_webhook_deliveries_ended_at", "ended_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    answer: Mapped[str] = mapped_column(String(200), default="")
    next_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    event: Mapped[WebhookEvent] = relationship(lazy="raise")
