"""Stats: how good a version is on checked photos."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from webapp.api.schemas.base import OFF, JsonShape, ModelVersionJson, Share
from webapp.api.schemas.photos import Filters
from webapp.inference.metrics.intervals import Share as CountedShare
from webapp.inference.models.card import ModelCard
from webapp.services.stats import figures, label_figures
from webapp.services.stats.figures import SampleFigures, TrainingShare, VersionAccuracy
from webapp.storage.stats.stats import Counts


class StatisticsQuery(Filters):
    """Which answers are counted."""

    include: Literal["learnt"] = OFF
    """Count also the photos that the version was trained on."""


class _CountedShareJson(JsonShape):
    """A counted share with its 95 % interval (Wilson)."""

    hits: int
    n: int
    share: Share | None
    """Null when nothing was counted."""
    low: Share
    high: Share


class _SummaryJson(JsonShape):
    """The headline figures."""

    n: int
    right: _CountedShareJson
    """Decisions that are right, of all photos."""
    unsure: _CountedShareJson
    """`unclassified` although there is an answer, of all photos."""
    wrong: _CountedShareJson
    """Another label was named, of all photos."""
    named: _CountedShareJson
    """Names that are right."""
    first: _CountedShareJson
    """The truth is the first guess."""
    five: _CountedShareJson
    """The truth is among the first five."""
    none: _CountedShareJson
    """Photos of none of the labels that got no name."""
    parent: _CountedShareJson
    """Of the answers that are a parent: right, that of the ground truth."""
    macro_f1: Share | None


class _LabelFiguresJson(JsonShape):
    """How good a version is on one label."""

    label: str
    found: _CountedShareJson
    """Recall."""
    trust: _CountedShareJson
    """Precision."""
    f1: Share | None
    more_needed: int
    """Photos to check until the interval of `found` is within 5 points."""


class _ParentFiguresJson(JsonShape):
    """How good a version is on the labels of one parent."""

    parent: str
    right: _CountedShareJson
    """The answer was one of its labels, or the parent itself."""


class _MixUpJson(JsonShape):
    """How often one label was taken for another."""

    ground_truth: str
    decision: str
    n: int


ReliabilityJson = TypedDict(
    "ReliabilityJson", {"from": Share, "to": Share, "confidence": Share, "right": _CountedShareJson}
)
"""Of answers this sure, how many are right."""


class _AtThresholdJson(JsonShape):
    """What another threshold would do."""

    threshold: Share
    right: _CountedShareJson
    unclassified: _CountedShareJson


class _MonthFiguresJson(JsonShape):
    """The photos of one month."""

    month: Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}$")]
    right: _CountedShareJson


class _VersionFiguresJson(JsonShape):
    """One version beside the others."""

    version: int
    checked: _CountedShareJson
    audited: _CountedShareJson


class _TrainingPhotosJson(JsonShape):
    """The checked photos that the version was trained on."""

    known: bool
    """False when the version carries no list of them."""
    photos: int | None
    counted: bool
    """True when they are in these figures."""


class StatisticsJson(JsonShape):
    """How good a version is on checked photos. The lists are about everything that was checked."""

    model: ModelVersionJson
    learnt: _TrainingPhotosJson
    checked: _SummaryJson
    """All checked photos: people check the doubtful ones first."""
    audited: _SummaryJson
    """Photos of a random sample: only these shares hold for all photos."""
    labels: list[_LabelFiguresJson]
    """The worst first."""
    parents: list[_ParentFiguresJson]
    """The parents of several labels, the worst first."""
    mix_ups: list[_MixUpJson]
    reliability: list[ReliabilityJson]
    thresholds: list[_AtThresholdJson]
    months: list[_MonthFiguresJson]
    versions: list[_VersionFiguresJson]


def statistics_json(
    card: ModelCard, counts: Counts, trained: TrainingShare, versions: list[VersionAccuracy]
) -> StatisticsJson:
    """The figures of one version's answers; the lists are about everything that was checked."""
    thresholds = figures.threshold_figures(counts)
    photos = trained.photos if trained.known else None
    return {
        "model": {"name": card.name, "version": card.version},
        "learnt": {"known": trained.known, "photos": photos, "counted": trained.counted},
        "checked": _summary_json(figures.summarize(counts, card)),
        "audited": _summary_json(
            figures.summarize(figures.of_sample(counts, figures.AUDITED), card)
        ),
        "labels": _labels_json(counts, card),
        "parents": [
            {"parent": line.parent, "right": _share_json(line.right)}
            for line in label_figures.parent_accuracies(counts, card)
        ],
        "mix_ups": [
            {"ground_truth": mix_up.truth, "decision": mix_up.decision, "n": mix_up.n}
            for mix_up in label_figures.mix_ups(counts, card)
        ],
        "reliability": [
            {
                "from": band.low / 100,
                "to": band.high / 100,
                "confidence": band.confidence,
                "right": _share_json(band.right),
            }
            for band in figures.reliability(counts)
        ],
        "thresholds": [_threshold_json(thresholds[percent]) for percent in figures.THRESHOLDS],
        "months": [
            {"month": f"{point.year}-{point.month:02d}", "right": _share_json(point.right)}
            for point in figures.by_month(counts)
        ],
        "versions": [
            {
                "version": line.version,
                "checked": _share_json(line.everything),
                "audited": _share_json(line.audited),
            }
            for line in versions
        ],
    }


def _threshold_json(step: figures.ThresholdFigures) -> _AtThresholdJson:
    return {
        "threshold": step.percent / 100,
        "right": _share_json(step.right),
        "unclassified": _share_json(step.unsure),
    }


def _labels_json(counts: Counts, card: ModelCard) -> list[_LabelFiguresJson]:
    return [
        {
            "label": line.label,
            "found": _share_json(line.recall),
            "trust": _share_json(line.precision),
            "f1": line.f1,
            "more_needed": line.more,
        }
        for line in label_figures.label_accuracies(counts, card)
    ]


def _summary_json(summary: SampleFigures) -> _SummaryJson:
    return {
        "n": summary.n,
        "right": _share_json(summary.right),
        "unsure": _share_json(summary.unsure),
        "wrong": _share_json(summary.wrong),
        "named": _share_json(summary.named),
        "first": _share_json(summary.first),
        "five": _share_json(summary.five),
        "none": _share_json(summary.none),
        "parent": _share_json(summary.parent),
        "macro_f1": summary.macro_f1,
    }


def _share_json(share: CountedShare) -> _CountedShareJson:
    return {
        "hits": share.hits,
        "n": share.n,
        "share": share.share if share.n else None,
        "low": share.low,
        "high": share.high,
    }
