"""The photos of an export, in the order they came."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from webapp.domain import RankedLabel
from webapp.errors import ModelError
from webapp.inference.classifier import rank_labels
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import Registry
from webapp.services.exports.formats.base import Record
from webapp.services.exports.order import ExportOrder
from webapp.services.stats.training_membership import read_lists
from webapp.storage import exports as storage
from webapp.storage.database import end_reading

BATCH = 500

Cards = Callable[[str, int], ModelCard | None]


def records(
    order: ExportOrder, registry: Registry, *, after: int, upto: int | None = None
) -> Iterator[Record]:
    """Every photo that passes the filter and is there now, oldest first, read in batches; photos
    that arrive meanwhile are not.

    Args:
        after: Only photos whose number is larger.
        upto: Only photos whose number is not larger; None for all that are there now.
    """
    read_lists(registry)
    upto = storage.newest_number() if upto is None else upto

    @cache
    def card(model: str, version: int) -> ModelCard | None:
        try:
            return registry.card(model, version)
        except ModelError:
            return None

    cards = card if order.format_spec.every_rank else None
    selection = storage.ExportSelection(order.wanted, upto, order.classes_only)
    while rows := storage.batch_of_photos(selection, after, BATCH):
        told = [] if order.format_spec.holds_photos else rows
        ids = [row.prediction_id for row in told if row.prediction_id is not None]
        top = storage.top_lines(ids)
        events = storage.events_of_photos([row.number for row in told])
        end_reading()
        for row in rows:
            ranking = _ranking(row, top.get(row.prediction_id, []), cards)
            yield Record(row, ranking, events.get(row.number, []))
        after = rows[-1].number


def _ranking(
    row: Any, top: list[tuple[int, str, float]], cards: Cards | None
) -> tuple[RankedLabel, ...]:
    """Every label when `cards` has that of the version, else the stored first five."""
    if cards and row.prediction_id is not None and (card := cards(row.model, row.version)):
        distribution = np.frombuffer(row.distribution, dtype="<f4")
        if len(distribution) == len(card.labels):
            return rank_labels(distribution, card)
    return tuple(RankedLabel(rank, label, -1, probability) for rank, label, probability in top)
