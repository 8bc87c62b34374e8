"""Leases of the review, audits, suspected labels."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.storage.database import Base
from webapp.storage.tables.base import CarKey, UTCDateTime, now

if TYPE_CHECKING:
    from webapp.storage.tables.cars import Car
    from webapp.storage.tables.photos import Photo


class ReviewLease(Base):
    """A car leased to a reviewer: until `until` nobody else gets it. The first by `position` is
    shown.

    `queue` names the order and filter it was taken from.
    """

    __tablename__ = "review_leases"
    __table_args__ = (Index("ix_review_leases_user", "user_id", "position"),)

    car_id: Mapped[CarKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    queue: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    until: Mapped[datetime] = mapped_column(UTCDateTime)


class Audit(Base):
    """A random sample of all answered cars, drawn with `seed`.

    What people say about them in it are label events with the place "audit".
    """

    __tablename__ = "audits"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    seed: Mapped[int]
    size: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class AuditCar(Base):
    """One car of an audit, in the order of the draw. It goes with the car."""

    __tablename__ = "audit_cars"
    __table_args__ = (Index("ix_audit_cars_car", "car_id"),)

    audit_id: Mapped[int] = mapped_column(
        ForeignKey("audits.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    car_id: Mapped[int] = mapped_column(ForeignKey("cars.id", ondelete="CASCADE"))


class Suspicion(Base):
    """A ground truth that a version of a model doubts.

    It counts while `given` is the car's ground truth and nobody has settled it. `margin` is the
    probability of `given` minus the highest of another label, in [-1, 1]: the lowest are the most
    suspected. `probability` is that of `given`, `other_probability` that of `other`, the label
    suspected instead.
    """

    __tablename__ = "suspicions"
    __table_args__ = (
        Index("ix_suspicions_margin", "margin", "car_id"),
        Index("ix_suspicions_model_margin", "model", "margin", "car_id"),
    )

    car_id: Mapped[CarKey]
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    given: Mapped[str] = mapped_column(String(120))
    other: Mapped[str] = mapped_column(String(120))
    probability: Mapped[float] = mapped_column(Float)
    other_probability: Mapped[float] = mapped_column(Float)
    margin: Mapped[float] = mapped_column(Float)

    car: Mapped[Car] = relationship(lazy="raise")

    @property
    def photo(self) -> Photo:
        """The photo of the car."""
        return self.car.photo


class SuspicionRun(Base):
    """When a model was last compared with the ground truths, with which version, and what it saw.

    `judged` cars were compared; `trained` were left out because the version was trained on them;
    not `training_known`: nobody knows what trained it. `last_event` and `last_prediction` tell
    whether something has changed since.
    """

    __tablename__ = "suspicion_runs"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int]
    judged: Mapped[int]
    trained: Mapped[int] = mapped_column("learnt")
    training_known: Mapped[bool] = mapped_column("learnt_known")
    last_event: Mapped[int]
    last_prediction: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
