"""How the learning rate moves through a stage: along a cosine, or down a step on a plateau."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_STALE_EPOCHS = 2  # this many in a row without a better loss are a plateau
STEP = 0.3  # the share of itself to which the rate falls then
_WARM = 20  # the first of this many parts of a stage is spent on the way up


def rates_of_epoch(
    schedule: str, highest: float, epochs: int, steps: int, losses: Sequence[float]
) -> NDArray[np.float64]:
    """The rate of each step of a stage's next epoch, shape (steps,), as a resumed run gets it too.

    `losses` are those after the epochs that are done, of `epochs` with `steps` each.
    """
    done = len(losses) * steps
    if schedule == "cosine":
        return cosine(highest, epochs * steps)[done : done + steps]
    warm = max(1, epochs * steps // _WARM)
    return plateau(highest, losses) * np.minimum((np.arange(done, done + steps) + 1) / warm, 1.0)


def cosine(highest: float, steps: int) -> NDArray[np.float64]:
    """Up in the first twentieth, then down a cosine to a fiftieth (Loshchilov, Hutter 2016)."""
    warm = max(1, steps // _WARM)
    places = np.arange(steps + 1)
    share = np.clip((places - warm) / max(1, steps - warm), 0, 1)
    falling = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share))
    return highest * np.minimum((places + 1) / warm, falling)


def plateau(highest: float, losses: Sequence[float]) -> float:
    """The rate after epochs with these losses: a step lower after every plateau."""
    rate, best, stale = highest, float("inf"), 0
    for loss in losses:
        best, stale = (loss, 0) if loss < best else (best, stale + 1)
        if stale == _STALE_EPOCHS:
            rate, stale = rate * STEP, 0
    return rate
