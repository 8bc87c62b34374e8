"""Labelled cars of the history as a training reads them: what a version said of each, in two files.

They lie in the folder of a job: `cars.npz`, and `order.json` with what is wanted.
"""

import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webapp.errors import TrainingError
from webapp.inference.models.card import Label

CARS_FILE, ORDER_FILE, PROGRESS_FILE = "cars.npz", "order.json", "progress.json"


@dataclass(frozen=True)
class LabelledCars:
    """Cars with a ground truth, by the version that training starts from.

    `embeddings` is float32 (cars, features), `labels` the names of their labels, `files` the
    SHA-256 of their photos, `hashes` the perceptual hashes of these as int64.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.str_]
    files: NDArray[np.str_]
    hashes: NDArray[np.int64]

    def write(self, folder: Path) -> None:
        """Write them into a folder."""
        np.savez(folder / CARS_FILE, **vars(self))

    @classmethod
    def read(cls, folder: Path) -> "LabelledCars":
        """What `write` wrote. Raises `TrainingError`."""
        try:
            with np.load(folder / CARS_FILE, allow_pickle=False) as arrays:
                return cls(*(arrays[field.name] for field in fields(cls)))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TrainingError(f"The labelled cars cannot be read: {error}") from error


@dataclass(frozen=True)
class HeadOrder:
    """A last layer that is wanted: of the version in the folder `base`, with `new` labels after its
    own. `label_event`: the labels contain everything up to this one."""

    base: str
    new: tuple[Label, ...]
    label_event: int

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        (folder / ORDER_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "HeadOrder":
        """What `write` wrote."""
        values = json.loads((folder / ORDER_FILE).read_text(encoding="utf-8"))
        new = (Label(**label | {"aliases": tuple(label["aliases"])}) for label in values["new"])
        return cls(values["base"], tuple(new), values["label_event"])
