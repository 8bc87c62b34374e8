"""Chance with a memory: the same seed throws the same numbers on every machine."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Dice:
    """Only `Generator.random` is used, whose stream NumPy keeps stable; everything else is arithmetic on it."""

    def __init__(self, name: str, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64([zlib.crc32(name.encode()), seed & 0xFFFFFFFF]))

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def chance(self, probability: float) -> bool:
        """True with this probability, in [0, 1]."""
        return float(self._generator.random()) < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[int(self._generator.random() * len(choices))]

    def sign(self) -> float:
        """1 or -1."""
        return 1.0 if self.chance(0.5) else -1.0

    def field(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Numbers in [0, 1), float32 of shape (rows, columns)."""
        return self._generator.random((rows, columns)).astype(np.float32)
