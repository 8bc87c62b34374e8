"""From labelled photos to examples: reading, finding near-duplicates, splitting so that none of them crosses a border."""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.decoding.crop import Box, decode_cut
from webapp.inference.decoding.images import difference_hash, fit_input, working_side
from webapp.inference.models.card import InputSpec
from webapp.training.readers import Found
from webapp.training.recipe import SplitRule

PARTS = ("train", "validation", "test")
_TIME_IN_NAME = re.compile(r"(?<!\d)(\d{14})(?!\d)")


@dataclass(frozen=True)
class Example:
    """One labelled photo. `pixels` is uint8 RGB of shape (height, width, 3), decoded as in serving; `dhash` its difference hash;
    `taken` seconds from the time in its file name, if there is one; `group` is shared by near-duplicates; `box` is what was cut out."""

    path: Path
    label: str
    source: str
    sha256: str
    dhash: int
    pixels: NDArray[np.uint8]
    taken: float | None = None
    group: int = -1
    box: Box | None = None

    @property
    def short_name(self) -> str:
        """Folder, label and file name: enough to find the file again."""
        return short_name(self.path)


@dataclass(frozen=True)
class Dataset:
    """Examples and what was found while reading them. All labels up to the event `label_event` are in them, None when that is not known."""

    examples: tuple[Example, ...]
    refused: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    contradictory: tuple[str, ...] = ()
    label_event: int | None = None

    def report(self) -> dict[str, Any]:
        """What was read, what was left out and why, as plain JSON."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for one in self.examples:
            counts[one.source][one.label] += 1
        groups = Counter(one.group for one in self.examples)
        return {
            "photos": len(self.examples),
            "by_source": {
                source: dict(sorted(labels.items())) for source, labels in sorted(counts.items())
            },
            "refused": list(self.refused),
            "exact_duplicates_dropped": list(self.repeated),
            "two_labels_dropped": list(self.contradictory),
            "groups_of_near_duplicates": sum(1 for size in groups.values() if size > 1),
            "photos_in_such_groups": sum(size for size in groups.values() if size > 1),
        }


Say = Callable[[str], None]


def read_photos(
    photos: Iterable[Found], source: str, *, max_side: int, say: Say
) -> tuple[list[Example], list[str]]:
    """The photos decoded, cut to their boxes and made no larger than `max_side`, and the names of the files that were refused.

    A file that cannot be read is named through `say` and left out.
    """
    examples: list[Example] = []
    refused: list[str] = []
    for one in photos:
        try:
            content = one.path.read_bytes()
            pixels = decode_cut(content, one.box)
        except (OSError, PhotoRefusedError) as error:
            refused.append(short_name(one.path))
            say(f"left out {refused[-1]}: {error}")
            continue
        examples.append(
            make_example(
                one.path, one.label, source, content, pixels, max_side=max_side, box=one.box
            )
        )
    return examples, refused


def make_example(
    path: Path,
    label: str,
    source: str,
    content: bytes,
    pixels: NDArray[np.uint8],
    *,
    max_side: int,
    box: Box | None = None,
) -> Example:
    """An example from a decoded photo. Its pixels are made smaller when their longest side is over `max_side`."""
    image = Image.fromarray(pixels)
    dhash = difference_hash(image)
    if max(image.size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(image)
    found = _TIME_IN_NAME.search(path.name)
    taken = _seconds(found[1]) if found else None
    return Example(
        path, label, source, hashlib.sha256(content).hexdigest(), dhash, pixels, taken, box=box
    )


def short_name(path: Path) -> str:
    """Folder, label and file name: enough to find the file again."""
    return "/".join(path.parts[-3:])


def drop_repeats(examples: list[Example]) -> tuple[list[Example], list[str], list[str]]:
    """The examples without exact duplicates; the names of dropped repeats; the names of files that lie under two labels (all dropped)."""
    by_bytes: dict[str, list[Example]] = defaultdict(list)
    for one in examples:
        by_bytes[one.sha256].append(one)
    kept: list[Example] = []
    repeated: list[str] = []
    contradictory: list[str] = []
    for same in by_bytes.values():
        if len({one.label for one in same}) > 1:
            contradictory += [one.short_name for one in same]
        else:
            kept.append(same[0])
            repeated += [one.short_name for one in same[1:]]
    return kept, repeated, contradictory


def group(examples: list[Example], rule: SplitRule) -> list[Example]:
    """The examples with `group` set: near-duplicates by difference hash, and bursts by the time in the name, share one."""
    parents = list(range(len(examples)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for first, second in (
        *near_pairs(examples, rule.near_distance),
        *_bursts(examples, rule.burst_seconds),
    ):
        parents[root(second)] = root(first)
    return [replace(one, group=root(place)) for place, one in enumerate(examples)]


def split(
    examples: list[Example], rule: SplitRule, learnt: Collection[str] = ()
) -> dict[str, list[Example]]:
    """Train, validation and test. Whole groups move; the shares hold for each label and source apart; seeded.

    Groups with a file in `learnt` (SHA-256) go to train: the network that training starts from knows them.

    Raises `TrainingError` when a label ends up without a training photo.
    """
    groups: dict[int, list[Example]] = defaultdict(list)
    for one in examples:
        groups[one.group].append(one)
    strata: dict[tuple[str, str], list[list[Example]]] = defaultdict(list)
    for members in groups.values():
        (stratum, _), *_ = Counter((one.label, one.source) for one in members).most_common(1)
        strata[stratum].append(sorted(members, key=lambda one: one.sha256))
    parts: dict[str, list[Example]] = {part: [] for part in PARTS}
    for stratum in sorted(strata):
        waiting = sorted(strata[stratum], key=lambda members: members[0].sha256)
        np.random.default_rng([rule.seed, *"/".join(stratum).encode()]).shuffle(waiting)
        total = sum(map(len, waiting))
        known = [members for members in waiting if any(one.sha256 in learnt for one in members)]
        waiting = [members for members in waiting if members not in known]
        for part, share in (("test", rule.test), ("validation", rule.validation)):
            taken, waiting = _take(waiting, round(share * total))
            parts[part] += taken
        parts["train"] += [one for members in (*known, *waiting) for one in members]
    missing = {one.label for one in examples} - {one.label for one in parts["train"]}
    if missing:
        raise TrainingError(
            f"Too few photos of {', '.join(sorted(missing))}: none is left to train on after the split."
        )
    for part, share in (("test", rule.test), ("validation", rule.validation)):
        if not parts[part]:
            needed = math.ceil(0.5 / share)
            raise TrainingError(
                f"Too few photos: none is left for {part}. It takes {needed} of at least one label; ten of each are better."
            )
    return parts


def fingerprint(parts: dict[str, list[Example]]) -> str:
    """SHA-256 over the sorted lines "<file's SHA-256> <part>": two models with the same one were measured on the same photos."""
    lines = sorted(f"{one.sha256} {part}\n" for part, members in parts.items() for one in members)
    return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()


def fit_all(examples: list[Example], spec: InputSpec) -> NDArray[np.uint8]:
    """The examples exactly as the server would see them: uint8 of shape (examples, height, width, 3)."""
    fitted = [
        fit_input(decode_cut(one.path.read_bytes(), one.box, working_side(spec)), spec)
        for one in examples
    ]
    return np.stack(fitted) if fitted else np.zeros((0, spec.height, spec.width, 3), dtype=np.uint8)


def truths_of(examples: list[Example], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Each example's place in the label order."""
    return np.array([names.index(one.label) for one in examples], dtype=np.int64)


def _take(waiting: list[list[Example]], wanted: int) -> tuple[list[Example], list[list[Example]]]:
    """Groups from the front until `wanted` examples are there; a group that would be too many is passed over."""
    taken: list[Example] = []
    left: list[list[Example]] = []
    for members in waiting:
        if len(taken) + len(members) <= wanted:
            taken += members
        else:
            left.append(members)
    return taken, left


def near_pairs(examples: list[Example], distance: int) -> list[tuple[int, int]]:
    """The places of every two examples whose difference hashes differ in at most `distance` bits."""
    hashes = np.array([one.dhash for one in examples], dtype=np.uint64)
    pairs: list[tuple[int, int]] = []
    for place in range(len(examples) - 1):
        close = np.flatnonzero(np.bitwise_count(hashes[place + 1 :] ^ hashes[place]) <= distance)
        pairs += [(place, place + 1 + int(one)) for one in close]
    return pairs


def _bursts(examples: list[Example], seconds: int) -> list[tuple[int, int]]:
    timed = sorted(
        (one.source, one.label, one.taken, place)
        for place, one in enumerate(examples)
        if one.taken is not None
    )
    return [(a[3], b[3]) for a, b in pairwise(timed) if a[:2] == b[:2] and b[2] - a[2] <= seconds]


def _seconds(stamp: str) -> float | None:
    try:
        return (datetime.strptime(stamp, "%Y%m%d%H%M%S") - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001, DTZ007
    except ValueError:
        return None
