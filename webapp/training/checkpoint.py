"""The state of a training run on disk, written whole after every epoch."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from webapp.errors import TrainingError
from webapp.training.job import TrainingProgress

CHECKPOINT_FILE = "checkpoint.npz"
Arrays = list[NDArray[Any]]
_KINDS = ("weights", "average", "optimizer", "best")


@dataclass
class Checkpoint:
    """A run's progress and arrays."""

    progress: TrainingProgress
    weights: Arrays
    average: Arrays  # the running average of the weights
    optimizer: Arrays
    best: Arrays  # the best average so far

    def write(self, folder: Path) -> None:
        """Write into `folder` in one step: a reader sees the old state or the new one."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            f"{kind}/{place:04d}": array
            for kind in _KINDS
            for place, array in enumerate(getattr(self, kind))
        }
        progress = np.array(json.dumps(asdict(self.progress)))
        waiting = folder / f".{CHECKPOINT_FILE}.new"
        with waiting.open("wb") as file:
            np.savez(file, allow_pickle=False, progress=progress, **arrays)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(folder / CHECKPOINT_FILE)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The checkpoint in `folder`, if any. Raises `TrainingError` if it cannot be read."""
        path = folder / CHECKPOINT_FILE
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                progress = TrainingProgress(**json.loads(str(stored["progress"])))
                names = sorted(stored.files)
                arrays = {
                    kind: [stored[name] for name in names if name.startswith(f"{kind}/")]
                    for kind in _KINDS
                }
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise TrainingError(
                f"The checkpoint {path} cannot be read ({error}). Start again with --fresh."
            ) from error
        return cls(progress, **arrays)
