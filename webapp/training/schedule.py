"""How the learning rate moves through a stage: along a cosine, or down a step whenever nothing gets better any more."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SCHEDULES = ("cosine", "plateau")
STALE_EPOCHS = 2  # so many without a better loss are a plateau
STEP = 0.3  # and the rate falls to this share of itself
WARM = 20  # the first of so many parts of a stage is spent on the way up


def rates_of_epoch(
    schedule: str, highest: float, epochs: int, steps: int, losses: Sequence[float]
) -> NDArray[np.float64]:
    """The rate of each step of a stage's next epoch, shape (steps,).

    The stage has `epochs` epochs of `steps` steps; `losses` are those after each epoch that is done, so that a run which goes on after
    a power cut finds the same rates.
    """
    done = len(losses) * steps
    if schedule == "cosine":
        return cosine(highest, epochs * steps)[done : done + steps]
    warm = max(1, epochs * steps // WARM)
    return plateau(highest, losses) * np.minimum((np.arange(done, done + steps) + 1) / warm, 1.0)


def cosine(highest: float, steps: int) -> NDArray[np.float64]:
    """Learning rates: up in the first twentieth, then down a cosine to a fiftieth (Loshchilov and Hutter 2016, "SGDR", one cycle)."""
    warm = max(1, steps // WARM)
    places = np.arange(steps + 1)
    falling = 0.02 + 0.98 * 0.5 * (
        1 + np.cos(np.pi * np.clip((places - warm) / max(1, steps - warm), 0, 1))
    )
    return highest * np.minimum((places + 1) / warm, falling)


def plateau(highest: float, losses: Sequence[float]) -> float:
    """The rate after epochs with these losses: a step lower after every `STALE_EPOCHS` epochs in a row that brought no better one."""
    rate, best, stale = highest, float("inf"), 0
    for loss in losses:
        best, stale = (loss, 0) if loss < best else (best, stale + 1)
        if stale == STALE_EPOCHS:
            rate, stale = rate * STEP, 0
    return rate
