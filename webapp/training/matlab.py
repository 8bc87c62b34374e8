"""MATLAB files, as the public data sets use them for their lists."""

from pathlib import Path
from typing import Any

import numpy as np

from webapp.errors import TrainingError

try:  # scipy comes with what training needs; a version can be evaluated where photos are only served
    from scipy.io import loadmat
except ImportError:
    loadmat = None


def read_matlab(path: Path) -> dict[str, Any]:
    """The variables of a .mat file as plain dicts, lists, numbers and strings. Raises `TrainingError`; nothing in the file can run."""
    if loadmat is None:
        raise TrainingError(
            f"Reading {path.name} needs what requirements.txt lists (scipy is missing)."
        )
    try:
        content = loadmat(path, simplify_cells=True)
    except Exception as error:  # scipy raises many kinds for bad files; each means the same to us
        raise TrainingError(f"The MATLAB file {path.name} cannot be read: {error}") from error
    return {key: _listed(value) for key, value in content.items() if not key.startswith("__")}


def _listed(value: Any) -> Any:
    """A list where MATLAB has one; it does not tell one thing from a list of one thing, so every variable is a list."""
    return (
        value.tolist()
        if isinstance(value, np.ndarray)
        else list(value)
        if isinstance(value, list | tuple)
        else [value]
    )
