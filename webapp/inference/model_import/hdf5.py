"""HDF5 files before Keras opens them: no links or huge data in them, old descriptions mended."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.keras2 import mend
from webapp.inference.model_import.keras_archive import (
    CONFIG_BYTES,
    check_config,
    open_archive,
)

_WEIGHTS_FILE = "model.weights.h5"
_WEIGHTS_BYTES = 4 * 1024**3
_MAX_MEMBERS = 100_000


def check_hdf5(path: Path) -> None:
    """Raise `ModelRefusedError` for links, data kept in other files, or more than memory holds."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            _check_members(file, path.stat().st_size)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelRefusedError(f"{path.name} is not a whole HDF5 file: {error}") from error


def check_archive_weights(path: Path) -> None:
    """Raise `ModelRefusedError` for a member of a wrong CRC, or weights as for `check_hdf5`."""
    weights = path.with_name(".checked.h5")
    try:
        with open_archive(path) as archive:
            if damaged := archive.testzip():
                raise ModelRefusedError(f"This is not a whole .keras file: {damaged} is damaged.")
            if _WEIGHTS_FILE not in archive.namelist():
                raise ModelRefusedError(
                    f"This is not a whole .keras file: {_WEIGHTS_FILE} is missing."
                )
            with archive.open(_WEIGHTS_FILE) as member, weights.open("wb") as file:
                shutil.copyfileobj(member, file)
        check_hdf5(weights)
    finally:
        weights.unlink(missing_ok=True)


def check_legacy(path: Path) -> None:
    """Check a .h5 file and the network that it describes, and remove from the description what
    Keras 3 does not know. Raises `ModelRefusedError`."""
    check_hdf5(path)
    config = _read_config(path)
    changed = mend(config)
    check_config(config)
    if changed:
        with h5py.File(path, "r+", locking=False) as file:
            file.attrs["model_config"] = json.dumps(config)


def _read_config(path: Path) -> dict[str, Any]:
    """The network that a legacy .h5 file describes. Raises `ModelRefusedError`."""
    with h5py.File(path, "r", locking=False) as file:
        text = file.attrs.get("model_config")
    if text is None:
        raise ModelRefusedError(
            f"{path.name} holds weights and no network. "
            "Save the whole model: model.save('model.keras')."
        )
    if len(text) > CONFIG_BYTES:
        raise ModelRefusedError(f"The description of the network in {path.name} is too large.")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(
            f"The description of the network in {path.name} cannot be read: {error}"
        ) from error
    if not isinstance(config, dict):
        raise ModelRefusedError(f"{path.name} describes no network.")
    return config


def _check_members(file: h5py.File, size: int) -> None:
    groups: list[h5py.Group] = [file]
    known: set[int] = set()
    total = members = 0
    while groups:
        group = groups.pop()
        for key in group:
            members += 1
            link = group.get(key, getlink=True)
            name = f"{group.name.rstrip('/')}/{key}"[:200]
            if isinstance(link, h5py.ExternalLink):
                raise ModelRefusedError(
                    f"The weights {name!r} lead to another file, {str(link.filename)[:100]!r}."
                )
            if not isinstance(link, h5py.HardLink):
                raise ModelRefusedError(f"The weights {name!r} are a link and not weights.")
            member = group[key]
            address = h5py.h5o.get_info(member.id).addr
            if address in known:
                continue
            known.add(address)
            if isinstance(member, h5py.Group):
                groups.append(member)
            elif isinstance(member, h5py.Dataset):
                total += _dataset_bytes(member, name)
            if total > _WEIGHTS_BYTES or members > _MAX_MEMBERS:
                raise ModelRefusedError(
                    f"The weights claim {total / 2**30:,.0f} GB in a file of "
                    f"{size / 2**20:,.1f} MB."
                )


def _dataset_bytes(data: h5py.Dataset, name: str) -> int:
    if data.external or data.is_virtual:
        raise ModelRefusedError(f"The weights {name!r} are kept in another file.")
    count = int(data.size or 0)
    if data.dtype.hasobject and count > _MAX_MEMBERS:
        raise ModelRefusedError(f"The weights {name!r} are not numbers.")
    return count * data.dtype.itemsize
