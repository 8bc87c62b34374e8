"""Label events, label sets, files of labels."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.storage.database import Base
from webapp.storage.tables.base import UTCDateTime, now

if TYPE_CHECKING:
    from webapp.storage.tables.photos import Photo


class KnownLabel(Base):
    """One label of one model version's label set: a ground truth that this version's answers can be held against."""

    __tablename__ = "known_labels"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)


class LabelChange(Base):
    """One change of how a label of a model is seen by people; never changed, never removed. Undo is one more change (`undoes`).

    `kind` is one of `webapp.inference.models.label_set.KINDS` or `STRUCTURE`; `value` what holds from now on, None what the card says. The label
    itself, the network's output, stays what it is. What was saved together shares its `batch`.
    """

    __tablename__ = "label_changes"
    __table_args__ = (
        Index("ix_label_changes_label", "model", "label", "id"),
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
    undoes: Mapped[int | None] = mapped_column(ForeignKey("label_changes.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class ReadLabel(Base):
    """A label of a model that was merged: since then it reads as another one, the end of its chain. Made of the label changes."""

    __tablename__ = "read_labels"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)
    reads_as: Mapped[str] = mapped_column(String(120))


class ExpectedAnswer(Base):
    """The answer that is right for a ground truth, where it is not that label itself or the version does not know that label.

    After a merge the label that both read as; after a split the label that was split, from a version that does not know the new ones.
    Made of the label changes and the known labels.
    """

    __tablename__ = "expected_answers"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)
    answer: Mapped[str] = mapped_column(String(120))


class OriginalAnswer(Base):
    """What a prediction said before labels were merged, kept while it reads differently. `top` is a list of [rank, label, probability]."""

    __tablename__ = "original_answers"

    prediction_id: Mapped[int] = mapped_column(
        ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True
    )
    decision: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(120))
    confidence: Mapped[float] = mapped_column(Float)
    margin: Mapped[float] = mapped_column(Float)
    top: Mapped[list[Any]] = mapped_column(JSON)


class Rereading(Base):
    """How far the photos and answers of a model are read with its labels as they are since the change `change_id`.

    `stage` is "photos" (ground truths first), then "answers", then "done"; `after` is the last photo or prediction that was read, and
    `last` where the stage ends.
    """

    __tablename__ = "rereadings"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    change_id: Mapped[int]
    stage: Mapped[str] = mapped_column(String(16))
    after: Mapped[int] = mapped_column(default=0)
    last: Mapped[int] = mapped_column(default=0)


class LabelEvent(Base):
    """One change of a ground truth; never changed, never removed. Undo is one more event (`undoes` names the one it takes back).

    `to_model` is the model whose label it is, `from_model` that of the label before; None when a verdict was about the labels of several.
    `photo_ref` and `who` stay readable after the photo or the person is gone. `place` is where it was done: "queue" (the review), "audit"
    (the review of a random sample, see `Audit`), "gallery", "photo", "upload", "api", "cli", "undo" or "delete". An event whose
    `from_label` is its `to_label` is a person who confirms the label that was there.
    """

    __tablename__ = "label_events"
    __table_args__ = (
        Index("ix_label_events_photo", "photo_id", "id"),
        Index("ix_label_events_who", "who", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    photo_id: Mapped[int | None] = mapped_column(ForeignKey("photos.id", ondelete="SET NULL"))
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

    photo: Mapped[Photo | None] = relationship(lazy="raise")


class LabelFile(Base):
    """A file of labels that somebody sent, which waits to be imported or forgotten."""

    __tablename__ = "label_files"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    filename: Mapped[str] = mapped_column(String(255))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


# ---- background work ----
