"""The card of a detector: how to use its network, and how far to trust it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from webapp.errors import BadCardError
from webapp.inference.models.card import (
    CARD_CONFIG,
    ModelCard,
    VersionCard,
    check_golden_path,
    read_card_text,
)


@dataclass(frozen=True)
class GoldenCells:
    """A photo that travels with the version, by its path in the folder, and what the network
    answers in the cells with the highest scores: cell, score, left, top, right, bottom."""

    __pydantic_config__ = CARD_CONFIG

    file: str
    cells: tuple[tuple[int, float, float, float, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class DetectorCard(VersionCard):
    """`card.json` of a version of a detector. Boxes with a score below `threshold` do not count."""

    __pydantic_config__ = CARD_CONFIG

    task: Literal["detect"] = "detect"
    golden: tuple[GoldenCells, ...] = ()

    @property
    def golden_files(self) -> tuple[str, ...]:
        """The golden photos, by their paths in the version's folder."""
        return tuple(golden.file for golden in self.golden)

    def _check_contradictions(self) -> None:
        super()._check_contradictions()
        for golden in self.golden:
            check_golden_path(golden.file)


def read_card(folder: Path) -> ModelCard | DetectorCard:
    """The card of the version in `folder`, of whichever kind. Raises `BadCardError`."""
    kind = DetectorCard if is_detector_card(folder) else ModelCard
    return kind.read(folder)


def is_detector_card(folder: Path) -> bool:
    """Whether the card of the version in `folder` is a detector's; False when it is unreadable."""
    try:
        content = json.loads(read_card_text(folder))
    except (ValueError, BadCardError):
        return False
    return isinstance(content, dict) and content.get("task") == "detect"
