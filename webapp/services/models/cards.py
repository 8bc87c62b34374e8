"""A model card for people: how the version was measured, label by label, what it takes for what,
and how it was trained."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.errors import BadCardError
from webapp.inference.metrics.intervals import Share, share_of
from webapp.inference.models.card import Label, ModelCard, VersionCard
from webapp.inference.models.detector_card import DetectorCard
from webapp.inference.models.registry import Registry
from webapp.reports import training_curves
from webapp.reports.charts import ReliabilityBin, Svg
from webapp.reports.confusion import ConfusionMatrix

MATRIX_MOST = 30  # labels of a confusion matrix that is drawn; above it the pairs say more
MANY, FIRST = 30, 20  # of more labels than MANY a page shows the FIRST ones
ORDERS = {
    "worst": "Worst first",
    "best": "Best first",
    "photos": "Fewest photos",
    "trust": "Least trust",
    "name": "By name",
}


@dataclass(frozen=True)
class Measurement:
    """One way the version was measured: on which photos, and what came out."""

    name: str
    note: str
    right: Share


@dataclass(frozen=True)
class _CardLabel:
    """How well one label is found, and how far its name can be trusted.

    `precision` is in [0, 1], None when it was never said.
    """

    label: str
    recall: Share
    precision: float | None
    f1: float | None


@dataclass(frozen=True)
class _CatalogueEntry:
    """One version. `card` is None when it cannot be read; `trouble` says why."""

    name: str
    version: int
    live: bool
    card: ModelCard | DetectorCard | None
    trouble: str

    @property
    def right(self) -> Share | None:
        """See `headline`."""
        return headline(self.card) if self.card else None


def catalogue(registry: Registry, name: str) -> list[_CatalogueEntry]:
    """Every version of a model, the newest first."""
    entries = []
    live = registry.live_version(name)
    for version in reversed(registry.versions(name)):
        card, trouble = None, ""
        try:
            card = registry.any_card(name, version)
        except BadCardError as error:
            trouble = str(error)
        entries.append(_CatalogueEntry(name, version, version == live, card, trouble))
    return entries


def headline(card: ModelCard | DetectorCard) -> Share | None:
    """How often the first label was right on held-out photos; of a detector, how often it found the
    largest car.

    Of the source called "photos" when there are several, else of all; of a detector of all.
    """
    test = _test(card)
    if isinstance(card, DetectorCard):
        return found_share((test.get("main_car") or {}).get("iou50"))
    return _share((test.get("sources") or {}).get("photos", test), "top1")


def found_share(figures: Mapping[str, Any] | None) -> Share | None:
    """A share in a detector's card with its range, None when nothing was counted."""
    n = (figures or {}).get("n")
    return share_of(round(figures["share"] * n), n) if figures and n else None


def measurements(card: ModelCard) -> list[Measurement]:
    """The ways a version was measured, the fairest first; empty when the card says nothing."""
    test, apart = _test(card), "kept apart before training"
    rows = [
        Measurement(f"Held-out {name}", apart, _share(figures, "top1") or share_of(0, 0))
        for name, figures in (test.get("sources") or {}).items()
    ]
    whole = _share(test, "top1")
    if whole is not None and len(rows) != 1:
        rows.append(Measurement("All held-out", apart, whole))
    if unnamed := _share(card.metrics.get("unknown") or {}, "unclassified"):
        rows.append(Measurement("Photos of other things", "right is to name no label", unnamed))
    rows.sort(key=lambda row: row.name != "Held-out photos")
    return [row for row in rows if row.right.n]


def measured_on(card: ModelCard) -> str:
    """What the version saw of each photo in training and in its figures, in a sentence; "" when
    the card does not tell."""
    settings = card.training.get("settings")
    if settings is None:
        return ""
    if settings.get("cars") == "detect":
        return (
            "Measured on the main car that a detector found in each photo, cut out as for an "
            "answer; on the whole photo where it found none."
        )
    if settings.get("crop"):
        return "Measured on photos cut to the boxes that came with them."
    return "Measured on whole photos, as they are: no detector cut out the cars."


def card_labels(card: ModelCard) -> list[_CardLabel]:
    """Each measured label of held-out photos, weakest first; of equally weak ones more photos
    first."""
    rows: Mapping[str, Any] = _test(card).get("per_label") or {}
    labels = [
        _CardLabel(name, recall, row.get("precision"), row.get("f1"))
        for name, row in rows.items()
        if card.label(name) is not None and (recall := _share(row, "recall"))
    ]
    return sorted(labels, key=lambda row: (row.recall.share, -row.recall.n, row.label))


def in_order(labels: Sequence[_CardLabel], order: str, card: ModelCard) -> list[_CardLabel]:
    """The labels in one of `ORDERS`; "worst" is the order of `card_labels`."""

    def name(row: _CardLabel) -> str:
        label = card.label(row.label)
        return (label.display if label else row.label).casefold()

    keys: dict[str, Any] = {
        "best": lambda row: (-row.recall.share, -row.recall.n, row.label),
        "photos": lambda row: (row.recall.n, row.label),
        "trust": lambda row: (2.0 if row.precision is None else row.precision, row.label),
        "name": name,
    }
    return sorted(labels, key=keys[order]) if order in keys else list(labels)


def labels_like(labels: Sequence[Label], text: str) -> list[Label]:
    """The labels with every word of `text` in a name, parent or alias, by display name; all for
    ""."""
    words = text.casefold().split()

    def matches(label: Label) -> bool:
        names = " ".join((label.name, label.display, label.parent, *label.aliases)).casefold()
        return all(word in names for word in words)

    return sorted(filter(matches, labels), key=lambda label: label.display.casefold())


def confusion(card: ModelCard) -> ConfusionMatrix | None:
    """First labels of held-out photos by truth, in the card's order; None when the card has no
    such table."""
    names, table = card.label_names, _test(card).get("confusion") or []
    if len(table) != len(names) or any(len(row) != len(names) for row in table):
        return None
    counts = {
        (truth, label): count
        for truth, row in zip(names, table, strict=True)
        for label, count in zip(names, row, strict=True)
    }
    return ConfusionMatrix(names, names, counts)


def mix_ups(matrix: ConfusionMatrix) -> list[tuple[str, str, int]]:
    """The most common mistakes as (truth, first label, photos): at most five; twenty where no
    matrix is drawn."""
    mistakes = [(*pair, n) for pair, n in matrix.counts.items() if n and pair[0] != pair[1]]
    most = 5 if len(matrix.rows) <= MATRIX_MOST else 20
    return sorted(mistakes, key=lambda mistake: -mistake[2])[:most]


def reliability(card: ModelCard) -> list[ReliabilityBin]:
    """Held-out answers grouped by confidence, least sure first; empty when the card says
    nothing."""
    bins = [
        ReliabilityBin(float(row["confidence"]), right.share, right.low, right.high, right.n)
        for row in _test(card).get("reliability") or []
        if row.get("confidence") is not None and (right := _share(row, "accuracy"))
    ]
    return sorted(bins, key=lambda row: row.confidence)


def codes(names: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A code of three letters for each (label, display name), no two alike: MER, MCL, RED."""
    taken: dict[str, str] = {}
    for label, display in names:
        letters = re.sub(r"[^A-Z0-9]", "", display.upper()) or label.upper()
        choices = [letters[:2] + third for third in letters[2:]] or [letters]
        numbered = (f"{letters[:2]}{number}" for number in range(1, 1000))
        used = set(taken.values())
        taken[label] = next(code for code in (*choices, *numbered) if code not in used)
    return taken


def _test(card: VersionCard) -> Mapping[str, Any]:
    return card.metrics.get("test") or {}


def _share(figures: Mapping[str, Any], name: str) -> Share | None:
    """A share of the `n` photos of some figures of a card; None when they say nothing."""
    n = int(figures.get("n") or 0)
    if not n or figures.get(name) is None:
        return None
    return share_of(round(figures[name] * n), n)


# ---- how it was trained ----


@dataclass(frozen=True)
class _TrainingHistory:
    """A training: `best` is the number of the kept epoch, `seconds` what it all took, if known."""

    history: training_curves.History
    stages: list[dict[str, Any]]
    weights: str
    best: int | None
    seconds: float | None

    @property
    def curves(self) -> tuple[tuple[str, Svg], ...]:
        """The curves with their headings; none when there were too few epochs."""
        if not training_curves.has_curves(self.history):
            return ()
        loss = ("Loss", training_curves.loss_svg(self.history))
        if not any("validation_top1" in epoch for epoch in self.history):  # a detector names none
            return (loss,)
        return loss, ("Right on validation photos", training_curves.right_svg(self.history))


def training_history(card: VersionCard) -> _TrainingHistory | None:
    """The card's training, None when it has no epochs: the version was made elsewhere."""
    epochs = card.training.get("history")
    history = [  # cards may have been written elsewhere
        {key: number for key, value in epoch.items() if (number := _number(value)) is not None}
        | {"stage": str(epoch.get("stage") or "")}
        for epoch in (epochs if isinstance(epochs, list) else [])
        if isinstance(epoch, dict)
    ]
    if not history:
        return None
    best, seconds = (_number(card.training.get(key)) for key in ("best_epoch", "seconds"))
    if best is not None:  # training the head is no epoch: the first one after it is number 1
        best = int(best) + (0 if history[0]["stage"] == "head" else 1)
    weights = str(card.training.get("weights") or "")
    return _TrainingHistory(history, training_curves.by_stage(history), weights, best, seconds)


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None
