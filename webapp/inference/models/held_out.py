"""Which photos a version was trained on and which were held out: the list in its folder."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from webapp.inference.decoding.crop import Box
from webapp.inference.models.card import VersionCard

SPLIT_FILE = "split.json"
# the part of a split that a version was neither trained, selected nor calibrated on
HELD_OUT = "test"
# a card's `split.learnt_from` where the test part calibrated a refitted network
CALIBRATED_ON_IT = "calibrated on the test photos"

Split = Mapping[str, str]  # SHA-256 of a file in hex -> "train", "validation" or "test"


@dataclass(frozen=True)
class LabelledPhoto:
    """A file and its label; what is "" is not known yet."""

    path: Path
    label: str
    box: Box | None = None  # what is to be cut out of it, if anything
    source: str = ""  # what the data is called that it belongs to
    sha256: str = ""
    part: str = ""  # of a version's split

    @property
    def name(self) -> str:
        """Folder, label and file name, as UTF-8: enough to find the file again."""
        return "/".join(self.path.parts[-3:]).encode("utf-8", "replace").decode("utf-8")


_Photo = TypeVar("_Photo", bound=LabelledPhoto)


def fingerprint(split: Split) -> str:
    """A card's `split.fingerprint`: SHA-256 of the sorted lines "<file's SHA-256> <part>"."""
    lines = sorted(f"{digest} {part}\n" for digest, part in split.items())
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


def write_split(folder: Path, split: Split) -> None:
    """Write the list into a version's folder."""
    text = json.dumps(dict(split), indent=0, sort_keys=True)
    (folder / SPLIT_FILE).write_text(text + "\n", encoding="ascii")


def read_split(folder: Path, card: VersionCard) -> Split | None:
    """The list of a version, None when it has none or one that does not match the card."""
    try:
        split = json.loads((folder / SPLIT_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    if not isinstance(split, dict) or not all(isinstance(part, str) for part in split.values()):
        return None
    return split if fingerprint(split) == card.split.get("fingerprint") else None


def hashed(photo: LabelledPhoto) -> LabelledPhoto:
    """The photo with its SHA-256. Raises `OSError`."""
    return replace(photo, sha256=hashlib.sha256(photo.path.read_bytes()).hexdigest())


def once_each(photos: Iterable[_Photo]) -> tuple[list[_Photo], list[str], list[str]]:
    """Photos with their SHA-256, each content once, in this order.

    Also returns the names of further copies, and of files whose content occurs under two labels.
    """
    by_content: dict[str, list[_Photo]] = defaultdict(list)
    for photo in photos:
        by_content[photo.sha256].append(photo)
    kept: list[_Photo] = []
    repeated: list[str] = []
    two_labels: list[str] = []
    for copies in by_content.values():
        if len({photo.label for photo in copies}) > 1:
            two_labels += [photo.name for photo in copies]
        else:
            kept.append(copies[0])
            repeated += [photo.name for photo in copies[1:]]
    return kept, repeated, two_labels


def is_unseen(sha256: str, splits: Iterable[Split]) -> bool:
    """Whether no version of these splits was trained or calibrated on a photo."""
    return all(split.get(sha256, HELD_OUT) == HELD_OUT for split in splits)
