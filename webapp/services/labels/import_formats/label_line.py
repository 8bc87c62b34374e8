"""What every format of label files gives."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LabelLine:
    """What one line says about a photo; "" for what it does not say.

    The photo is named by its `id` here, by the `sha256` of its file, or by its file name. `model`
    is the model whose label it is; `where` names the line for people.
    """

    where: str
    label: str
    id: str = ""
    sha256: str = ""
    filename: str = ""
    model: str = ""


def text_of(values: dict[str, Any], name: str) -> str:
    """The text of a key in JSON, "" where there is none."""
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""
