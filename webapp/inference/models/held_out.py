"""Which photos a version has learnt from, and which it has never seen: the list that travels with it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webapp.inference.decoding.crop import Box
from webapp.inference.models.card import ModelCard

SPLIT_FILE = "split.json"
HELD_OUT = "test"
"""The part of a split that a version neither learnt from nor was chosen or calibrated by."""

CALIBRATED_ON_IT = "calibrated on the test photos"
"""What a card's `split.learnt_from` says where that part set temperature and limits all the same: those of a network that was refitted."""

Split = Mapping[str, str]
"""SHA-256 of a file in hex -> "train", "validation" or "test"."""


@dataclass(frozen=True)
class LabelledPhoto:
    """A file and its label. `name` is enough to find it again; `box` is what is to be cut out of it, if anything."""

    path: Path
    label: str
    sha256: str
    box: Box | None = None

    @property
    def name(self) -> str:
        """Folder, label and file name."""
        return "/".join(self.path.parts[-3:])


def fingerprint(split: Split) -> str:
    """SHA-256 over the sorted lines "<file's SHA-256> <part>": what a card's `split.fingerprint` says."""
    return hashlib.sha256(
        "".join(sorted(f"{digest} {part}\n" for digest, part in split.items())).encode("ascii")
    ).hexdigest()


def write_split(folder: Path, split: Split) -> None:
    """Lay the list into a version's folder."""
    (folder / SPLIT_FILE).write_text(
        json.dumps(dict(sorted(split.items())), indent=0) + "\n", encoding="ascii"
    )


def read_split(folder: Path, card: ModelCard) -> Split | None:
    """The list of a version, None when it carries none or one that is not the card's."""
    try:
        split = json.loads((folder / SPLIT_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    if not isinstance(split, dict) or not all(isinstance(part, str) for part in split.values()):
        return None
    return split if fingerprint(split) == card.split.get("fingerprint") else None


def find_photos(folders: Iterable[Path]) -> tuple[list[LabelledPhoto], list[str]]:
    """Every file in `folder/<label>/` and below, as `once_each` gives them."""
    return once_each(
        (path, path.relative_to(folder).parts[0], None)
        for folder in folders
        for path in sorted(
            one for one in folder.glob("*/**/*") if one.is_file() and not one.name.startswith(".")
        )
    )


def once_each(
    files: Iterable[tuple[Path, str, Box | None]],
) -> tuple[list[LabelledPhoto], list[str]]:
    """Photos of (file, label, box), each content once, in this order; and the names of files that are there under two labels."""
    found: dict[str, list[LabelledPhoto]] = defaultdict(list)
    for path, label, box in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[digest].append(LabelledPhoto(path, label, digest, box))
    clear = [same[0] for same in found.values() if len({one.label for one in same}) == 1]
    return clear, [
        one.name for same in found.values() if len({one.label for one in same}) > 1 for one in same
    ]


def unseen(
    photos: Iterable[LabelledPhoto], splits: Collection[Split]
) -> tuple[list[LabelledPhoto], list[LabelledPhoto]]:
    """The photos that no version of these splits has learnt from or was calibrated by; and the others."""
    kept: list[LabelledPhoto] = []
    seen: list[LabelledPhoto] = []
    for photo in photos:
        fresh = all(split.get(photo.sha256, HELD_OUT) == HELD_OUT for split in splits)
        (kept if fresh else seen).append(photo)
    return kept, seen
