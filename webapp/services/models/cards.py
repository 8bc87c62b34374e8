"""A model card for people: how it was measured, label by label, what it takes for what, how honest its confidence is."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.errors import BadCardError, ModelNotFoundError
from webapp.inference.metrics.intervals import Share, share_of
from webapp.inference.models.card import Label, ModelCard
from webapp.inference.models.registry import Registry
from webapp.reports.csv_safety import to_csv

MATRIX_MOST = 30
"""Labels that a confusion matrix may have to be drawn; above it the pairs say more."""
PAIRS, PAIRS_OF_MANY = 5, 20
MANY = MATRIX_MOST
"""With more labels than this a page shows the `FIRST` ones, and the rest when it is asked for."""
FIRST = 20
ORDERS = ("worst", "best", "photos", "trust", "name")


@dataclass(frozen=True)
class Measure:
    """One way the version was measured: on which photos, and what came out."""

    name: str
    note: str
    right: Share


@dataclass(frozen=True)
class LabelLine:
    """How well one label is found, and how far its name can be trusted (precision in [0, 1], None when it was never said)."""

    label: str
    found: Share
    trust: float | None
    f1: float | None


@dataclass(frozen=True)
class Cell:
    """One number of the confusion matrix. `heat` is "hit" on the diagonal, "h1" to "h4" for mistakes, "" for none."""

    truth: str
    said: str
    count: int
    heat: str


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence: what they said on average, and how often they were right."""

    said: float
    right: Share


@dataclass(frozen=True)
class Shelf:
    """One version in the catalogue. `card` is None when it cannot be read; `trouble` says why."""

    name: str
    version: int
    live: bool
    card: ModelCard | None
    trouble: str


def catalogue(registry: Registry) -> list[Shelf]:
    """Every version of every model, the newest of each first."""
    shelves = []
    for name in registry.names():
        live = registry.live_version(name)
        for version in reversed(registry.versions(name)):
            try:
                shelves.append(
                    Shelf(name, version, version == live, registry.card(name, version), "")
                )
            except BadCardError as error:
                shelves.append(Shelf(name, version, version == live, None, str(error)))
    return shelves


def headline(card: ModelCard) -> Share | None:
    """How often the first label was right on held-out photos: of the source called "photos" when there are several, else of all."""
    test = _test(card)
    sources: Mapping[str, Any] = test.get("sources") or {}
    return _top1(sources.get("photos", test))


def measures(card: ModelCard) -> list[Measure]:
    """The ways a version was measured, the fairest first; empty when the card says nothing."""
    test = _test(card)
    found = []
    for name, one in (test.get("sources") or {}).items():
        found.append(
            Measure(f"Held-out {name}", "kept apart before training", _top1(one) or share_of(0, 0))
        )
    whole = _top1(test)
    if whole is not None and len(found) != 1:
        found.append(Measure("All held-out", "kept apart before training", whole))
    unknown = card.metrics.get("unknown") or {}
    if unknown.get("n") and unknown.get("unclassified") is not None:
        hits = round(unknown["unclassified"] * unknown["n"])
        found.append(
            Measure(
                "Photos of other things", "right is to name no label", share_of(hits, unknown["n"])
            )
        )
    found.sort(key=lambda one: one.name != "Held-out photos")
    return [one for one in found if one.right.n]


def label_lines(card: ModelCard) -> list[LabelLine]:
    """Each label with how often it was found among held-out photos, weakest first; labels that were not measured are left out.

    Equally weak ones: those with more photos first, since that says more.
    """
    rows: Mapping[str, Any] = _test(card).get("per_label") or {}
    lines = [
        LabelLine(
            name,
            share_of(round(row["recall"] * row["n"]), row["n"]),
            row.get("precision"),
            row.get("f1"),
        )
        for name, row in rows.items()
        if card.label(name) is not None and row.get("n") and row.get("recall") is not None
    ]
    return sorted(lines, key=lambda line: (line.found.share, -line.found.n, line.label))


def in_order(lines: Sequence[LabelLine], order: str, card: ModelCard) -> list[LabelLine]:
    """The lines in one of `ORDERS`: worst or best found first, fewest photos first, least trusted first, or by name."""
    keys: dict[str, Any] = {
        "best": lambda line: (-line.found.share, -line.found.n, line.label),
        "photos": lambda line: (line.found.n, line.label),
        "trust": lambda line: (2.0 if line.trust is None else line.trust, line.label),
        "name": lambda line: _display(card, line.label).casefold(),
    }
    return sorted(lines, key=keys[order]) if order in keys else list(lines)


def labels_like(labels: Sequence[Label], text: str) -> list[Label]:
    """The labels whose name, display name, parent or an alias has every word of `text` in it, by
    display name; all for ""."""
    words = text.casefold().split()
    found = [
        one
        for one in labels
        if all(
            word in " ".join((one.name, one.display, one.parent, *one.aliases)).casefold()
            for word in words
        )
    ]
    return sorted(found, key=lambda one: one.display.casefold())


def confusion_csv(card: ModelCard) -> str:
    """The whole confusion matrix as CSV: a row for each truth, a column for each first label. Raises `ModelNotFoundError` without one."""
    table = _table(card)
    if not table:
        raise ModelNotFoundError(f"The card of {card.name} {card.version} has no confusion matrix.")
    return to_csv(
        ["truth", *card.label_names],
        [[name, *row] for name, row in zip(card.label_names, table, strict=True)],
    )


def _display(card: ModelCard, label: str) -> str:
    found = card.label(label)
    return found.display if found else label


def matrix(card: ModelCard) -> list[list[Cell]]:
    """The confusion matrix of held-out photos by rows of truth, in the card's order; empty when absent or too large to be drawn."""
    table = _table(card)
    if not table or len(table) > MATRIX_MOST:
        return []
    names = card.label_names
    most = max(
        (count for at, row in enumerate(table) for there, count in enumerate(row) if at != there),
        default=0,
    )
    return [
        [
            Cell(names[at], names[there], count, _heat(at == there, count, most))
            for there, count in enumerate(row)
        ]
        for at, row in enumerate(table)
    ]


def mix_ups(card: ModelCard) -> list[Cell]:
    """The most common mistakes on held-out photos, the commonest first, at most five; twenty where no matrix is drawn."""
    table = _table(card)
    names = card.label_names
    cells = [
        Cell(names[at], names[there], count, "")
        for at, row in enumerate(table)
        for there, count in enumerate(row)
        if at != there and count
    ]
    return sorted(cells, key=lambda cell: -cell.count)[
        : PAIRS if len(table) <= MATRIX_MOST else PAIRS_OF_MANY
    ]


def reliability(card: ModelCard) -> list[Bin]:
    """Held-out answers grouped by confidence, least sure first; empty when the card says nothing."""
    bins = []
    for one in _test(card).get("reliability") or []:
        n = int(one.get("n") or 0)
        if n and one.get("confidence") is not None and one.get("accuracy") is not None:
            bins.append(Bin(float(one["confidence"]), share_of(round(one["accuracy"] * n), n)))
    return bins


def codes(names: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A code of three letters for each (label, display name), no two alike: MER, MCL, RED."""
    taken: dict[str, str] = {}
    for label, shown in names:
        letters = re.sub(r"[^A-Z0-9]", "", shown.upper()) or label.upper()
        choices = [letters[:2] + third for third in letters[2:]] or [letters]
        numbered = (f"{letters[:2]}{number}" for number in range(1, 1000))
        taken[label] = next(one for one in (*choices, *numbered) if one not in taken.values())
    return taken


def _test(card: ModelCard) -> Mapping[str, Any]:
    return card.metrics.get("test") or {}


def _table(card: ModelCard) -> list[list[int]]:
    table = _test(card).get("confusion") or []
    return (
        table
        if len(table) == len(card.labels) and all(len(row) == len(table) for row in table)
        else []
    )


def _top1(figures: Mapping[str, Any]) -> Share | None:
    n = int(figures.get("n") or 0)
    return (
        share_of(round(figures["top1"] * n), n) if n and figures.get("top1") is not None else None
    )


def _heat(hit: bool, count: int, most: int) -> str:
    if hit:
        return "hit"
    return f"h{max(1, math.ceil(4 * count / max(most, 4)))}" if count else ""
