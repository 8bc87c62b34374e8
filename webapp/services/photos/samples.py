"""The samples that are shipped to be tried: which there are, and what people call them."""

import re
from dataclasses import dataclass
from pathlib import Path

from webapp.inference.models.card import ModelCard
from webapp.services.photos.wording import display


@dataclass(frozen=True)
class Sample:
    """One sample: `name` as in its address, `title` for people, `is_label` when it shows one of the model's labels."""

    name: str
    title: str
    is_label: bool


def find_samples(folder: Path, card: ModelCard | None) -> list[Sample]:
    """The samples of `folder` (`<name>.jpg`) by name, those that show none of the card's labels last."""
    names = sorted(one.stem for one in folder.glob("*.jpg")) if folder.is_dir() else []
    found = [_sample(name, card) for name in names if re.fullmatch(r"[a-z0-9_-]+", name)]
    return sorted(found, key=lambda one: not one.is_label)


def _sample(name: str, card: ModelCard | None) -> Sample:
    is_label = card is not None and card.label(name) is not None
    return Sample(
        name,
        display(card, name) if is_label else name.replace("-", " ").replace("_", " ").capitalize(),
        is_label,
    )
