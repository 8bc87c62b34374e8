"""What leaves Marque: photos and their answers in the order they came, counted, streamed, written down with checksums."""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np

from webapp.domain import VERDICTS, RankedLabel, Who
from webapp.errors import BadRequestError, ModelError, PhotoNotFoundError
from webapp.gallery_filter import GalleryFilter, filter_params
from webapp.inference.admission import AdmissionLimiter
from webapp.inference.classifier import rank_labels
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import Registry
from webapp.reports.csv_safety import plain_cell
from webapp.services.exports.formats import tables as formats
from webapp.services.exports.formats.folders import Bytes, write_zip
from webapp.services.exports.formats.tables import Record
from webapp.services.stats.training_membership import read_lists
from webapp.storage import exports as storage
from webapp.storage.database import end_reading, writing
from webapp.storage.file_stores.contract import FileStore
from webapp.storage.tables import Export, now

GOES_ON = ("csv", "jsonl")
"""Formats with a line for each photo: what there is of a broken one stays, and its last whole line tells where to go on."""
FORMATS = {
    "csv": ".csv",
    "jsonl": ".jsonl",
    "folders": ".zip",
    "coco": ".json",
    "label-studio": ".json",
}
"""Every format with the ending of its file."""
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "folders": "application/zip",
}
BATCH = 500
ZIP_PHOTOS = 5000
"""Photos in one zip. More come in parts: a part can be had again, and its list of contents fits into memory."""
MOST_LOST = 100
SHOWN = 20


@dataclass(frozen=True)
class Tools:
    """What an export needs of the process."""

    registry: Registry
    files: FileStore
    limiter: AdmissionLimiter


@dataclass(frozen=True)
class Order:
    """What to export. `after` is the id of the last photo that is there already, `limit` the most photos (None: all of them).

    `base_url` is where this Marque is, for formats that name a photo by its address. `keep_metadata` leaves in photos what they tell
    about place, time and camera.
    """

    format: str
    wanted: GalleryFilter = field(default_factory=GalleryFilter)
    after: str = ""
    limit: int | None = None
    keep_metadata: bool = False
    base_url: str = ""

    @property
    def most(self) -> int | None:
        """How many photos at most, the zip's own bound included."""
        return min(self.limit or ZIP_PHOTOS, ZIP_PHOTOS) if self.format == "folders" else self.limit

    @property
    def classes_only(self) -> bool:
        """True when only photos with a class have a place in it."""
        return self.format == "folders" and self.wanted.ground_truth not in VERDICTS

    @property
    def content_type(self) -> str:
        """The media type of the file."""
        return TYPES.get(self.format, "application/json")


@dataclass(frozen=True)
class Size:
    """How much an export would be. `classes` counts photos by class, `verdicts` those without one, `bytes` are of the classes' files."""

    photos: int
    classes: dict[str, int]
    verdicts: dict[str, int]
    bytes: int

    @property
    def labelled(self) -> int:
        """Photos with a class."""
        return sum(self.classes.values())

    @property
    def zips(self) -> int:
        """Into how many zips the labelled photos go."""
        return -(-self.labelled // ZIP_PHOTOS)


@dataclass
class Tally:
    """What was written so far. `digest` is over the bytes of the file; `more` tells that photos were left for a next part."""

    photos: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    last: str = ""
    more: bool = False
    written: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def checksum(self) -> dict[str, Any]:
        """Size and SHA-256 of the file."""
        return {"bytes": self.written, "sha256": self.digest.hexdigest()}

    def count(self, one: Record) -> None:
        """One more photo."""
        self.photos += 1
        self.classes[one.row.ground_truth or ""] += 1

    def lose(self, one: Record) -> None:
        """A photo that cannot be written, for its file is gone."""
        self.photos -= 1
        self.classes[one.row.ground_truth or ""] -= 1
        self.left_out["file missing"] += 1
        self.lost = [*self.lost, one.row.public_id][:MOST_LOST]

    def feed(self, piece: bytes) -> None:
        """Bytes that were written."""
        self.written += len(piece)
        self.digest.update(piece)

    def restart(self) -> None:
        """Nothing was written after all."""
        self.written, self.digest = 0, hashlib.sha256()


def make_order(
    format: str,
    wanted: GalleryFilter,
    *,
    after: str = "",
    limit: str = "",
    keep_metadata: bool = False,
    base_url: str,
) -> Order:
    """An order from what a person typed. Raises `BadRequestError`."""
    if format not in FORMATS:
        raise BadRequestError(f"format must be one of {', '.join(FORMATS)}.")
    if limit and (not limit.isdecimal() or len(limit) > 9 or int(limit) < 1):
        raise BadRequestError("limit must be a whole number from 1.")
    return Order(
        format,
        wanted,
        plain_cell(after.strip()),
        int(limit) if limit else None,
        keep_metadata,
        base_url.rstrip("/"),
    )


def size_of(wanted: GalleryFilter) -> Size:
    """How much would be exported."""
    counts = storage.count_photos(wanted)
    classes = {name: count for name, (count, _) in counts.items() if name and name not in VERDICTS}
    verdicts = {
        name or "": count for name, (count, _) in counts.items() if not name or name in VERDICTS
    }
    size = sum(size for name, (_, size) in counts.items() if name in classes)
    return Size(
        sum(count for count, _ in counts.values()), dict(sorted(classes.items())), verdicts, size
    )


def question_of(wanted: GalleryFilter) -> dict[str, str]:
    """The filter as the parameters of a page; an export has its own order."""
    return filter_params(wanted.replace(sort="newest"))


# ---- one download ----


def start_export(order: Order, *, who: Who, tools: Tools) -> tuple[Export, Iterator[bytes]]:
    """Remember that an export begins; its id, and its bytes piece by piece. What became of it is written down when they end.

    Raises `BadRequestError` when there is no photo `order.after`.
    """
    after = number_after(order.after)
    row = Export(
        public_id=secrets.token_urlsafe(9),
        format=order.format,
        question=json.dumps(question_of(order.wanted), ensure_ascii=False),
        after=order.after,
        state="running",
        user_id=who.user_id,
        who=who.name,
        created_at=now(),
    )
    with writing():
        storage.add_export(row)
    return row, _watched(order, after, row, tools)


def _watched(order: Order, after: int, row: Export, tools: Tools) -> Iterator[bytes]:
    """The bytes of an export; at the end, however it comes, the row says how far it got."""
    tally, state, event = Tally(), "stopped", storage.last_event()
    try:
        for piece in _pieces(order, after, tally, event, row.created_at, tools):
            tally.feed(piece)
            yield piece
        state = "complete"
    finally:
        report = (
            manifest_of(order, tally, event, row.created_at) | tally.checksum
            if state == "complete"
            else None
        )
        with writing():
            storage.end_export(
                row.public_id, state=state, photos=tally.photos, manifest=report, ended_at=now()
            )


def _pieces(
    order: Order, after: int, tally: Tally, event: int, made: datetime, tools: Tools
) -> Iterator[bytes]:
    photos = counted(order, after, tally, tools.registry)
    if order.format != "folders":
        return text_pieces(order, photos, made)
    source = Bytes(tools.files, tools.limiter, order.keep_metadata)

    def manifest(files: dict[str, str]) -> bytes:
        return as_json(manifest_of(order, tally, event, made) | {"files": files})

    return write_zip(photos, source, lost=tally.lose, manifest=manifest)


def text_pieces(
    order: Order, photos: Iterator[Record], made: datetime, *, heading: bool = True
) -> Iterator[bytes]:
    """Photos in one of the text formats; `heading` False leaves out that of a table which goes on."""
    if order.format == "csv":
        return formats.write_csv(photos, heading=heading)
    if order.format == "jsonl":
        return formats.write_jsonl(photos)
    if order.format == "coco":
        return formats.write_coco(photos, base_url=order.base_url, made=made)
    return formats.write_label_studio(photos, base_url=order.base_url)


def manifest_of(order: Order, tally: Tally, event: int, made: datetime) -> dict[str, Any]:
    """What an export says about itself: what was asked, how many photos it has of what, the last label event it saw, where to go on."""
    classes = {name: count for name, count in sorted(tally.classes.items()) if name and count}
    unlabelled = tally.classes[""]
    return {
        "marque_export": 1,
        "complete": True,
        "format": order.format,
        "created_at": formats.moment(made),
        "filter": question_of(order.wanted),
        "metadata": "kept" if order.keep_metadata else "left out",
        "label_event": event,
        "after": order.after,
        "next": tally.last if tally.more else None,
        "photos": tally.photos,
        "classes": classes | ({"": unlabelled} if unlabelled else {}),
        "left_out": dict(tally.left_out),
        "lost": tally.lost,
    }


def name_of(order: Order, row: Export) -> str:
    """What the file of a download is called."""
    part = f"-after-{order.after}" if order.after else ""
    return f"marque-{row.created_at:%Y-%m-%d}-{order.format}{part}{FORMATS[order.format]}"


# ---- what is remembered ----


def get_export(public_id: str) -> Export:
    """An export. Raises `PhotoNotFoundError` when there is none such."""
    found = storage.find_export(public_id)
    if found is None:
        raise PhotoNotFoundError("There is no such export.")
    return found


def last_exports() -> Sequence[Export]:
    """The newest exports, newest first."""
    return storage.last_exports(SHOWN)


def describe(row: Export) -> dict[str, Any]:
    """What an export says about itself, also when it is not complete."""
    facts = {
        "id": row.public_id,
        "state": row.state,
        "format": row.format,
        "who": row.who,
        "created_at": formats.moment(row.created_at),
    }
    return facts | {"after": row.after, "photos": row.photos, "manifest": row.manifest}


# ---- photos, in the order they came ----


def counted(order: Order, after: int, tally: Tally, registry: Registry) -> Iterator[Record]:
    """The photos of an order, each counted. Folders have no place for what has no class, which is counted as left out."""
    if order.classes_only:
        tally.left_out.update(unclassed(order.wanted))
    left = order.most
    for one in records(order, after=after, registry=registry, classes_only=order.classes_only):
        if left == 0:
            tally.more = True
            return
        tally.count(one)
        left = left if left is None else left - 1
        yield one
        tally.last = one.row.public_id


def unclassed(wanted: GalleryFilter) -> dict[str, int]:
    """How many photos have no class, so that no folder is theirs: by verdict."""
    return {name or "unlabelled": number for name, number in size_of(wanted).verdicts.items()}


def records(
    order: Order,
    *,
    after: int,
    registry: Registry,
    classes_only: bool = False,
    upto: int | None = None,
) -> Iterator[Record]:
    """Every photo that passes the filter and is there now, oldest first, read in batches; photos that arrive meanwhile are not.

    Only those whose number is over `after` and not over `upto`.
    """
    read_lists(registry)
    upto = storage.newest_number() if upto is None else upto

    @cache
    def card(model: str, version: int) -> ModelCard | None:
        try:
            return registry.card(model, version)
        except ModelError:
            return None

    while rows := storage.batch_of_photos(
        order.wanted, after, upto, BATCH, classes_only=classes_only
    ):
        told = [] if order.format == "folders" else rows
        top = storage.top_lines(
            [row.prediction_id for row in told if row.prediction_id is not None]
        )
        events = storage.events_of_photos([row.number for row in told])
        end_reading()
        for row in rows:
            ranking = _ranking(
                row, top.get(row.prediction_id, []), card if order.format == "jsonl" else None
            )
            yield Record(row, ranking, events.get(row.number, []))
        after = rows[-1].number


def _ranking(
    row: Any, top: list[tuple[int, str, float]], card: Callable[[str, int], ModelCard | None] | None
) -> tuple[RankedLabel, ...]:
    """Every label when the card of the version is still there and `card` is asked, else the stored first five."""
    known = (
        card(row.model, row.version) if card is not None and row.prediction_id is not None else None
    )
    if known is not None:
        distribution = np.frombuffer(row.distribution, dtype="<f4")
        if len(distribution) == len(known.labels):
            return rank_labels(distribution, known)
    return tuple(RankedLabel(rank, label, -1, probability) for rank, label, probability in top)


def number_after(public_id: str) -> int:
    """The place after which an export goes on. Raises `BadRequestError` when there is no such photo."""
    if not public_id:
        return 0
    number = storage.number_of(public_id)
    if number is None:
        raise BadRequestError(
            f"There is no photo {public_id[:40]!r} to go on after. Start again without it."
        )
    return number


def as_json(value: dict[str, Any]) -> bytes:
    """A manifest as it lies in a file."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
