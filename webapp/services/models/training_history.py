"""How a version was trained, for its page: what its card remembers of the epochs."""

import math
from dataclasses import dataclass
from typing import Any

from webapp.inference.models.card import ModelCard
from webapp.reports.charts import Svg
from webapp.reports.training_curves import (
    History,
    StageFigures,
    by_stage,
    has_curves,
    loss_svg,
    right_svg,
)


@dataclass(frozen=True)
class TrainingHistory:
    """A training: `best` is the number of the kept epoch, `seconds` what it all took, if known."""

    history: History
    stages: list[StageFigures]
    weights: str
    best: int | None
    seconds: float | None

    @property
    def curves(self) -> tuple[tuple[str, Svg], ...]:
        """The curves with their headings; none when there were too few epochs."""
        if not has_curves(self.history):
            return ()
        right = ("Right on validation photos", right_svg(self.history))
        return ("Loss", loss_svg(self.history)), right


def training_history(card: ModelCard) -> TrainingHistory | None:
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
    return TrainingHistory(history, by_stage(history), weights, best, seconds)


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None
