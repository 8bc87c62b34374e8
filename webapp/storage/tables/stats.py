"""Checked answers, the counters made of them, and what versions were trained on."""

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.domain import AUDIT
from webapp.storage.database import Base
from webapp.storage.tables.labels import LabelEvent

CHECKED = ("correct", "wrong", "unclassified")
"""Outcomes of predictions that a ground truth can be held against."""


class CheckedAnswer(Base):
    """A version's answer to a photo that somebody has checked: what the stats count, one small row each. `webapp.storage.stats.counters` keeps it.

    `truth` is the photo's ground truth; `five` tells that it is among the first five of the answer. `month` (year * 100 + month) is that
    of the upload in UTC, `audited` tells that the photo was checked in a random sample, `learnt` that the version has learnt from it.
    """

    __tablename__ = "checked_answers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    photo_id: Mapped[int] = mapped_column(
        ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True
    )
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
