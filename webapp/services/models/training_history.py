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
class Learning:
    """A training as its card tells it. `best` is the epoch that was kept, `seconds` what it all took; None where the card is silent."""

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
        return ("Loss", loss_svg(self.history)), (
            "Right on validation photos",
            right_svg(self.history),
        )


def learning(card: ModelCard) -> Learning | None:
    """The card's training, None when it has no epochs: the version was made elsewhere. What is no number is left out, whoever wrote it."""
    lines = card.training.get("history")
    history = (
        [_line(one) for one in lines if isinstance(one, dict)] if isinstance(lines, list) else []
    )
    if not history:
        return None
    best, seconds = (_number(card.training.get(key)) for key in ("best_epoch", "seconds"))
    head = (
        history[0]["stage"] == "head"
    )  # it is no epoch, so that the first epoch after it is number 1
    weights = str(card.training.get("weights") or "")
    return Learning(
        history,
        by_stage(history),
        weights,
        None if best is None else int(best) + (0 if head else 1),
        seconds,
    )


def _line(raw: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: _number(value) for key, value in raw.items() if key != "stage"}
    return {"stage": str(raw.get("stage") or "")} | {
        key: value for key, value in numbers.items() if value is not None
    }


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None
