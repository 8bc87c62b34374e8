"""What the history of a training says: its curves, and how each stage went."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from webapp.reports.charts import Svg, lines_svg

History = Sequence[dict[str, Any]]
"""One line per epoch, as in a card's `training.history`; a first line named "head" is the last layer alone."""


@dataclass(frozen=True)
class StageFigures:
    """How a stage went. `photos_per_second` and `waited`, the share of the time spent waiting for photos, are None where not measured."""

    name: str
    epochs: int
    seconds: float
    photos_per_second: float | None
    waited: float | None

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON, without what was not measured."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def by_stage(history: History) -> list[StageFigures]:
    """The stages in order, their epochs taken together."""
    return [
        _figures(name, list(lines))
        for name, lines in groupby(history, key=lambda line: str(line.get("stage", "")))
    ]


def loss_svg(history: History, ident: str = "loss") -> Svg:
    """Training and validation loss after each epoch, with a mark where a stage begins."""
    return lines_svg(
        {"learning": _points(history, "loss"), "validation": _points(history, "validation_loss")},
        title="Loss after each epoch",
        description="Lower is better. The learning line is of changed photos and softened labels, so it may lie above that of validation.",
        x_label="epoch",
        y_label="loss",
        marks=_marks(history),
        ident=ident,
    )


def right_svg(history: History, ident: str = "right") -> Svg:
    """Share of validation photos whose first label was right after each epoch."""
    return lines_svg(
        {"validation": _points(history, "validation_top1")},
        title="Right on validation photos after each epoch",
        description="Higher is better. Validation photos choose the epoch; test photos are looked at once, at the end.",
        x_label="epoch",
        y_label="right",
        shares=True,
        marks=_marks(history),
        ident=ident,
    )


def has_curves(history: History) -> bool:
    """Are there at least two epochs to draw a line through?"""
    return max(len(_points(history, "loss")), len(_points(history, "validation_loss"))) > 1


def _figures(name: str, lines: History) -> StageFigures:
    """Speeds and waits of the epochs, weighted by their seconds."""
    whole = sum(float(line.get("seconds") or 0.0) for line in lines)

    def mean(key: str, digits: int) -> float | None:
        known = [
            (float(line[key]), float(line.get("seconds") or 0.0))
            for line in lines
            if line.get(key) is not None
        ]
        weights = sum(weight for _, weight in known)
        return (
            round(sum(value * weight for value, weight in known) / weights, digits)
            if weights
            else None
        )

    return StageFigures(
        name, len(lines), round(whole, 1), mean("photos_per_second", 1), mean("waited", 4)
    )


def _points(history: History, key: str) -> list[tuple[float, float]]:
    """Epochs are counted from 1; what was learnt by the last layer alone stands at 0."""
    first = 0 if history and history[0].get("stage") == "head" else 1
    return [
        (float(at), float(line[key]))
        for at, line in enumerate(history, first)
        if line.get(key) is not None
    ]


def _marks(history: History) -> dict[float, str]:
    """Where each stage but the first begins: half an epoch before its first point."""
    first = 0 if history and history[0].get("stage") == "head" else 1
    names = [str(line.get("stage", "")) for line in history]
    started = [
        place
        for place in range(1, len(names))
        if names[place] != names[place - 1] and names[place - 1] != "head"
    ]
    return {place + first - 0.5: names[place] for place in started}
