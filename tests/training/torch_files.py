"""Writes checkpoints in PyTorch's older format, without PyTorch."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_STORAGES = {"float32": b"ctorch\nFloatStorage\n", "int64": b"ctorch\nLongStorage\n"}
_MACHINE = {"protocol_version": 1001, "little_endian": True}
_NO_HOOKS = b"ccollections\nOrderedDict\n)R"


def plain(value: object) -> bytes:
    """What pushes a plain value: a pickle without its first opcode and its last one."""
    return pickle.dumps(value, protocol=2)[2:-1]


def tensor(key: str, array: np.ndarray) -> bytes:
    """What pushes the array that lies in the storage `key`, with its strides."""
    kind, count = _STORAGES[array.dtype.name], plain(array.size)
    storage = b"(" + plain("storage") + kind + plain(key) + plain("cpu") + count + plain(None)
    strides = tuple(stride // array.itemsize for stride in array.strides)
    place = plain(0) + plain(array.shape) + plain(strides) + plain(False) + _NO_HOOKS
    return b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage[1:] + b"tQ" + place + b"tR"


def state(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The pickle of arrays by name; the storage of each has its name too."""
    items = (plain(name) + tensor(name, array) for name, array in arrays.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + b"".join(items) + b"u."


def write_torch_file(
    path: Path, arrays: Mapping[str, np.ndarray], pickled: bytes | None = None
) -> Path:
    """Write `arrays` to `path`, described by `pickled` instead of their own pickle if given."""
    head = [0x1950A86A20F9469CFC6C, 1001, _MACHINE]
    parts = [pickle.dumps(value, protocol=2) for value in head]
    parts += [pickled or state(arrays), pickle.dumps(list(arrays), protocol=2)]
    for array in arrays.values():
        parts += [array.size.to_bytes(8, "little"), array.tobytes("A")]
    path.write_bytes(b"".join(parts))
    return path
