"""How good a version is on photos that people have checked: shares with their ranges, label by label, what is taken for what."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from webapp.domain import NO, NONE_OF_THESE, UNCLASSIFIED, YES, GalleryFilter
from webapp.errors import ModelError
from webapp.inference.metrics.counts import LabelMeasure, calibration_error, mean_f1
from webapp.inference.metrics.intervals import Share, more_needed, share_of
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import SeenLabel, every_label, outputs, right_answers
from webapp.inference.models.registry import Registry
from webapp.reports.csv_safety import to_csv
from webapp.services.photos.wording import display
from webapp.services.stats.training_membership import knows_learnt
from webapp.storage.stats import stats as storage
from webapp.storage.stats.stats import Counts, Pair, VersionCount
from webapp.storage.tables import Photo

EVERYTHING, AUDITED = "all", "audit"
SAMPLES = (EVERYTHING, AUDITED)
CARD_ORDER, CLUSTER, PARENT = "card", "cluster", "parent"
ORDERS = (CARD_ORDER, CLUSTER, PARENT)
NO_PARENT = "Others"
MIX_UPS = 5
STRIP = 6
STEPS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
"""Thresholds of the table, in percent."""
WITHIN = 0.05
"""A label is known well enough when the range of its recall reaches this far to each side."""
# ---- counting ----


@dataclass(frozen=True)
class Learnt:
    """Of the checked photos of a filter the version has learnt from `photos`: it has seen the answers, so these flatter it. The figures
    hold them only when `counted`. Without `known` nobody knows what it learnt from."""

    known: bool
    photos: int
    counted: bool


def count(
    wanted: GalleryFilter, card: ModelCard, registry: Registry, *, with_learnt: bool = False
) -> tuple[Counts, Learnt]:
    """A version's answers to the checked photos of a filter; those that it has learnt from only `with_learnt`, or when the filter asks.

    Raises `TooMuchToCountError`.
    """
    known = knows_learnt(registry, card)
    about = replace(wanted, model=card.name, version=card.version, sort="newest")
    counts, counted = (
        storage.count_answers(about, card.name, card.version),
        with_learnt or bool(wanted.learnt),
    )
    learnt = Learnt(known, sum(one.n for one in counts.pairs if one.learnt), counted)
    return counts if counted else _unseen(counts), learnt


def versions(
    wanted: GalleryFilter, model: str, registry: Registry, *, with_learnt: bool = False
) -> list[VersionCount]:
    """How often each version of a model was right on the checked photos of a filter; what it has learnt from, and errors, as in `count`."""
    for version in registry.versions(model):
        with suppress(ModelError):
            knows_learnt(registry, registry.card(model, version))
    found = storage.count_by_version(
        replace(wanted, model=model, version=None, sort="newest"), model
    )
    return found if with_learnt or wanted.learnt else [one for one in found if not one.learnt]


def _unseen(counts: Counts) -> Counts:
    """The counts without photos that the version has learnt from."""
    return Counts(
        pairs=[one for one in counts.pairs if not one.learnt],
        bands=[one for one in counts.bands if not one.learnt],
        months=[one for one in counts.months if not one.learnt],
    )


# ---- figures ----


@dataclass(frozen=True)
class Summary:
    """A version on one sample of checked photos: `right`, `unsure` and `wrong` of all by what was said. `first` and `five`: how often the
    first guess was right, and one of the first five, of the photos that have a label. `named`: how often a name that was said was right.
    `none`: of the photos that show none of the labels, how many got no name."""

    n: int
    right: Share
    unsure: Share
    wrong: Share
    named: Share
    first: Share
    five: Share
    none: Share
    macro_f1: float | None


@dataclass(frozen=True)
class Line:
    """One label: how many of its photos it was named on, how far its name can be trusted, and how many more photos it needs for a range
    of `WITHIN` to each side (0: it has enough). `precision` and `f1` are None when nothing was counted."""

    label: str
    found: Share
    trust: Share
    f1: float | None
    more: int


@dataclass(frozen=True)
class MixUp:
    """`n` photos that are `truth` and were called `said`; `photos` are the newest of them."""

    truth: str
    said: str
    n: int
    photos: Sequence[Photo] = ()


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence, from `low` to `high` percent: what they said on average, and how often they were right."""

    low: int
    high: int
    said: float
    right: Share


@dataclass(frozen=True)
class Step:
    """What a threshold of `percent` would do: of the names that it lets through how many are right, and the share that gets none."""

    percent: int
    right: Share
    unsure: Share


@dataclass(frozen=True)
class Point:
    """How often a version was right on the photos of one month."""

    year: int
    month: int
    right: Share


@dataclass(frozen=True)
class VersionLine:
    """How often a version was right on checked photos, and on the audited ones among them."""

    version: int
    everything: Share
    audited: Share


@dataclass(frozen=True)
class Matrix:
    """Counts of photos by truth (rows) and by what was said (columns, the last one `UNCLASSIFIED`); `names` are labels, or parents when
    it is grouped. The truth "none" is the last row, when some photo has it."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: dict[tuple[str, str], int]

    def is_hit(self, truth: str, said: str) -> bool:
        """True on the diagonal; "none of these" is answered right by no name."""
        return truth == said or (truth == NONE_OF_THESE and said == UNCLASSIFIED)

    @property
    def most_wrong(self) -> int:
        """The largest count of a wrong name."""
        return max(
            (
                n
                for (truth, said), n in self.counts.items()
                if not self.is_hit(truth, said) and said != UNCLASSIFIED
            ),
            default=0,
        )


def of_sample(pairs: Iterable[Pair], sample: str) -> list[Pair]:
    """The pairs of the sample that was asked for: everything that was checked, or the audited photos only."""
    return [one for one in pairs if one.audited or sample == EVERYTHING]


def summarize(counts: Counts, card: ModelCard, sample: str) -> Summary:
    """The figures of one sample."""
    pairs = of_sample(counts.pairs, sample)
    labelled = [one for one in pairs if one.truth != NONE_OF_THESE]
    nothing = [one for one in pairs if one.truth == NONE_OF_THESE]
    n, known = _total(pairs), _total(labelled)
    hits = _total(one for one in labelled if one.truth == one.decision)
    silent = _total(one for one in labelled if one.decision == UNCLASSIFIED)
    quiet = _total(one for one in nothing if one.decision == UNCLASSIFIED)
    return Summary(
        n=n,
        right=share_of(hits + quiet, n),
        unsure=share_of(silent, n),
        wrong=share_of(n - hits - quiet - silent, n),
        named=share_of(hits, n - silent - quiet),
        first=share_of(sum(one.first for one in labelled), known),
        five=share_of(sum(one.five for one in labelled), known),
        none=share_of(quiet, _total(nothing)),
        macro_f1=mean_f1(measures(pairs, card).values()),
    )


def measures(pairs: Iterable[Pair], card: ModelCard) -> dict[str, LabelMeasure]:
    """For each label of the card: photos that are it, photos that were called it, both."""
    n: dict[str, int] = defaultdict(int)
    named: dict[str, int] = defaultdict(int)
    hits: dict[str, int] = defaultdict(int)
    for one in pairs:
        n[one.truth] += one.n
        named[one.decision] += one.n
        hits[one.truth] += one.n if one.truth == one.decision else 0
    return {name: LabelMeasure(n[name], named[name], hits[name]) for name in outputs(card)}


def lines(counts: Counts, card: ModelCard, sample: str) -> list[Line]:
    """Every label, the one that is found worst first; those without a checked photo at the end."""
    found = [
        Line(
            label,
            share_of(one.hits, one.n),
            share_of(one.hits, one.named),
            one.f1,
            more_needed(one.hits, one.n, WITHIN),
        )
        for label, one in measures(of_sample(counts.pairs, sample), card).items()
    ]
    return sorted(
        found, key=lambda line: (line.found.n == 0, line.found.share, -line.found.n, line.label)
    )


def folded(card: ModelCard) -> dict[str, list[str]]:
    """For each label that was split since, the new ones that this version cannot tell apart: their photos are counted as that label."""
    right, found = right_answers(card), defaultdict(list)
    for label in every_label(card):
        if (
            isinstance(label, SeenLabel)
            and label.split
            and right.get(label.name, label.name) != label.name
        ):
            found[right[label.name]].append(label.name)
    return dict(found)


def mix_ups(counts: Counts, sample: str) -> list[MixUp]:
    """Which label was called which other one, the commonest first."""
    table = _table(of_sample(counts.pairs, sample))
    found = [
        MixUp(truth, said, n)
        for (truth, said), n in table.items()
        if said not in (truth, UNCLASSIFIED) and truth != NONE_OF_THESE
    ]
    return sorted(found, key=lambda one: (-one.n, one.truth, one.said))


def with_photos(
    found: Sequence[MixUp],
    wanted: GalleryFilter,
    card: ModelCard,
    sample: str,
    *,
    with_learnt: bool = False,
) -> list[MixUp]:
    """The same with the newest photos of each that pass the filter."""
    about = replace(wanted, model=card.name, version=card.version, sort="newest")
    about = replace(about, audited=YES) if sample == AUDITED else about
    about = about if with_learnt or wanted.learnt else replace(about, learnt=NO)
    return [
        MixUp(
            one.truth,
            one.said,
            one.n,
            storage.photos_of_pair(
                about, card.name, card.version, one.truth, one.said, limit=STRIP
            ),
        )
        for one in found
    ]


def reliability(counts: Counts, sample: str) -> list[Bin]:
    """First guesses about photos that have a label, in ten groups of the same width; empty groups are left out."""
    groups: dict[int, list[storage.Band]] = defaultdict(list)
    for band in counts.bands:
        if band.known and (band.audited or sample == EVERYTHING):
            groups[band.percent // 10].append(band)
    found = []
    for place, bands in sorted(groups.items()):
        n = sum(one.n for one in bands)
        said = sum(one.confidence for one in bands) / n
        found.append(
            Bin(place * 10, place * 10 + 10, said, share_of(sum(one.first for one in bands), n))
        )
    return found


def mean_error(bins: Sequence[Bin]) -> float:
    """How far the confidence is off on average: the expected calibration error, in [0, 1]."""
    return calibration_error((one.right.n, one.said, one.right.share) for one in bins)


def threshold(counts: Counts, sample: str, percent: int) -> Step:
    """What the version would have said with another threshold, in whole percent."""
    bands = [one for one in counts.bands if one.audited or sample == EVERYTHING]
    n = sum(one.n for one in bands)
    through = [one for one in bands if one.percent >= percent]
    named = sum(one.n for one in through)
    return Step(percent, share_of(sum(one.first for one in through), named), share_of(n - named, n))


def over_time(counts: Counts, sample: str) -> list[Point]:
    """Month by month, oldest first; months without a checked photo are left out."""
    totals: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for one in counts.months:
        if one.audited or sample == EVERYTHING:
            totals[one.month][0] += one.right
            totals[one.month][1] += one.n
    return [Point(month // 100, month % 100, share_of(*totals[month])) for month in sorted(totals)]


def version_lines(found: Iterable[VersionCount]) -> list[VersionLine]:
    """Each version that has answered checked photos, the newest first."""
    totals: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in found:
        for at, number in enumerate(
            (one.right, one.n, *((one.right, one.n) if one.audited else (0, 0)))
        ):
            totals[one.version][at] += number
    newest_first = sorted(totals.items(), reverse=True)
    return [
        VersionLine(version, share_of(*numbers[:2]), share_of(*numbers[2:]))
        for version, numbers in newest_first
    ]


def held_out(card: ModelCard) -> Share | None:
    """How often what the version said was right on photos kept apart before training; None when the card has no figures."""
    test: Mapping[str, Any] = card.metrics.get("test") or {}
    test = (test.get("sources") or {}).get("photos", test)
    n, unsure, right = (
        int(test.get("n") or 0),
        test.get("unclassified"),
        test.get("top1_when_decided"),
    )
    if not n or unsure is None or right is None:
        return None
    return share_of(round(right * round((1 - unsure) * n)), n)


def labels_csv(counts: Counts, card: ModelCard, sample: str) -> str:
    """The lines of all labels as a table, exact; empty cells where nothing was counted."""
    rows = []
    for line in lines(counts, card, sample):
        found = line.found
        shares = (
            line.trust.share if line.trust.n else None,
            found.share if found.n else None,
            line.f1,
        )
        rows.append(
            (
                line.label,
                display(card, line.label),
                found.n,
                found.hits,
                *shares,
                found.low,
                found.high,
                line.more,
            )
        )
    return to_csv(
        (
            "label",
            "name",
            "photos",
            "found",
            "precision",
            "recall",
            "f1",
            "low",
            "high",
            "more_needed",
        ),
        rows,
    )


# ---- the matrix ----


def matrix_csv(found: Matrix) -> str:
    """A matrix as a table: a row for each truth, a column for each answer."""
    rows = [
        (truth, *(found.counts.get((truth, said), 0) for said in found.columns))
        for truth in found.rows
    ]
    return to_csv(("truth", *found.columns), rows)


def matrix(
    counts: Counts, card: ModelCard, sample: str, *, order: str = CARD_ORDER, grouped: bool = False
) -> Matrix:
    """What was taken for what. `order` puts labels as in the card, those that are mixed up beside each other, or those of one parent;
    `grouped` counts parents instead of labels."""
    table = _table(of_sample(counts.pairs, sample))
    parents = {label.name: label.parent or NO_PARENT for label in every_label(card)}
    if grouped:
        folded: dict[tuple[str, str], int] = defaultdict(int)
        for (truth, said), n in table.items():
            folded[parents.get(truth, truth), parents.get(said, said)] += n
        table, names = dict(folded), list(dict.fromkeys(parents.values()))
    else:
        names = list(outputs(card))
        if order == PARENT:
            names.sort(
                key=lambda name: (
                    parents[name] == NO_PARENT,
                    parents[name],
                    display(card, name).casefold(),
                )
            )
    if order == CLUSTER:
        names = cluster(names, table)
    nothing = (NONE_OF_THESE,) if any(truth == NONE_OF_THESE for truth, _said in table) else ()
    return Matrix((*names, *nothing), (*names, UNCLASSIFIED), table)


def cluster(names: Sequence[str], table: Mapping[tuple[str, str], int]) -> list[str]:
    """The names in an order that puts those that are mixed up beside each other.

    Agglomerative clustering with average linkage (Sokal and Michener 1958) on how often two are taken for each other, by their photos;
    the order is that of the leaves. What was never mixed up keeps its place at the end.
    """
    places = {name: at for at, name in enumerate(names)}
    alike = np.zeros((len(names), len(names)))
    photos = np.ones(len(names))
    for (truth, said), n in table.items():
        if truth in places:
            photos[places[truth]] += n
            if said in places and said != truth:
                alike[places[truth], places[said]] += n
    alike = (alike + alike.T) / (photos[:, np.newaxis] + photos[np.newaxis, :])
    groups: list[list[int]] = [[at] for at in range(len(names))]
    sizes = np.ones(len(names))
    for _ in range(len(names) - 1):
        best = int(alike.argmax())
        first, second = sorted(divmod(best, len(names)))
        if alike[first, second] <= 0:
            break
        weight = sizes[first] + sizes[second]
        merged = (alike[first] * sizes[first] + alike[second] * sizes[second]) / weight
        alike[first], alike[:, first] = merged, merged
        alike[first, first] = 0
        alike[second], alike[:, second] = 0, 0
        groups[first] += groups[second]
        groups[second] = []
        sizes[first] = weight
    mixed = [one for one in groups if len(one) > 1]
    single = [one for one in groups if len(one) == 1]
    return [names[at] for one in (*sorted(mixed, key=len, reverse=True), *single) for at in one]


def _table(pairs: Iterable[Pair]) -> dict[tuple[str, str], int]:
    table: dict[tuple[str, str], int] = defaultdict(int)
    for one in pairs:
        table[one.truth, one.decision] += one.n
    return dict(table)


def _total(pairs: Iterable[Pair]) -> int:
    return sum(one.n for one in pairs)
