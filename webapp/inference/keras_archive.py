"""What a .keras file asks for, read without Keras and without running anything."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from webapp.errors import ModelRefusedError

CONFIG_BYTES = 20 * 1024 * 1024
UNPACKED_BYTES = 2 * 1024**3
FOREIGN = frozenset({"Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"})  # layers that carry code of their own
PLAIN = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__ellipsis__", "slice"})  # values, not layers


def check_archive(path: Path) -> None:
    """Raise `ModelRefusedError` when a .keras file is no sound archive or asks for anything but Keras' own layers."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {one.filename: one.file_size for one in archive.infolist()}
            if sum(sizes.values()) > UNPACKED_BYTES or sizes.get("config.json", 0) > CONFIG_BYTES:
                raise ModelRefusedError("The Keras file unpacks to more than 2 GB.")
            config = json.loads(archive.read("config.json"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ModelRefusedError(f"This is not a whole .keras file: {error}") from error
    for one in _objects(config):
        name, module = str(one.get("class_name")), str(one.get("module") or "")
        if name not in PLAIN and (name in FOREIGN or module.split(".")[0] != "keras"):
            raise ModelRefusedError(
                f"The model has a layer of the kind {name!r}, which carries code of its own. Only Keras' own layers may."
            )


def _objects(value: Any) -> list[dict[str, Any]]:
    """Every object in a Keras configuration that names a class and a module."""
    found: list[dict[str, Any]] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class_name" in one and "config" in one:
                found.append(one)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found
