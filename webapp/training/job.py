"""What a training job is asked to do, how far it is, and its messages."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tqdm import tqdm


@dataclass
class TrainingProgress:
    """Where a run is."""

    fingerprint: str  # of the photos; with the hash of the recipe it tells which run this is
    recipe: str
    stage: int = 0  # the next one to do, and its next epoch
    epoch: int = 0
    steps: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    best_epoch: int = -1
    head_done: bool = False
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


Callback = Callable[[TrainingProgress], None]


class AnyRecipe(Protocol):
    """What every recipe has, a classifier's or a detector's."""

    @property
    def name(self) -> str:
        """The model's folder in models/."""

    def settings(self) -> dict[str, Any]:
        """What decides the outcome of training, as plain JSON."""


_Recipe = TypeVar("_Recipe", bound=AnyRecipe)


@dataclass(frozen=True)
class TrainingJob(Generic[_Recipe]):
    """What to train, from what, and where things go."""

    recipe: _Recipe
    data: tuple[Path, ...]  # folders of photos in the layout of the recipe
    models: Path  # the new version appears in models/<name>/
    work: Path  # checkpoints, and the trained model until it is published
    weights: str | Path = "none"  # "none", "imagenet", or a file, see `build_backbone`
    unknown: Path | None = None  # photos of other things, to measure how often it admits that
    resume: bool | None = None  # True: must go on; False: must start again; None: go on if it can
    # called after every step; may raise to stop the run
    on_step: Callback = lambda _progress: None
    on_epoch: tuple[Callback, ...] = ()  # called after every epoch, its line last in the history

    def end_epoch(self, progress: TrainingProgress) -> None:
        """Call what is to be called after an epoch, in turn."""
        for callback in self.on_epoch:
            callback(progress)


def say(text: str) -> None:
    """Write one line to standard error, above a progress bar if there is one."""
    tqdm.write(text, file=sys.stderr)
