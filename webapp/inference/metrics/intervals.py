"""How far a counted share can be trusted."""

import math
from dataclasses import dataclass

Z95 = 1.959964  # the normal quantile that leaves 2.5 % on each side


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, in [0, 1]: plausible values of the true one when `hits` of `n` were counted; (0, 1) for n = 0.

    Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = share + Z95 * Z95 / (2 * n)
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95 * Z95 / (4 * n * n))
    scale = 1 + Z95 * Z95 / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


@dataclass(frozen=True)
class Share:
    """`hits` of `n` counted, with the plausible range of the true share (95 %). Shares are in [0, 1]."""

    hits: int
    n: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Hits of n, in [0, 1]; 0 when nothing was counted."""
        return self.hits / self.n if self.n else 0.0

    @property
    def half_width(self) -> float:
        """How far the true share may lie from the middle of the range."""
        return (self.high - self.low) / 2


def share_of(hits: int, n: int) -> Share:
    """A counted share with its interval."""
    return Share(hits, n, *wilson(hits, n))


def more_needed(hits: int, n: int, within: float = 0.05) -> int:
    """How many more to count until the interval of `wilson` is no wider than `within` to each side, if the share stays as it is.

    Half of Wilson's interval is z sqrt(p q / n + z^2 / 4 n^2) / (1 + z^2 / n). It shrinks as n grows, so the first n that fits is found
    by halving. Without a count the share is taken as 1/2, the hardest.
    """
    share = hits / n if n else 0.5
    low, high = (
        n,
        max(n, math.ceil((Z95 / (2 * within)) ** 2)),
    )  # p = 1/2 needs the most, and not more than this
    while low < high:
        middle = (low + high) // 2
        if middle and _half_width(share, middle) <= within:
            high = middle
        else:
            low = middle + 1
    return low - n


def _half_width(share: float, n: int) -> float:
    return Z95 * math.sqrt(share * (1 - share) / n + Z95 * Z95 / (4 * n * n)) / (1 + Z95 * Z95 / n)
