"""What an HDF5 file holds, looked at before Keras opens it: no links to other files or places, no bombs."""

import json
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.keras_archive import CONFIG_BYTES

WEIGHTS_FILE = "model.weights.h5"
WEIGHTS_BYTES = 4 * 1024**3
MEMBERS = 100_000


def check_hdf5(path: Path) -> None:
    """Raise `ModelRefusedError` that names the member: a link out of the file, data kept elsewhere, or more than memory holds."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            _walk(file, path.stat().st_size)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ModelRefusedError(f"{path.name} is no whole HDF5 file: {error}") from error


def check_archive_weights(path: Path) -> None:
    """Read every member of a .keras archive (a damaged one is found by its CRC) and look into its weights. Raises `ModelRefusedError`."""
    weights = path.with_name(".looked-at.h5")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise ModelRefusedError(f"This is not a whole .keras file: {damaged} is damaged.")
            if WEIGHTS_FILE not in archive.namelist():
                raise ModelRefusedError(
                    f"This is not a whole .keras file: {WEIGHTS_FILE} is missing."
                )
            with archive.open(WEIGHTS_FILE) as inside, weights.open("wb") as file:
                shutil.copyfileobj(inside, file)
        check_hdf5(weights)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise ModelRefusedError(f"This is not a whole .keras file: {error}") from error
    finally:
        weights.unlink(missing_ok=True)


def network_of(path: Path) -> dict[str, Any]:
    """The network that a legacy .h5 file describes. Raises `ModelRefusedError` when it holds weights only."""
    with h5py.File(path, "r", locking=False) as file:
        text = file.attrs.get("model_config")
    if text is None:
        raise ModelRefusedError(
            f"{path.name} holds weights and no network. Save the whole model: model.save('model.keras')."
        )
    if len(text) > CONFIG_BYTES:
        raise ModelRefusedError(
            f"The description of the network in {path.name} is larger than any network needs."
        )
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(
            f"The description of the network in {path.name} cannot be read: {error}"
        ) from error
    if not isinstance(config, dict):
        raise ModelRefusedError(f"{path.name} describes no network.")
    return config


def describe_again(path: Path, config: dict[str, Any]) -> None:
    """Write another description of the network into the file."""
    with h5py.File(path, "r+", locking=False) as file:
        file.attrs["model_config"] = json.dumps(config)


def _walk(file: h5py.File, size: int) -> None:
    waiting: list[h5py.Group] = [file]
    known: set[int] = set()
    total = members = 0
    while waiting:
        group = waiting.pop()
        for key in group:
            members += 1
            link = group.get(key, getlink=True)
            where = f"{group.name.rstrip('/')}/{key}"[:200]
            if isinstance(link, h5py.ExternalLink):
                raise ModelRefusedError(
                    f"The weights {where!r} lead to another file, {str(link.filename)[:100]!r}."
                )
            if not isinstance(link, h5py.HardLink):
                raise ModelRefusedError(f"The weights {where!r} are a link and not weights.")
            one = group[key]
            address = h5py.h5o.get_info(one.id).addr
            if address in known:
                continue
            known.add(address)
            if isinstance(one, h5py.Group):
                waiting.append(one)
            elif isinstance(one, h5py.Dataset):
                total += _check_dataset(one, where)
            if total > WEIGHTS_BYTES or members > MEMBERS:
                raise ModelRefusedError(
                    f"The weights claim {total / 2**30:,.0f} GB in a file of {size / 2**20:,.1f} MB."
                )


def _check_dataset(one: h5py.Dataset, where: str) -> int:
    if one.external or one.is_virtual:
        raise ModelRefusedError(f"The weights {where!r} are kept in another file.")
    if one.dtype.hasobject and one.shape not in ((), None) and one.size > MEMBERS:
        raise ModelRefusedError(f"The weights {where!r} are no numbers.")
    return int(one.size or 0) * one.dtype.itemsize
