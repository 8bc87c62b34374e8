"""Photos, their bytes, and what models said about them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.domain import NOTHING_FOUND, UNLABELLED
from webapp.storage.database import Base
from webapp.storage.tables.base import PhotoKey, UTCDateTime, now, partial_index
from webapp.storage.tables.cars import CarState

if TYPE_CHECKING:
    from webapp.storage.tables.accounts import User
    from webapp.storage.tables.cars import Car


class File(Base):
    """The bytes of an upload, named by their SHA-256 in hex. A table of its own, which no gallery
    query touches."""

    __tablename__ = "files"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


def _of_kept(*columns: str) -> Index:
    """An index over the photos that nobody has deleted, named by its columns."""
    name = f"ix_photos_kept_{'_'.join(columns)}"
    return partial_index(name, *columns, "id", where="deleted_at IS NULL")


class Photo(CarState, Base):
    """An upload. `public_id` is what the world sees; `id` keeps the order of arrival.

    The columns of `CarState` mirror those of the main car, so that the gallery finds photos by one
    index. `prediction` is the main car's: the shown one, or that of the model a query asked for.
    `car_count` is how many cars the detector or people found, those left out of which people said
    that they are no car; None while no detector has looked: the whole photo counts as one.
    `detector_version` is the version that looked last. `source` is the interface it came
    through ("" for photos of before that was kept), `batch` what came together with it.
    `phash` is the perceptual hash of its picture as a signed number (None when it has no
    structure), and `has_duplicate` tells that another photo, not a deleted one, has the same. A
    photo with `deleted_at` is forgotten for everybody and waits for its end; `deleted_batch` and
    `starred_batch` name the action that can be taken back.
    """

    __tablename__ = "photos"
    __table_args__ = (
        *map(_of_kept, ("outcome", "shown_label", "shown_decision", "ground_truth", "uploader_id")),
        *map(_of_kept, ("source", "batch", "starred", "has_duplicate", "created_at", "car_count")),
        *map(_of_kept, ("shown_confidence", "shown_margin")),
        *(
            _of_kept(first, second)
            for first in ("outcome", "shown_label", "shown_decision")
            for second in ("shown_confidence", "shown_margin")
        ),
        _of_kept("ground_truth", "shown_confidence"),
        Index("ix_photos_phash", "phash"),
        partial_index("ix_photos_deleted_at", "deleted_at", where="deleted_at IS NOT NULL"),
        partial_index(
            "ix_photos_deleted_batch", "deleted_batch", where="deleted_batch IS NOT NULL"
        ),
        partial_index(
            "ix_photos_starred_batch", "starred_batch", where="starred_batch IS NOT NULL"
        ),
        partial_index(
            "ix_photos_disputed", "disputed", "id", where="disputed = 1", postgresql="disputed"
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    format: Mapped[str] = mapped_column(String(16))
    has_metadata: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    car_count: Mapped[int | None]
    detector_version: Mapped[int | None]
    uploader_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    delete_hash: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16), default="")
    batch: Mapped[str | None] = mapped_column(String(24))
    phash: Mapped[int | None] = mapped_column(BigInteger)
    has_duplicate: Mapped[bool] = mapped_column(Boolean, default=False)
    starred: Mapped[bool] = mapped_column(Boolean, default=False)
    starred_batch: Mapped[str | None] = mapped_column(String(24))
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    deleted_by: Mapped[str | None] = mapped_column(String(80))
    deleted_batch: Mapped[str | None] = mapped_column(String(24))

    prediction: Mapped[Prediction | None] = relationship(
        primaryjoin="and_(Photo.id == Prediction.photo_id, Prediction.shown)",
        uselist=False,
        viewonly=True,
        lazy="raise",
    )
    cars: Mapped[list[Car]] = relationship(order_by="Car.position", viewonly=True, lazy="raise")
    uploader: Mapped[User | None] = relationship(lazy="raise")

    @property
    def meant_outcome(self) -> str:
        """The outcome of `prediction`, which a query may have made that of another model."""
        return self.prediction.outcome if self.prediction else self.outcome


class Thumbnail(Base):
    """The small picture of a photo, without metadata."""

    __tablename__ = "thumbnails"

    photo_id: Mapped[PhotoKey]
    content: Mapped[bytes] = mapped_column(LargeBinary)


def _by_model(*columns: str) -> tuple[Index, Index]:
    """Two indexes: over what stands for its model, and over what each version said."""
    name, keys = "_".join(columns) or "photo", (*columns, "photo_id")
    current = f"ix_predictions_current_{name}"
    return (
        partial_index(current, "model", *keys, where="current = 1", postgresql="current"),
        Index(f"ix_predictions_version_{name}", "model", "version", *keys),
    )


class Prediction(Base):
    """What one model version said about one car.

    `distribution` is float32 little-endian in the card's label order, `embedding` float16 little-
    endian. `current` marks the one that stands for its model: the version that looked last, at most
    one for a car and model. `shown` marks the one among those that is shown: at most one for a car.
    `photo_id` is the photo while the car is its main one, else None: so the gallery reads the
    answers of a model in order, by one index, without those about further cars. `outcome` is what
    became of it, by the ground truth: see `webapp.storage.cars.state.outcome`. `decision`, `label`,
    `confidence`, `margin` and the top five follow from the distribution and the map of labels
    (merged ones are added up).
    """

    __tablename__ = "predictions"
    __table_args__ = (
        UniqueConstraint("car_id", "model", "version"),
        Index("ix_predictions_photo_shown", "photo_id", "shown"),
        *_by_model(),
        *_by_model("confidence"),
        *_by_model("margin"),
        *_by_model("label"),
        *_by_model("outcome", "confidence"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    car_id: Mapped[int] = mapped_column(ForeignKey("cars.id", ondelete="CASCADE"))
    photo_id: Mapped[int | None] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    model: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    decision: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(120))
    confidence: Mapped[float] = mapped_column(Float)
    margin: Mapped[float] = mapped_column(Float)
    familiarity: Mapped[float | None] = mapped_column(Float)
    elapsed_ms: Mapped[float] = mapped_column(Float)
    distribution: Mapped[bytes] = mapped_column(LargeBinary)
    embedding: Mapped[bytes] = mapped_column(LargeBinary)
    shown: Mapped[bool] = mapped_column(Boolean)
    current: Mapped[bool] = mapped_column(Boolean)
    outcome: Mapped[str] = mapped_column(String(16), default=UNLABELLED)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)

    top: Mapped[list[TopLabel]] = relationship(
        order_by="TopLabel.rank", lazy="raise", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def nothing_found(self) -> bool:
        """Whether the model looked at a whole photo because the detector found no car in it."""
        return self.familiarity == NOTHING_FOUND


class TopLabel(Base):
    """The first five of a prediction as rows, so that "who was second" can be asked."""

    __tablename__ = "top_labels"
    __table_args__ = (Index("ix_top_labels_label_rank", "label", "rank"),)

    prediction_id: Mapped[int] = mapped_column(
        ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True
    )
    rank: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120))
    probability: Mapped[float] = mapped_column(Float)


class PhotoHash(Base):
    """The 64 bits of a photo's perceptual hash in five bands of 13 or 12, so that hashes that
    differ in up to six bits are found by an index: six changed bits leave one of five bands as it
    was, or change one bit of it. See docs/decisions/0011-near-and-suspected.md."""

    __tablename__ = "photo_hashes"
    __table_args__ = tuple(
        Index(f"ix_photo_hashes_band{band}", f"band{band}", "photo_id", "phash")
        for band in range(5)
    )

    photo_id: Mapped[PhotoKey]
    phash: Mapped[int] = mapped_column(BigInteger)
    band0: Mapped[int]
    band1: Mapped[int]
    band2: Mapped[int]
    band3: Mapped[int]
    band4: Mapped[int]


class Upload(Base):
    """What became of the files of one form: `results` is a list of {"filename", "photo" or null,
    "duplicate", "error" or null}."""

    __tablename__ = "uploads"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    results: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
