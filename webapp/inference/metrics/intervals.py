"""Confidence intervals of counted shares."""

import math
from dataclasses import dataclass

_Z95 = 1.959964  # the normal quantile that leaves 2.5 % on each side


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of the share `hits` / `n`, in [0, 1]; (0, 1) for n = 0.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if n == 0:
        return 0.0, 1.0
    share, scale = hits / n, 1 + _Z95 * _Z95 / n
    middle = (share + _Z95 * _Z95 / (2 * n)) / scale
    variance = share * (1 - share) / n + _Z95 * _Z95 / (4 * n * n)
    spread = _Z95 * math.sqrt(variance) / scale
    return max(0.0, middle - spread), min(1.0, middle + spread)


@dataclass(frozen=True)
class Share:
    """`hits` of `n` counted, with the 95 % interval of the true share. Shares are in [0, 1]."""

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
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def share_of(hits: int, n: int) -> Share:
    """A counted share with its interval."""
    return Share(hits, n, *wilson(hits, n))


def more_needed(hits: int, n: int, within: float = 0.05) -> int:
    """How many more to count until half the interval is at most `within`, if the share stays.

    Without a count the share is taken as 1/2, which needs the most. Half of Wilson's interval is
    z sqrt(p q / n + z^2 / 4 n^2) / (1 + z^2 / n); set to `within` that is a quadratic equation.
    """
    share = hits / n if n else 0.5
    linear = _Z95**2 * (share * (1 - share) / within**2 - 2)
    constant = _Z95**4 * (1 / (4 * within**2) - 1)
    enough = (linear + math.sqrt(linear**2 + 4 * constant)) / 2
    return max(0, math.ceil(enough) - n)
