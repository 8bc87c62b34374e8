"""Reads the arrays of a PyTorch checkpoint without PyTorch: those of its older format, not a zip.

Such a file is five pickles (a magic number, the version of the format, the machine's number types,
the arrays by name, the keys of their storages) and then the storages in the order of their keys,
each the number of its values as int64 and the values (PyTorch's `torch/serialization.py`,
`_legacy_save`).
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from webapp.errors import TrainingError

_MAGIC, _FORMAT = 0x1950A86A20F9469CFC6C, 1001
_LARGEST = 1024**3  # bytes of a checkpoint


class _Tensor(NamedTuple):
    """Where an array lies: values from `offset` of a storage on, by its strides in values."""

    storage: tuple[str, str]  # key and dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_gradient: bool
    hooks: OrderedDict[Any, Any]

    def read(self, storages: dict[str, memoryview]) -> NDArray[Any]:
        key, dtype = self.storage
        width = np.dtype(dtype).itemsize
        strides = tuple(width * stride for stride in self.strides)
        return np.ndarray(self.shape, dtype, storages[key], width * self.offset, strides)


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _Tensor,
    "torch.FloatStorage": "<f4",
    "torch.LongStorage": "<i8",
}


class _Unpickler(pickle.Unpickler):
    """Makes dictionaries and arrays of float32 and int64; a pickle that names more is refused."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.dtypes: dict[str, str] = {}  # of the storages, by their keys

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for. Raises `TrainingError` if it is not allowed."""
        try:
            return _ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise TrainingError(
                f"it asks for {module}.{name}; only plain arrays of float32 and int64 are read"
            ) from None

    def persistent_load(self, identity: Any) -> tuple[str, str]:
        """The key and dtype of the storage that a tuple of the pickle describes."""
        _, dtype, key, *_ = identity
        self.dtypes[key] = dtype
        return key, dtype


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint by their names, read-only, float32 or int64.

    `path` is the file itself, or a wheel or zip with a single `.pth` file. Raises `TrainingError`
    when it cannot be read, is in PyTorch's newer format, or holds anything but arrays.
    """
    try:
        return _read_arrays(_read_content(path))
    except Exception as error:  # a damaged pickle raises many kinds
        raise TrainingError(
            f"The weights file {path.name} is no PyTorch checkpoint that can be read: {error}."
        ) from error


def _read_content(path: Path) -> bytes:
    """The bytes of the checkpoint in a file, or in the wheel that the file is."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    else:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".pth")]
            if len(members) != 1:
                raise TrainingError(
                    f"it is a zip with {len(members)} .pth files and needs one; a checkpoint in "
                    "PyTorch's newer format has to be saved again in the older one "
                    "(torch.save with _use_new_zipfile_serialization=False)"
                )
            with archive.open(members[0]) as stream:
                content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise TrainingError("it has more than 1 GB")
    return content


def _read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    stream = io.BytesIO(content)
    unpickler = _Unpickler(stream)
    magic, version, machine = (unpickler.load() for _ in range(3))
    if (magic, version) != (_MAGIC, _FORMAT) or not machine["little_endian"]:
        raise TrainingError("it is no checkpoint in PyTorch's older format")
    tensors, keys = unpickler.load(), unpickler.load()
    storages: dict[str, memoryview] = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        size = count * np.dtype(unpickler.dtypes[key]).itemsize
        storages[key] = memoryview(content)[stream.tell() : stream.tell() + size]
        stream.seek(size, io.SEEK_CUR)
    if not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise TrainingError("it holds more than arrays by name")
    return {name: tensor.read(storages) for name, tensor in tensors.items()}
