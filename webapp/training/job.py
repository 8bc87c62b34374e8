"""What a training job is asked to do, and how it speaks."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from webapp.training.checkpoint import Progress
from webapp.training.recipe import Recipe


def unwatched(_progress: Progress) -> None:
    """Nobody looks on."""


@dataclass(frozen=True)
class Job:
    """What to train, from what, and where things go."""

    recipe: Recipe
    data: tuple[Path, ...]  # folders of photos in the layout of the recipe
    models: Path  # the new version appears in models/<name>/
    work: Path  # checkpoints and the trained model until it is published
    weights: str | Path = "none"  # "none", "imagenet" or a weights file of the backbone
    unknown: Path | None = (
        None  # photos of other things: how often does the model admit that it does not know?
    )
    resume: bool | None = (
        None  # True: must go on; False: must start again; None: go on when there is a run to go on with
    )
    watch: Callable[[Progress], None] = (
        unwatched  # called after every step; may raise to stop the run, which can go on later
    )
    after_epoch: Callable[[Progress], None] = (
        unwatched  # called after every epoch, with its line at the end of the history; may raise
    )


def say(text: str) -> None:
    """One line on standard error, above a progress bar if there is one."""
    tqdm.write(text, file=sys.stderr)
