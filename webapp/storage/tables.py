"""The tables. `models/` holds Keras models, so the ORM classes live here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from webapp.storage.database import Base
from webapp.values import AUDIT, UNLABELLED


class UTCDateTime(TypeDecorator[datetime]):
    """A moment with its zone, kept as UTC. SQLite forgets zones; this remembers."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """To UTC, then naive."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Naive from the database, so UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


class File(Base):
    """The bytes of an upload, named by their SHA-256 in hex. A table of its own, which no gallery query touches."""

    __tablename__ = "files"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


def _of_kept(*columns: str) -> Index:
    """An index over the photos that nobody has deleted, named by its columns."""
    kept = text("deleted_at IS NULL")
    return Index(f"ix_photos_kept_{'_'.join(columns)}", *columns, "id", sqlite_where=kept, postgresql_where=kept)


class Photo(Base):
    """An upload. `public_id` is what the world sees; `id` keeps the order of arrival.

    `ground_truth` and `truth_model` mirror the last label event as its label reads today, `given_label` holds the label as it was given
    where it reads as another one (None: it reads as itself), `disputed` tells whether people disagree about it; `shown_…` mirror the shown
    prediction and `outcome` its outcome, so that the gallery finds photos by one index: `webapp.storage.photos` writes them. `prediction`
    is the shown one, or that of the model a query asked for. `source` is the door it came through ("" for photos of before that was kept),
    `batch` what came together with it.
    `dhash` is the difference hash of its picture as a signed number (None when it has no structure), and `has_duplicate` tells that
    another photo, not a deleted one, has the same. A photo with `deleted_at` is forgotten for everybody and waits for its end;
    `deleted_batch` and `starred_batch` name the action that can be taken back.
    """

    __tablename__ = "photos"
    __table_args__ = (
        _of_kept("outcome"),
        _of_kept("shown_label"),
        _of_kept("shown_decision"),
        _of_kept("ground_truth"),
        _of_kept("uploader_id"),
        _of_kept("source"),
        _of_kept("batch"),
        _of_kept("starred"),
        _of_kept("has_duplicate"),
        _of_kept("created_at"),
        _of_kept("shown_confidence"),
        _of_kept("shown_margin"),
        _of_kept("outcome", "shown_confidence"),
        _of_kept("outcome", "shown_margin"),
        _of_kept("shown_label", "shown_confidence"),
        _of_kept("shown_label", "shown_margin"),
        _of_kept("shown_decision", "shown_confidence"),
        _of_kept("shown_decision", "shown_margin"),
        _of_kept("ground_truth", "shown_confidence"),
        Index("ix_photos_dhash", "dhash"),
        Index(
            "ix_photos_deleted_at",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "ix_photos_deleted_batch",
            "deleted_batch",
            sqlite_where=text("deleted_batch IS NOT NULL"),
            postgresql_where=text("deleted_batch IS NOT NULL"),
        ),
        Index(
            "ix_photos_starred_batch",
            "starred_batch",
            sqlite_where=text("starred_batch IS NOT NULL"),
            postgresql_where=text("starred_batch IS NOT NULL"),
        ),
        Index("ix_photos_disputed", "disputed", "id", sqlite_where=text("disputed = 1"), postgresql_where=text("disputed")),
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
    ground_truth: Mapped[str | None] = mapped_column(String(120))
    truth_model: Mapped[str | None] = mapped_column(String(64))
    given_label: Mapped[str | None] = mapped_column(String(120))
    disputed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    uploader_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    delete_hash: Mapped[str | None] = mapped_column(String(64))
    shown_model: Mapped[str | None] = mapped_column(String(64))
    shown_version: Mapped[int | None]
    shown_label: Mapped[str | None] = mapped_column(String(120))
    shown_decision: Mapped[str | None] = mapped_column(String(120))
    shown_confidence: Mapped[float | None] = mapped_column(Float)
    shown_margin: Mapped[float | None] = mapped_column(Float)
    outcome: Mapped[str] = mapped_column(String(16), default=UNLABELLED)
    source: Mapped[str] = mapped_column(String(16), default="")
    batch: Mapped[str | None] = mapped_column(String(24))
    dhash: Mapped[int | None] = mapped_column(BigInteger)
    has_duplicate: Mapped[bool] = mapped_column(Boolean, default=False)
    starred: Mapped[bool] = mapped_column(Boolean, default=False)
    starred_batch: Mapped[str | None] = mapped_column(String(24))
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    deleted_by: Mapped[str | None] = mapped_column(String(80))
    deleted_batch: Mapped[str | None] = mapped_column(String(24))

    predictions: Mapped[list[Prediction]] = relationship(back_populates="photo", order_by="Prediction.id.desc()", lazy="raise")
    prediction: Mapped[Prediction | None] = relationship(
        primaryjoin="and_(Photo.id == Prediction.photo_id, Prediction.shown)", uselist=False, viewonly=True, lazy="raise"
    )
    uploader: Mapped[User | None] = relationship(lazy="raise")


NAME_INDEX = "photo_names"
"""SQLite's index of every three characters of the file names: parts of a name are found without reading all of them. Its rows have the
ids of the photos. Another database looks through the names themselves."""

_make_name_index = DDL(f"CREATE VIRTUAL TABLE {NAME_INDEX} USING fts5(filename, content='', tokenize='trigram')")
event.listen(Photo.__table__, "after_create", _make_name_index.execute_if(dialect="sqlite"))
event.listen(Photo.__table__, "before_drop", DDL(f"DROP TABLE IF EXISTS {NAME_INDEX}").execute_if(dialect="sqlite"))


def is_a_table_of_ours(name: str | None, kind: str, _parents: object) -> bool:
    """False for the tables in which SQLite keeps the index of names: migrations do not compare them."""
    return kind != "table" or not str(name).startswith(NAME_INDEX)


class Thumbnail(Base):
    """The small picture of a photo, without metadata."""

    __tablename__ = "thumbnails"

    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


def _by_model(*columns: str) -> tuple[Index, Index]:
    """Two indexes: over what stands for its model, and over what each version said."""
    name = "_".join(columns) or "photo"
    where: dict[str, Any] = {"sqlite_where": text("current = 1"), "postgresql_where": text("current")}
    return (
        Index(f"ix_predictions_current_{name}", "model", *columns, "photo_id", **where),
        Index(f"ix_predictions_version_{name}", "model", "version", *columns, "photo_id"),
    )


class Prediction(Base):
    """What one model version said about one photo.

    `distribution` is float32 little-endian in the card's label order, `embedding` float16 little-endian. `current` marks the one that
    stands for its model: the version that looked last, at most one for a photo and model. `shown` marks the one among those that the
    gallery shows: at most one for a photo. `outcome` is what became of it, by the ground truth: see
    `webapp.storage.photos.outcome`. `decision`, `label`, `confidence`, `margin` and the top five are what the distribution says with the
    labels as they read today; where that is not what was said at first, `OriginalAnswer` keeps the latter.
    """

    __tablename__ = "predictions"
    __table_args__ = (
        UniqueConstraint("photo_id", "model", "version"),
        Index("ix_predictions_photo_shown", "photo_id", "shown"),
        *_by_model(),
        *_by_model("confidence"),
        *_by_model("margin"),
        *_by_model("label"),
        *_by_model("outcome", "confidence"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
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

    photo: Mapped[Photo] = relationship(back_populates="predictions", lazy="raise")
    top: Mapped[list[TopLabel]] = relationship(order_by="TopLabel.rank", lazy="raise", cascade="all, delete-orphan", passive_deletes=True)


class TopLabel(Base):
    """The first five of a prediction as rows, so that "who was second" can be asked."""

    __tablename__ = "top_labels"
    __table_args__ = (Index("ix_top_labels_label_rank", "label", "rank"),)

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120))
    probability: Mapped[float] = mapped_column(Float)


class KnownLabel(Base):
    """One label of one model version's label set: a ground truth that this version's answers can be held against."""

    __tablename__ = "known_labels"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)


class LabelChange(Base):
    """One change of how a label of a model is seen by people; never changed, never removed. Undo is one more change (`undoes`).

    `kind` is one of `webapp.inference.label_set.KINDS` or `STRUCTURE`; `value` what holds from now on, None what the card says. The label
    itself, the network's output, stays what it is. What was saved together shares its `batch`.
    """

    __tablename__ = "label_changes"
    __table_args__ = (Index("ix_label_changes_label", "model", "label", "id"), {"sqlite_autoincrement": True})

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

    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id", ondelete="CASCADE"), primary_key=True)
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


class ReviewLease(Base):
    """A photo that lies on a reviewer's desk: until `until` nobody else is given it. The first by `position` is shown.

    `queue` names the order and filter it was taken from.
    """

    __tablename__ = "review_leases"
    __table_args__ = (Index("ix_review_leases_user", "user_id", "position"),)

    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    queue: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    until: Mapped[datetime] = mapped_column(UTCDateTime)


class Audit(Base):
    """A random sample of all answered photos, drawn with `seed`. What is said about them in it are label events with the place "audit"."""

    __tablename__ = "audits"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    seed: Mapped[int]
    size: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class AuditPhoto(Base):
    """One photo of an audit, in the order of the draw. It goes with the photo."""

    __tablename__ = "audit_photos"
    __table_args__ = (Index("ix_audit_photos_photo", "photo_id"),)

    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))


class PhotoHash(Base):
    """The 64 bits of a photo's difference hash in five bands of 13 or 12, so that hashes that differ in up to four bits are found by an
    index: four changed bits leave at least one of five bands as it was. See docs/decisions/0011-near-and-suspected.md."""

    __tablename__ = "photo_hashes"
    __table_args__ = tuple(Index(f"ix_photo_hashes_band{one}", f"band{one}", "photo_id", "dhash") for one in range(5))

    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    dhash: Mapped[int] = mapped_column(BigInteger)
    band0: Mapped[int]
    band1: Mapped[int]
    band2: Mapped[int]
    band3: Mapped[int]
    band4: Mapped[int]


class Suspicion(Base):
    """A ground truth that a version of a model doubts. It counts while `given` is the photo's ground truth and nobody has settled it.

    `margin` is the probability of `given` minus the highest of another label, in [-1, 1]: the lowest are the most suspected. `probability`
    is that of `given`, `other` the label that it suspects instead, `other_probability` that one's.
    """

    __tablename__ = "suspicions"
    __table_args__ = (
        Index("ix_suspicions_margin", "margin", "photo_id"),
        Index("ix_suspicions_model_margin", "model", "margin", "photo_id"),
    )

    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    given: Mapped[str] = mapped_column(String(120))
    other: Mapped[str] = mapped_column(String(120))
    probability: Mapped[float] = mapped_column(Float)
    other_probability: Mapped[float] = mapped_column(Float)
    margin: Mapped[float] = mapped_column(Float)


class SuspicionRun(Base):
    """When a model last went through the ground truths, with which version, and what it saw.

    `judged` photos were looked at; `learnt` were left out because the version has learnt from them; `learnt_known` is False when nobody
    knows what it learnt from. `last_event` and `last_prediction` tell whether something has changed since.
    """

    __tablename__ = "suspicion_runs"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int]
    judged: Mapped[int]
    learnt: Mapped[int]
    learnt_known: Mapped[bool] = mapped_column(Boolean)
    last_event: Mapped[int]
    last_prediction: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Upload(Base):
    """What became of the files of one form: `results` is a list of {"filename", "photo" or null, "duplicate", "error" or null}."""

    __tablename__ = "uploads"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    results: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class User(Base):
    """A person who can log in. `stamp` is in every session cookie: a new stamp ends all sessions of this person."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    stamp: Mapped[str] = mapped_column(String(32))
    first_password: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class LoginAttempt(Base):
    """One wrong password for a user name, known or not."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_name_at", "name", "at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class ApiKey(Base):
    """A key of the JSON door. Only its SHA-256 is kept; `prefix` is what people recognise it by.

    From `expires_at` on it opens nothing (None: it never expires). `last_used_at` may be a minute behind.
    """

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(12))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Promotion(Base):
    """A change of the live version of a model: what served when. Never changed, never removed.

    `kind` is "first", "promote" or "rollback". `figures` is the comparison that was made before (None: none was). `forced` tells that
    it was done against its verdict, or without one.
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


class Export(Base):
    """One download of photos or their answers: what was asked, who asked, and how it ended.

    `question` is the filter as the parameters of a URL, `after` the photo it went on after. `state` is "running", "complete" or "stopped";
    `photos` were handed to the network, of which a broken download has fewer. `manifest` is what a complete export says about itself.
    """

    __tablename__ = "exports"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    format: Mapped[str] = mapped_column(String(16))
    question: Mapped[str] = mapped_column(String(2000))
    state: Mapped[str] = mapped_column(String(16))
    photos: Mapped[int] = mapped_column(default=0)
    after: Mapped[str] = mapped_column(String(24), default="")
    manifest: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


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


class Job(Base):
    """One piece of background work, as people see it. Its parts say how far it is.

    `state` is "queued", "running", "succeeded", "failed" or "cancelled". `question` is what was asked, `result` what came of it, `error`
    why it failed. `owner` is who may see it besides reviewers ("" for who has its id). `once` is the hash of the sender's idempotency key.
    `turn_at`: when a part of it was last taken up, so that jobs take turns. `stop_at`: when somebody asked to cancel it.
    `cleared_at`: when the files that it kept were removed, after which it cannot go on.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state", "state", "id"),
        Index("ix_jobs_kind", "kind", "id"),
        Index("ix_jobs_owner", "owner", "id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(24), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(16))
    question: Mapped[dict[str, Any]] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str] = mapped_column(String(2000), default="")
    owner: Mapped[str] = mapped_column(String(64), default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    who: Mapped[str] = mapped_column(String(80))
    once: Mapped[str | None] = mapped_column(String(64), unique=True)
    turn_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    stop_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class JobPart(Base):
    """A part of a job that one worker does at a time: "plan" cuts the job into parts, "do" is one of them, "finish" sums up.

    `state` is "queued", "running" or "succeeded". `done` of `total` things are through, `failed` of them in vain. `attempts` counts how
    often it was taken up, `run_after` is when it may be next. `owner` is the worker that has it, until `lease_until` unless renewed.
    """

    __tablename__ = "job_parts"
    __table_args__ = (UniqueConstraint("job_id", "number"), Index("ix_job_parts_state", "state", "run_after"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]
    role: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    question: Mapped[dict[str, Any]] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    run_after: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    owner: Mapped[str] = mapped_column(String(120), default="")
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)


class JobLine(Base):
    """A line of a job's log."""

    __tablename__ = "job_lines"
    __table_args__ = (Index("ix_job_lines_job_id", "job_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    text: Mapped[str] = mapped_column(String(500))


class JobWorker(Base):
    """A worker that was seen: who it is, since when, and when it last looked for work."""

    __tablename__ = "job_workers"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


# ---- webhooks ----


class Webhook(Base):
    """An address that is told of what happens here. `events` are the types it hears of, separated by spaces.

    `below`: it also hears of answers whose confidence is under this (0 to 1), not only of those that name no label. `secret` signs what it
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


class WebhookEvent(Base):
    """Something that happened and that a webhook wants to hear of, written in the same transaction as what it tells of.

    `about` is a photo's id, a batch of label events, or the number of a promotion. Of a batch it tells the label events with numbers over
    `after`, up to `upto`. `body` is what is sent, None until it is sent first; from then on it stays the same.
    """

    __tablename__ = "webhook_events"
    __table_args__ = (Index("ix_webhook_events_about", "about", "id"), Index("ix_webhook_events_created_at", "created_at"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(32), unique=True)
    type: Mapped[str] = mapped_column(String(32))
    about: Mapped[str] = mapped_column(String(64), default="")
    after: Mapped[int] = mapped_column(default=0)
    upto: Mapped[int] = mapped_column(default=0)
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=now)


class WebhookDelivery(Base):
    """An event on its way to one webhook. `state` is "waiting", "delivered" or "given up"; `answer` is what came back the last time."""

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


# ---- what the stats read ----

CHECKED = ("correct", "wrong", "unclassified")
"""Outcomes of predictions that a ground truth can be held against."""


class CheckedAnswer(Base):
    """A version's answer to a photo that somebody has checked: what the stats count, one small row each. `webapp.storage.tally` keeps it.

    `truth` is the photo's ground truth; `five` tells that it is among the first five of the answer. `month` (year * 100 + month) is that
    of the upload in UTC, `audited` tells that the photo was checked in a random sample, `learnt` that the version has learnt from it.
    """

    __tablename__ = "checked_answers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    truth: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(120))
    decision: Mapped[str] = mapped_column(String(120))
    outcome: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[float] = mapped_column(Float)
    margin: Mapped[float] = mapped_column(Float)
    month: Mapped[int]
    audited: Mapped[bool] = mapped_column(Boolean)
    learnt: Mapped[bool] = mapped_column(Boolean)
    five: Mapped[bool] = mapped_column(Boolean)


class TallyPair(Base):
    """How many checked answers of a version have this truth, first label and decision; of these, how many have the truth among five."""

    __tablename__ = "tally_pairs"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    audited: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    learnt: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    truth: Mapped[str] = mapped_column(String(120), primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)
    decision: Mapped[str] = mapped_column(String(120), primary_key=True)
    n: Mapped[int]
    five: Mapped[int]


class TallyBand(Base):
    """How many checked answers of a version have a confidence of `percent` (0 to 99, rounded down), how often the first label was right.

    `known` is False for photos that show none of the labels. `billionths` is the sum of the confidences: whole numbers, so that what is
    added and taken away again leaves nothing behind.
    """

    __tablename__ = "tally_bands"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    audited: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    learnt: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    percent: Mapped[int] = mapped_column(primary_key=True)
    known: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    n: Mapped[int]
    first: Mapped[int]
    billionths: Mapped[int] = mapped_column(BigInteger)


class TallyMonth(Base):
    """How many photos of a month (see `CheckedAnswer`) a version has checked answers to, and how many of these are right."""

    __tablename__ = "tally_months"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    audited: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    learnt: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    month: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    right: Mapped[int]


class LearntFile(Base):
    """A file that a version learnt from, or was chosen or calibrated by, named by its SHA-256: from the list that travels with it."""

    __tablename__ = "learnt_files"
    __table_args__ = ({"sqlite_with_rowid": False},)

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)


class LearntList(Base):
    """A version whose whole list is in `LearntFile`, and whose checked answers tell it. Of others nobody knows what they learnt from."""

    __tablename__ = "learnt_lists"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    files: Mapped[int]


Index(
    "ix_label_events_audited",
    LabelEvent.photo_id,
    sqlite_where=LabelEvent.place == AUDIT,
    postgresql_where=LabelEvent.place == AUDIT,
)
