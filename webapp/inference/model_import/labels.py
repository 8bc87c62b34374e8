"""The labels of an imported network: from a list, a text file or JSON."""

import json
import re
from pathlib import Path

from webapp.errors import ModelRefusedError

_MAX_BYTES = 5 * 1024 * 1024
_MAX_LENGTH = 120


def read_labels(text: str, beside: Path | None = None) -> tuple[tuple[str, ...], bool]:
    """Label names in the order of the outputs, from a file or a comma list, else from `beside`; and
    whether they were numbered there ("0 name").

    A file has a line per label (also Teachable Machine's "0 name"), or is a JSON list, or JSON like
    Keras' `class_indices` ({"name": 0, …}). Raises `ModelRefusedError`.
    """
    path = (Path(text) if _names_a_file(text) else None) if text else beside
    if path is None and not text:
        raise ModelRefusedError(
            "Say what the network's outputs mean: --labels FILE, or --labels first,second,third."
        )
    names, numbered = [name.strip() for name in text.split(",")], False
    if path:
        names, numbered = _read_file(path)
    names = [name for name in names if name]
    for name in names:
        if len(name) > _MAX_LENGTH or not name.isprintable():
            raise ModelRefusedError(f"The label {name[:40]!r} is too long or not made of letters.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ModelRefusedError(f"The label {repeated[0]!r} is there twice.")
    if len(names) < 2:
        where = f"{path.name} has" if path else "there are"
        raise ModelRefusedError(f"A model needs at least two labels; {where} {len(names)}.")
    return tuple(names), numbered


def _names_a_file(text: str) -> bool:
    try:
        return Path(text).suffix in (".txt", ".json") or Path(text).is_file()
    except OSError:  # a list of two hundred labels is too long for a file's name
        return False


def _read_file(path: Path) -> tuple[list[str], bool]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelRefusedError(f"{path.name} is too large for a list of labels.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ModelRefusedError(f"The labels in {path.name} cannot be read: {reason}.") from error
    if path.suffix == ".json":
        return _read_json(text, path.name), False
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [re.fullmatch(r"(\d+)[\s:,]+(.+)", line) for line in lines]
    if all(match and int(match[1]) == number for number, match in enumerate(numbered)):
        return [match[2] for match in numbered if match], True
    return lines, False


def _read_json(text: str, name: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelRefusedError(f"The labels in {name} are not JSON: {error}") from error
    if isinstance(value, dict):  # {"name": number} of Keras, or {"number": "name"}
        pairs = [(v, k) if isinstance(v, int) else (k, v) for k, v in value.items()]
        order = {int(number): str(label) for number, label in pairs if str(number).isdecimal()}
        if sorted(order) != list(range(len(value))):
            raise ModelRefusedError(
                f"The labels in {name} must have the numbers 0 to {len(value) - 1}, each once."
            )
        return [order[number] for number in range(len(order))]
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ModelRefusedError(
            f"{name} must hold a JSON list of names, or an object of names and numbers."
        )
    return value
