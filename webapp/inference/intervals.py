"""How far a counted share can be trusted."""

from __future__ import annotations

import math

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
