"""The cars in photos, and what people did to their boxes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.domain import UNLABELLED, Box, DetectedCar, FoundBy
from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now, partial_index

if TYPE_CHECKING:
    from webapp.storage.tables.photos import Photo, Prediction


class CarState:
    """The columns that say what is known of a car; photos mirror those of their main car.

    `ground_truth` and `truth_model` mirror the last label event, `disputed` tells whether people
    disagree about it; `shown_…` mirror the shown prediction and `outcome` its outcome. Only
    `webapp.storage.cars` writes them, on the car and on its photo.
    """

    ground_truth: Mapped[str | None] = mapped_column(String(120))
    truth_model: Mapped[str | None] = mapped_column(String(64))
    disputed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    shown_model: Mapped[str | None] = mapped_column(String(64))
    shown_version: Mapped[int | None]
    shown_label: Mapped[str | None] = mapped_column(String(120))
    shown_decision: Mapped[str | None] = mapped_column(String(120))
    shown_confidence: Mapped[float | None] = mapped_column(Float)
    shown_margin: Mapped[float | None] = mapped_column(Float)
    outcome: Mapped[str] = mapped_column(String(16), default=UNLABELLED)


class Car(CarState, Base):
    """One vehicle in a photo, with its bounding box in 0..1 of the upright photo.

    `position` 0 is the main car. The cars of a photo are in the order of their ids; those that
    people said are no car come last. `found_by` is "detector", "person" or "whole": the whole photo
    counts as one car. `score` and `detector_version` are None unless the detector found it.
    """

    __tablename__ = "cars"
    __table_args__ = (
        UniqueConstraint("photo_id", "position"),
        Index("ix_cars_outcome_shown_confidence", "outcome", "shown_confidence", "id"),
        Index("ix_cars_outcome_shown_margin", "outcome", "shown_margin", "id"),
        partial_index(
            "ix_cars_ground_truth",
            *("ground_truth", "shown_confidence", "id"),
            where="ground_truth IS NOT NULL",
        ),
        partial_index(
            "ix_cars_disputed", "disputed", "id", where="disputed = 1", postgresql="disputed"
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    position: Mapped[int]
    x: Mapped[float] = mapped_column(Float)
    y: Mapped[float] = mapped_column(Float)
    width: Mapped[float] = mapped_column(Float)
    height: Mapped[float] = mapped_column(Float)
    score: Mapped[float | None] = mapped_column(Float)
    found_by: Mapped[str] = mapped_column(String(16))
    detector_version: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    photo: Mapped[Photo] = relationship(lazy="raise")
    prediction: Mapped[Prediction | None] = relationship(
        primaryjoin="and_(Car.id == Prediction.car_id, Prediction.shown)",
        uselist=False,
        viewonly=True,
        lazy="raise",
    )
    # what stands for each model, the shown prediction first
    predictions: Mapped[list[Prediction]] = relationship(
        primaryjoin="and_(Car.id == Prediction.car_id, Prediction.current)",
        order_by="(Prediction.shown.desc(), Prediction.model)",
        viewonly=True,
        lazy="raise",
    )

    @property
    def box(self) -> Box:
        """x, y, width and height."""
        return self.x, self.y, self.width, self.height

    @property
    def area(self) -> float:
        """The share of the photo that the box takes."""
        return self.width * self.height

    @property
    def detected(self) -> DetectedCar:
        """Where it is, and who found it."""
        return DetectedCar(self.box, self.score, cast(FoundBy, self.found_by))


class BoxEvent(Base):
    """One change of a car's box by a person; never changed, never removed. Undo is one more event,
    whose `undoes` names the one it takes back.

    Boxes are [x, y, width, height]; `from_box` None: the car was drawn. `from_score` and
    `from_version` are those of the detector, None unless it found the box before. `photo_ref` and
    `who` stay readable after the photo or the person is gone.
    """

    __tablename__ = "box_events"
    __table_args__ = (Index("ix_box_events_car", "car_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    car_id: Mapped[int | None] = mapped_column(ForeignKey("cars.id", ondelete="SET NULL"))
    photo_ref: Mapped[str] = mapped_column(String(24))
    from_box: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))
    from_score: Mapped[float | None] = mapped_column(Float)
    from_version: Mapped[int | None]
    to_box: Mapped[list[float]] = mapped_column(JSON)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    why: Mapped[str] = mapped_column(String(500), default="")
    place: Mapped[str] = mapped_column(String(16))
    batch: Mapped[str] = mapped_column(String(24), index=True)
    undoes: Mapped[int | None] = mapped_column(ForeignKey("box_events.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
