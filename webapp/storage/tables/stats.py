"""Checked answers, the counters made of them, and what versions were trained on."""

from sqlalchemy import BigInteger, Float, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.storage.database import Base
from webapp.storage.tables.base import PhotoKey

CHECKED = ("correct", "wrong", "unclassified")  # outcomes with a ground truth to compare with


class CheckedAnswer(Base):
    """A version's answer to a car that somebody has checked: what the statistics count.

    `five`: the truth is among the first five of the answer; `month`: year * 100 + month of the
    upload in UTC; `audited`: checked in a random sample; `trained`: the version was trained on the
    photo. Kept by `webapp.storage.stats.counters`.
    """

    __tablename__ = "checked_answers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    photo_id: Mapped[PhotoKey]
    car_id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    truth: Mapped[str] = mapped_column(String(120))
    label: Mapped[str] = mapped_column(String(120))
    decision: Mapped[str] = mapped_column(String(120))
    outcome: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[float] = mapped_column(Float)
    margin: Mapped[float] = mapped_column(Float)
    month: Mapped[int]
    audited: Mapped[bool]
    trained: Mapped[bool]
    five: Mapped[bool]


class PairCounter(Base):
    """Checked answers of a version by truth, first label and decision; `five` of them have the
    truth among five."""

    __tablename__ = "pair_counters"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    audited: Mapped[bool] = mapped_column(primary_key=True)
    trained: Mapped[bool] = mapped_column(primary_key=True)
    truth: Mapped[str] = mapped_column(String(120), primary_key=True)
    label: Mapped[str] = mapped_column(String(120), primary_key=True)
    decision: Mapped[str] = mapped_column(String(120), primary_key=True)
    n: Mapped[int]
    five: Mapped[int]


class BandCounter(Base):
    """Checked answers of a version by confidence in whole percent, rounded down to 0..99.

    `first` of them had the right first label; not `known`: the photos show none of the labels.
    `billionths` is the sum of the confidences, in whole numbers: what is added and taken away again
    leaves nothing behind.
    """

    __tablename__ = "band_counters"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    audited: Mapped[bool] = mapped_column(primary_key=True)
    trained: Mapped[bool] = mapped_column(primary_key=True)
    percent: Mapped[int] = mapped_column(primary_key=True)
    known: Mapped[bool] = mapped_column(primary_key=True)
    n: Mapped[int]
    first: Mapped[int]
    billionths: Mapped[int] = mapped_column(BigInteger)


class MonthCounter(Base):
    """Checked answers of a version by month (see `CheckedAnswer`), and how many of them are
    right."""

    __tablename__ = "month_counters"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    audited: Mapped[bool] = mapped_column(primary_key=True)
    trained: Mapped[bool] = mapped_column(primary_key=True)
    month: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    right: Mapped[int]


class TrainingFile(Base):
    """A file that a version was trained, chosen or calibrated with, by its SHA-256."""

    __tablename__ = "training_files"
    __table_args__ = ({"sqlite_with_rowid": False},)

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)


class TrainingList(Base):
    """A version all of whose files are in `TrainingFile`; of others nobody knows what trained
    them."""

    __tablename__ = "training_lists"

    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    files: Mapped[int]
