"""An export while it is written: the bytes, the counts, and the manifest."""

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from webapp.domain import Box, RankedLabel, moment
from webapp.errors import ModelError, ServerBusyError
from webapp.inference.cars import render_crops
from webapp.inference.classifier import rank_labels
from webapp.inference.decoding.images import MAX_SIDE, render_view
from webapp.inference.models.card import ModelCard
from webapp.services.exports.categories import Categories
from webapp.services.exports.export_format import CarRecord, Ranking, Record
from webapp.services.exports.order import ExportOrder, left_out
from webapp.services.jobs.job_type import Tools
from webapp.services.photos.gallery import stored_content
from webapp.services.stats.training_membership import read_lists
from webapp.storage import exports as storage
from webapp.storage.database import end_reading, last_id
from webapp.storage.tables import LabelEvent, Photo, now

BATCH = 500  # photos
_TRIES = 30  # to get a slot for a copy without metadata
_Made = TypeVar("_Made")
MOST_LOST = 100  # ids of photos without a file that a manifest names


@dataclass
class ExportCounts:
    """What was written so far: `lost` are ids of photos whose file is gone, `last` is that of the
    last photo; `more` were left for a next part; `digest` is over the `written` bytes."""

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

    def add(self, truths: Iterable[str], public_id: str) -> None:
        """One more photo, which counts for these ground truths."""
        self.photos += 1
        self.classes.update(truths)
        self.last = public_id

    def lose(self, truths: Iterable[str], public_id: str) -> None:
        """A photo that was counted cannot be written, for its file is gone."""
        self.photos -= 1
        self.classes.subtract(truths)
        self.left_out["file missing"] += 1
        self.lost = [*self.lost, public_id][:MOST_LOST]

    def feed(self, content: bytes) -> None:
        """Bytes that were written."""
        self.written += len(content)
        self.digest.update(content)


@dataclass
class ExportRun:
    """One export while it is written. It began when it was `made`, and has every label up to the
    label event `event`; `heading` is False for a table that goes on."""

    order: ExportOrder
    tools: Tools
    event: int = field(default_factory=lambda: last_id(LabelEvent))
    made: datetime = field(default_factory=now)
    counts: ExportCounts = field(default_factory=ExportCounts)
    categories: Categories = field(default_factory=Categories)
    heading: bool = True

    @property
    def manifest(self) -> dict[str, Any]:
        """What the export says about itself: what was asked, what it has, where to go on."""
        counts = self.counts
        classes = {name: count for name, count in sorted(counts.classes.items()) if name and count}
        unlabelled = counts.classes[""]
        manifest = {
            "marque_export": 1,
            "complete": True,
            "format": self.order.format.name,
            "created_at": moment(self.made),
            "filter": self.order.filter,
            "metadata": "kept" if self.order.keep_metadata else "left out",
            "label_event": self.event,
            "after": self.order.after,
            "next": counts.last if counts.more else None,
            "photos": counts.photos,
            "classes": classes | ({"": unlabelled} if unlabelled else {}),
            "left_out": dict(counts.left_out),
            "lost": counts.lost,
        }
        if self.order.crops:
            manifest["crops"] = sum(classes.values())
        if self.order.boxes:
            manifest["unit"] = self.order.unit
        return manifest

    def photos(self, after: int, *, most: int | None = None) -> Iterator[Record]:
        """The photos of the order after number `after`, `most` of them or all, each counted; those
        that lack what the format needs count as left out."""
        order, counts = self.order, self.counts
        counts.left_out.update(left_out(order))
        for written, record in enumerate(self.records(after)):
            if written == most:
                counts.more = True
                return
            counts.add(order.truths(record), record.row.public_id)
            yield record

    def records(self, after: int, upto: int | None = None) -> Iterator[Record]:
        """The photos of the order that are there now, over the number `after` and `upto` another
        one, oldest first, read in batches; photos that arrive meanwhile are not."""
        order, registry = self.order, self.tools.registry
        read_lists(registry)
        upto = last_id(Photo) if upto is None else upto

        @cache
        def card(model: str, version: int) -> ModelCard | None:
            try:
                return registry.card(model, version)
            except ModelError:
                return None

        selection = storage.ExportSelection(order.wanted, upto, order.needs)
        while rows := storage.batch_of_photos(selection, after, BATCH):
            cars = self._cars([row.number for row in rows], card)
            end_reading()
            for row in rows:
                yield Record(row, cars[row.number])
            after = rows[-1].number

    def _cars(
        self, photos: Sequence[int], card: Callable[[str, int], ModelCard | None]
    ) -> dict[int, list[CarRecord]]:
        """The cars of photos by the photo's number, with as much as the format tells of them."""
        format = self.order.format
        rows = storage.cars_of_photos(photos, self.order.wanted)
        told = [] if format.holds_photos else [row.number for row in rows]
        answers = storage.answers_of_cars(told) if format.every_rank else {}
        answered = [*(rows if told else ()), *chain(*answers.values())]
        ids = [row.prediction_id for row in answered if row.prediction_id is not None]
        top, events = storage.top_lines(ids), storage.events_of_cars(told)

        def ranking(row: Any) -> Ranking:
            answered = format.every_rank and row.prediction_id is not None
            known = card(row.model, row.version) if answered else None
            return _ranking(row.distribution, known, top.get(row.prediction_id, []))

        cars: dict[int, list[CarRecord]] = defaultdict(list)
        for row in rows:
            said = [(answer, ranking(answer)) for answer in answers.get(row.number, [])]
            record = CarRecord(row, ranking(row), events.get(row.number, []), said)
            cars[row.photo_number].append(record)
        return cars

    def write(self, photos: Iterable[Record]) -> Iterator[bytes]:
        """The bytes of the file, counted."""
        for piece in self.order.format.write(photos, self):
            self.counts.feed(piece)
            yield piece

    def read(self, row: Any) -> bytes:
        """The file of a photo, or a copy as JPEG without metadata.

        Raises `PhotoNotFoundError` when it is missing or damaged, `ServerBusyError` when there was
        no slot for the copy in a minute.
        """
        content = stored_content(row, self.tools.files)
        if not self.strips(row):
            return content
        return self._in_turn(lambda: render_view(content, max_side=MAX_SIDE))

    def cut(self, row: Any, boxes: Sequence[Box]) -> list[bytes]:
        """What boxes cut out of a photo, with a margin, as JPEG without metadata. Raises like
        `read`."""
        content = stored_content(row, self.tools.files)
        return self._in_turn(lambda: render_crops(content, boxes))

    def _in_turn(self, render: Callable[[], _Made]) -> _Made:
        for _ in range(_TRIES):
            try:
                with self.tools.limiter.slot():
                    return render()
            except ServerBusyError as busy:
                time.sleep(busy.retry_after or 1)  # people who wait for an answer come first
        raise ServerBusyError("The server is too busy for an export just now. Go on with it later.")

    def strips(self, row: Any) -> bool:
        """True when a photo carries metadata that this export leaves out."""
        return row.has_metadata and not self.order.keep_metadata

    def format_of(self, row: Any) -> str:
        """Pillow's name of the format of the file of a photo in the export."""
        return "JPEG" if self.strips(row) else str(row.format)


def _ranking(stored: bytes, card: ModelCard | None, top: list[tuple[int, str, float]]) -> Ranking:
    """Every label when the card of the version is known, else the stored first five."""
    if card is not None:
        distribution = np.frombuffer(stored, dtype="<f4")
        if len(distribution) == len(card.labels):
            return rank_labels(distribution, card)
    return tuple(RankedLabel(rank, label, -1, probability) for rank, label, probability in top)


def as_json(value: dict[str, Any]) -> bytes:
    """A manifest as it lies in a file."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
