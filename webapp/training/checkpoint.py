"""The state of a training run on disk, written whole after every epoch, so that it can go on after a power cut."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webapp.errors import TrainingError

CHECKPOINT_FILE = "checkpoint.npz"
Arrays = list[NDArray[Any]]


@dataclass
class Progress:
    """Where a run is. `fingerprint` and `recipe` tell whether it is the same run; `stage` and `epoch` are the next ones to do."""

    fingerprint: str
    recipe: str
    stage: int = 0
    epoch: int = 0
    steps: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    best_epoch: int = -1
    head_done: bool = False
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Checkpoint:
    """A run's progress and arrays: the network's weights, their running average, the optimizer's state, the best average so far."""

    progress: Progress
    weights: Arrays
    average: Arrays
    optimizer: Arrays
    best: Arrays

    def write(self, folder: Path) -> None:
        """Write into `folder` in one step: a reader, or a run after a crash, sees the old state or the new one."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            f"{kind}/{place:04d}": value
            for kind in ("weights", "average", "optimizer", "best")
            for place, value in enumerate(getattr(self, kind))
        }
        waiting = folder / f".{CHECKPOINT_FILE}.new"
        with waiting.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                progress=np.array(json.dumps(asdict(self.progress))),
                **arrays,
            )
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(folder / CHECKPOINT_FILE)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """The checkpoint in `folder`, or None when there is none. Raises `TrainingError` for one that cannot be read."""
        path = folder / CHECKPOINT_FILE
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                progress = Progress(**json.loads(str(stored["progress"])))
                kinds = {
                    kind: [
                        stored[key] for key in sorted(stored.files) if key.startswith(f"{kind}/")
                    ]
                    for kind in ("weights", "average", "optimizer", "best")
                }
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise TrainingError(
                f"The checkpoint {path} cannot be read ({error}). Start again with --fresh."
            ) from error
        return cls(progress, **kinds)
