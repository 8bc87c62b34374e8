"""What the history of a training says: its curves, and how each stage went."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from webapp.reports.charts import Svg, lines_svg

# a dict per epoch, as in a card's `training.history`; a first one of the stage "head" is no epoch
History = Sequence[dict[str, Any]]


def by_stage(history: History) -> list[dict[str, Any]]:
    """The stages in order, their epochs taken together: `name`, `epochs`, `seconds`, and where they
    were measured `photos_per_second` and `waited`, the share of the time spent waiting for photos.
    """
    stages = groupby(history, key=lambda epoch: str(epoch.get("stage", "")))
    return [_stage_figures(name, list(epochs)) for name, epochs in stages]


def loss_svg(history: History) -> Svg:
    """Training and validation loss after each epoch, with a mark where a stage begins."""
    return lines_svg(
        {"training": _points(history, "loss"), "validation": _points(history, "validation_loss")},
        title="Loss after each epoch",
        description="Lower is better. The training line is of changed photos and softened labels, "
        "so it may lie above that of validation.",
        x_label="epoch",
        y_label="loss",
        marks=_marks(history),
        ident="loss",
    )


def steps_svg(losses: Sequence[float]) -> Svg:
    """The loss of a last layer that learns alone after each step; at least two are needed."""
    points = [(float(number), loss) for number, loss in enumerate(losses, 1)]
    return lines_svg(
        {"training": points},
        title="Loss after each step",
        description="Lower is better: how much the layer is wrong about the cars it learns from.",
        x_label="step",
        y_label="loss",
        ident="loss",
    )


def right_svg(history: History) -> Svg:
    """Share of validation photos whose first label was right after each epoch."""
    return lines_svg(
        {"validation": _points(history, "validation_top1")},
        title="Right on validation photos after each epoch",
        description="Higher is better. Validation photos choose the epoch; "
        "test photos are used once, at the end.",
        x_label="epoch",
        y_label="right",
        shares=True,
        marks=_marks(history),
        ident="right",
    )


def has_curves(history: History) -> bool:
    """Are there at least two epochs to draw a line through?"""
    return any(len(_points(history, key)) > 1 for key in ("loss", "validation_loss"))


def _stage_figures(name: str, epochs: History) -> dict[str, Any]:
    seconds = [float(epoch.get("seconds") or 0.0) for epoch in epochs]

    def mean(key: str, digits: int) -> float | None:
        """The mean over the epochs, weighted by their seconds."""
        known = [
            (float(epoch[key]), weight)
            for epoch, weight in zip(epochs, seconds, strict=True)
            if epoch.get(key) is not None
        ]
        total = sum(weight for _, weight in known)
        return (
            round(sum(value * weight for value, weight in known) / total, digits) if total else None
        )

    figures = {
        "name": name,
        "epochs": len(epochs),
        "seconds": round(sum(seconds), 1),
        "photos_per_second": mean("photos_per_second", 1),
        "waited": mean("waited", 4),
    }
    return {key: value for key, value in figures.items() if value is not None}


def _first_epoch(history: History) -> int:
    """Epochs are counted from 1; training the head alone stands at 0."""
    return 0 if history and history[0].get("stage") == "head" else 1


def _points(history: History, key: str) -> list[tuple[float, float]]:
    return [
        (float(number), float(epoch[key]))
        for number, epoch in enumerate(history, _first_epoch(history))
        if epoch.get(key) is not None
    ]


def _marks(history: History) -> dict[float, str]:
    """Where each stage but the first begins: half an epoch before its first point."""
    names = [str(epoch.get("stage", "")) for epoch in history]
    first = _first_epoch(history)
    return {
        place + first - 0.5: names[place]
        for place in range(1, len(names))
        if names[place] != names[place - 1] != "head"
    }
