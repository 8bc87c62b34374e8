"""How good a version is label by label, and what it takes for what, on photos that people have
checked; see `webapp.services.stats.figures`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED
from webapp.gallery_filter import GalleryFilter
from webapp.inference.metrics.counts import LabelMeasure
from webapp.inference.metrics.intervals import Share, more_needed, share_of
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import every_label, right_answers
from webapp.reports.csv_safety import to_csv
from webapp.services.photos.wording import display
from webapp.storage.stats import stats as storage
from webapp.storage.stats.stats import Counts
from webapp.storage.tables import PairCounter, Photo

_MIX_UPS_WITH_PHOTOS = 5
_WITHIN = 0.05  # a recall is known well enough when its range reaches this far to each side


@dataclass(frozen=True)
class _LabelAccuracy:
    """One label: its recall, its precision, F1 (None when nothing was counted).

    `more` is how many more photos it needs until its recall is known well; 0 when it has enough.
    """

    label: str
    recall: Share
    precision: Share
    f1: float | None
    more: int


@dataclass(frozen=True)
class _ParentAccuracy:
    """One parent: how many photos of its labels got one of them, or the parent, as the answer."""

    parent: str
    right: Share


@dataclass(frozen=True)
class _MixUpCount:
    """`n` photos that are `truth` and were called `decision`; `photos` are the newest of them."""

    truth: str
    decision: str
    n: int
    photos: Sequence[Photo] = ()


def label_accuracies(counts: Counts, card: ModelCard) -> list[_LabelAccuracy]:
    """Every label, the lowest recall first; those without a checked photo at the end."""
    labels = [
        _LabelAccuracy(
            label,
            share_of(measure.hits, measure.n),
            share_of(measure.hits, measure.named),
            measure.f1,
            more_needed(measure.hits, measure.n, _WITHIN),
        )
        for label, measure in measures(counts.pairs, card).items()
    ]
    return sorted(
        labels, key=lambda row: (row.recall.n == 0, row.recall.share, -row.recall.n, row.label)
    )


def labels_csv(counts: Counts, card: ModelCard) -> str:
    """The figures of all labels as a table, exact; empty cells where nothing was counted."""
    heading = ["label", "name", "photos", "found"]
    heading += ["precision", "recall", "f1", "low", "high", "more_needed"]
    rows = [
        (
            row.label,
            display(card, row.label),
            row.recall.n,
            row.recall.hits,
            row.precision.share if row.precision.n else None,
            row.recall.share if row.recall.n else None,
            row.f1,
            row.recall.low,
            row.recall.high,
            row.more,
        )
        for row in label_accuracies(counts, card)
    ]
    return to_csv(heading, rows)


def parent_accuracies(counts: Counts, card: ModelCard) -> list[_ParentAccuracy]:
    """Every parent of several labels that has checked photos, the lowest share first."""
    n: dict[str, int] = defaultdict(int)
    hits: dict[str, int] = defaultdict(int)
    for pair in counts.pairs:
        if parent := card.parent_of.get(pair.truth):
            n[parent] += pair.n
            right = parent in (pair.decision, card.parent_of.get(pair.decision))
            hits[parent] += pair.n if right else 0
    rows = [_ParentAccuracy(parent, share_of(hits[parent], n[parent])) for parent in n]
    return sorted(rows, key=lambda row: (row.right.share, -row.right.n, row.parent))


def split_labels(card: ModelCard) -> dict[str, list[str]]:
    """For each label that was split since: the new ones that this version cannot tell apart."""
    right, parts = right_answers(card), defaultdict(list)
    for label in every_label(card):
        canonical = right.get(label.name, label.name)
        if label.split and canonical != label.name:
            parts[canonical].append(label.name)
    return dict(parts)


def mix_ups(counts: Counts, card: ModelCard) -> list[_MixUpCount]:
    """Which label was called which other one, or by a wrong parent, the most common first."""
    rows = [
        _MixUpCount(truth, decision, n)
        for (truth, decision), n in count_pairs(counts).items()
        if decision != UNCLASSIFIED
        and truth != NONE_OF_THESE
        and not is_right(truth, decision, card)
    ]
    return sorted(rows, key=lambda row: (-row.n, row.truth, row.decision))


def with_photos(rows: Sequence[_MixUpCount], wanted: GalleryFilter) -> list[_MixUpCount]:
    """The first few with their newest photos that pass the filter, which names the version."""
    return [
        replace(row, photos=storage.photos_of_pair(wanted, row.truth, row.decision))
        for row in rows[:_MIX_UPS_WITH_PHOTOS]
    ]


def count_pairs(counts: Counts) -> dict[tuple[str, str], int]:
    """How many photos by ground truth and decision."""
    table: dict[tuple[str, str], int] = defaultdict(int)
    for pair in counts.pairs:
        table[pair.truth, pair.decision] += pair.n
    return dict(table)


def measures(pairs: Iterable[PairCounter], card: ModelCard) -> dict[str, LabelMeasure]:
    """For each label of the network how many photos it has, was named for, and was right for."""
    n: dict[str, int] = defaultdict(int)
    named: dict[str, int] = defaultdict(int)
    hits: dict[str, int] = defaultdict(int)
    for pair in pairs:
        n[pair.truth] += pair.n
        named[pair.decision] += pair.n
        hits[pair.truth] += pair.n if pair.truth == pair.decision else 0
    return {name: LabelMeasure(n[name], named[name], hits[name]) for name in card.outputs}


def is_right(truth: str, decision: str, card: ModelCard) -> bool:
    """Whether an answer is the ground truth or its parent."""
    return decision in (truth, card.parent_of.get(truth))
