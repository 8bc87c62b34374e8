"""Label events, label sets, files of labels."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    column,
    exists,
    table,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from webapp.domain import AUDIT
from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now, partial_index

if TYPE_CHECKING:
    from webapp.storage.tables.cars import Car
    from webapp.storage.tables.photos import Photo

_undo = table("label_events", column("undoes")).alias("undo")


class KnownLabel(Base):
    """One label of a model version: a ground truth that its answers can be compared with. An answer
    that is its `parent` is right for it too."""

    __tablename__ = "known_labels"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)
    parent: Mapped[str | None] = mapped_column(String(120))


class LabelEdit(Base):
    """One edit of a label set; never changed, never removed. Undo is one more edit (`undoes`).

    `kind` is one of `KINDS` or `STRUCTURE`, or `ADDED`, in `webapp.inference.models.label_set`,
    `value` what holds from now on (None: what the card says). What was saved together shares its
    `batch`; the label events of a merge have that batch too. The label itself, an output of the
    network, stays.
    """

    __tablename__ = "label_edits"
    __table_args__ = (
        Index("ix_label_edits_label", "model", "label", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    model: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str | None] = mapped_column(String(4000))
    why: Mapped[str] = mapped_column(String(500), default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    batch: Mapped[str] = mapped_column(String(24))
    undoes: Mapped[int | None] = mapped_column(ForeignKey("label_edits.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class CanonicalLabel(Base):
    """The map from a label to its canonical label, for a version of a model.

    Rows are there only where the two differ, or the version does not know the label. After a merge
    the canonical label is the one that the label was merged into (the end of the chain), for every
    version and for version 0, which stands for people. After a split it is, for a version that does
    not know the part, the label that was split. Written with each merge, split and undo, and when a
    version answers for the first time.
    """

    __tablename__ = "canonical_labels"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)
    canonical: Mapped[str] = mapped_column(String(120))


class LabelEvent(Base):
    """One change of a ground truth; never changed, never removed. Undo is one more event, whose
    `undoes` names the one it takes back.

    `to_model` is the model whose label it is, `from_model` that of the label before; None when a
    verdict was about the labels of several. `photo_ref`, the photo's public id, and `who` stay
    readable after the photo or the person is gone. `place` is where it was done: "queue" (the
    review), "audit" (the review of a random sample, see `Audit`), "gallery", "photo", "upload",
    "api", "cli", "merge" (of labels), "undo" or "delete". An event whose `from_label` is its
    `to_label` confirms the label. `undone` tells whether a later event takes it back.
    """

    __tablename__ = "label_events"
    __table_args__ = (
        Index("ix_label_events_car", "car_id", "id"),
        Index("ix_label_events_who", "who", "id"),
        partial_index("ix_label_events_audited", "car_id", where=f"place = '{AUDIT}'"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    car_id: Mapped[int | None] = mapped_column(ForeignKey("cars.id", ondelete="SET NULL"))
    photo_ref: Mapped[str] = mapped_column(String(24))
    from_label: Mapped[str | None] = mapped_column(String(120))
    to_label: Mapped[str | None] = mapped_column(String(120))
    from_model: Mapped[str | None] = mapped_column(String(64))
    to_model: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    why: Mapped[str] = mapped_column(String(500), default="")
    place: Mapped[str] = mapped_column(String(16))
    batch: Mapped[str] = mapped_column(String(24), index=True)
    undoes: Mapped[int | None] = mapped_column(ForeignKey("label_events.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    car: Mapped[Car | None] = relationship(lazy="raise")
    undone: Mapped[bool] = column_property(
        exists().where(_undo.c.undoes == id).correlate_except(_undo)
    )

    @property
    def photo(self) -> Photo | None:
        """The photo of the car, None when it is gone."""
        return self.car.photo if self.car else None


class LabelFile(Base):
    """A file of labels that somebody sent, which waits to be imported or forgotten."""

    __tablename__ = "label_files"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    filename: Mapped[str] = mapped_column(String(255))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
