"""How good a version is on photos that people have checked: shares with their plausible ranges.

What counts as trained on: photos that the version was trained, chosen or calibrated with
(`webapp.services.stats.training_membership`). They flatter it, so they are left out by default.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.domain import NONE_OF_THESE, UNCLASSIFIED
from webapp.gallery_filter import GalleryFilter
from webapp.inference.metrics.counts import mean_f1
from webapp.inference.metrics.intervals import Share, share_of
from webapp.inference.models.card import ModelCard
from webapp.inference.models.registry import Registry
from webapp.services.stats.label_figures import is_right, measures
from webapp.services.stats.training_membership import knows_training_photos, read_lists
from webapp.storage.stats import stats as storage
from webapp.storage.stats.counters import BILLION
from webapp.storage.stats.stats import Counts
from webapp.storage.tables import BandCounter, MonthCounter, PairCounter

EVERYTHING, AUDITED = "all", "audit"
SAMPLES = (EVERYTHING, AUDITED)
THRESHOLDS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)  # of the table, in percent


@dataclass(frozen=True)
class TrainingShare:
    """Of the checked photos of a filter the version was trained on `photos`.

    The figures include them only when `counted`. Not `known`: the version carries no list.
    """

    known: bool
    photos: int
    counted: bool


@dataclass(frozen=True)
class SampleFigures:
    """A version on one sample of `n` checked photos.

    Of all: `right`, `unsure` and `wrong`. Of those with a label: `first` guess right, right label
    among the first `five`. Of the names it said: right (`named`). Of those that show none of the
    labels: left without a name (`none`). Of those answered by a parent: right (`parent`), which
    counts as right everywhere but in the figures of labels.
    """

    n: int
    right: Share
    unsure: Share
    wrong: Share
    named: Share
    first: Share
    five: Share
    none: Share
    parent: Share
    macro_f1: float | None


@dataclass(frozen=True)
class _ConfidenceBin:
    """First guesses with a confidence of `low` to `high` percent: its mean, and the share right."""

    low: int
    high: int
    confidence: float
    right: Share


@dataclass(frozen=True)
class ThresholdFigures:
    """A threshold of `percent`: how many names would be right, how many photos get none."""

    percent: int
    right: Share
    unsure: Share


@dataclass(frozen=True)
class MonthAccuracy:
    """How often a version was right on the photos of one month."""

    year: int
    month: int
    right: Share


@dataclass(frozen=True)
class VersionAccuracy:
    """How often a version was right on checked photos, and on the audited ones among them."""

    version: int
    everything: Share
    audited: Share


# ---- counting ----


def count(
    photo_filter: GalleryFilter, card: ModelCard, registry: Registry, *, with_trained: bool = False
) -> tuple[Counts, TrainingShare]:
    """A version's answers to the checked photos of a filter.

    Those that it was trained on count only `with_trained`, or when the filter asks for them.
    Raises `TooMuchToCountError`.
    """
    known = knows_training_photos(registry, card)
    counts = storage.count_answers(photo_filter, card.name, card.version)
    counted = with_trained or bool(photo_filter.trained_on)
    trained = TrainingShare(known, _total(pair for pair in counts.pairs if pair.trained), counted)
    return counts if counted else counts.only(lambda row: not row.trained), trained


def versions(
    photo_filter: GalleryFilter, model: str, registry: Registry, *, with_trained: bool = False
) -> list[VersionAccuracy]:
    """How often each version of a model was right, the newest first; see `count`."""
    read_lists(registry, model)
    counted = with_trained or bool(photo_filter.trained_on)
    months: dict[int, list[MonthCounter]] = defaultdict(list)
    for row in storage.months_of_versions(photo_filter, model):
        if counted or not row.trained:
            months[row.version].append(row)
    return [
        VersionAccuracy(version, _right(rows), _right([row for row in rows if row.audited]))
        for version, rows in sorted(months.items(), reverse=True)
    ]


def of_sample(counts: Counts, sample: str) -> Counts:
    """The counts of a sample: everything that was checked, or the audited photos only."""
    return counts if sample == EVERYTHING else counts.only(lambda row: row.audited)


# ---- figures of the counts of one sample ----


def summarize(counts: Counts, card: ModelCard) -> SampleFigures:
    """The headline figures."""
    pairs = counts.pairs
    labelled = [pair for pair in pairs if pair.truth != NONE_OF_THESE]
    n, known = _total(pairs), _total(labelled)
    hits = _total(pair for pair in labelled if is_right(pair.truth, pair.decision, card))
    by_parent = [pair for pair in pairs if pair.decision in card.parents]
    by_right_parent = [pair for pair in by_parent if is_right(pair.truth, pair.decision, card)]
    unsure = _total(pair for pair in labelled if pair.decision == UNCLASSIFIED)
    unnamed = _total(pair for pair in pairs if pair.decision == UNCLASSIFIED) - unsure
    return SampleFigures(
        n=n,
        right=share_of(hits + unnamed, n),
        unsure=share_of(unsure, n),
        wrong=share_of(n - hits - unnamed - unsure, n),
        named=share_of(hits, n - unsure - unnamed),
        first=share_of(_total(pair for pair in labelled if pair.label == pair.truth), known),
        five=share_of(sum(pair.five for pair in labelled), known),
        none=share_of(unnamed, n - known),
        parent=share_of(_total(by_right_parent), _total(by_parent)),
        macro_f1=mean_f1(measures(pairs, card).values()),
    )


def reliability(counts: Counts) -> list[_ConfidenceBin]:
    """First guesses about photos with a label, in ten bins of equal width; empty ones left out."""
    groups: dict[int, list[BandCounter]] = defaultdict(list)
    for band in counts.bands:
        if band.known:
            groups[band.percent // 10].append(band)
    bins = []
    for place, bands in sorted(groups.items()):
        n = _total(bands)
        confidence = sum(band.billionths for band in bands) / BILLION / n
        right = share_of(sum(band.first for band in bands), n)
        bins.append(_ConfidenceBin(place * 10, place * 10 + 10, confidence, right))
    return bins


def threshold_figures(counts: Counts) -> list[ThresholdFigures]:
    """What the version would have said with each threshold from 0 to 99 percent."""
    named, right = [0] * 100, [0] * 100
    for band in counts.bands:
        named[band.percent] += band.n
        right[band.percent] += band.first
    return [
        ThresholdFigures(
            percent,
            share_of(sum(right[percent:]), sum(named[percent:])),
            share_of(sum(named[:percent]), sum(named)),
        )
        for percent in range(100)
    ]


def by_month(counts: Counts) -> list[MonthAccuracy]:
    """Month by month, oldest first; months without a checked photo are left out."""
    months: dict[int, list[MonthCounter]] = defaultdict(list)
    for row in counts.months:
        months[row.month].append(row)
    return [
        MonthAccuracy(month // 100, month % 100, _right(rows))
        for month, rows in sorted(months.items())
    ]


def held_out(card: ModelCard) -> Share | None:
    """How often the version was right on its held-out photos; None when the card has no figures."""
    test: Mapping[str, Any] = card.metrics.get("test") or {}
    test = (test.get("sources") or {}).get("photos", test)
    n = int(test.get("n") or 0)
    unsure, right = test.get("unclassified"), test.get("top1_when_decided")
    if not n or unsure is None or right is None:
        return None
    parent = test.get("parent") or {"n": 0, "right": 0}
    labelled = round((1 - unsure) * n) - parent["n"]
    return share_of(round(right * labelled) + parent["right"], n)


def _total(rows: Iterable[PairCounter | BandCounter | MonthCounter]) -> int:
    return sum(row.n for row in rows)


def _right(months: Sequence[MonthCounter]) -> Share:
    return share_of(sum(row.right for row in months), _total(months))
