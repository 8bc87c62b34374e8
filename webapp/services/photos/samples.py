"""Which sample pictures there are, and what people call them."""

import re
from dataclasses import dataclass
from pathlib import Path

from webapp.inference.models.card import ModelCard
from webapp.services.photos.wording import display


@dataclass(frozen=True)
class Sample:
    """`name` as in its address, `title` for people; `is_label` when it shows a label."""

    name: str
    title: str
    is_label: bool


def find_samples(folder: Path, card: ModelCard | None) -> list[Sample]:
    """The samples of `folder` (`<name>.jpg`) by name, those that show none of the labels last."""
    samples = []
    for name in sorted(path.stem for path in folder.glob("*.jpg")):
        if re.fullmatch(r"[a-z0-9_-]+", name):
            is_label = card is not None and card.label(name) is not None
            title = re.sub("[-_]", " ", name).capitalize()
            samples.append(Sample(name, display(card, name) if is_label else title, is_label))
    return sorted(samples, key=lambda sample: not sample.is_label)
