"""From labelled photos to examples, split so that no near-duplicates cross a border."""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.decoding.crop import decode_cut
from webapp.inference.decoding.images import difference_hash, fit_input, working_side
from webapp.inference.models import held_out
from webapp.inference.models.card import InputSpec
from webapp.inference.models.held_out import LabelledPhoto
from webapp.training.recipe import Recipe, SplitRule

Examples = list["TrainingExample"]
Parts = dict[str, Examples]
# around the box of a car, for random crops that reach beyond it as inexact boxes do
_CONTEXT = 0.1
# steps of 255 between small copies; photos that only share a hash differ by 18
_ALIKE = 15.0
_SAME_PICTURE = 4.0  # one picture, compressed or scaled anew
_BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True, kw_only=True)
class TrainingExample(LabelledPhoto):
    """A labelled photo, decoded as in serving."""

    dhash: int  # its difference hash
    pixels: NDArray[np.uint8]  # RGB of shape (height, width, 3), made smaller
    taken: float | None = None  # seconds since 1970, from the time in the file's name
    group: int = -1  # shared by near-duplicates
    size: tuple[int, int] = (0, 0)  # (width, height) before it was made smaller


def _read_example(photo: LabelledPhoto, max_side: int) -> TrainingExample:
    """A photo read as in serving, then made smaller. Raises `OSError` or `PhotoRefusedError`."""
    content = photo.path.read_bytes()
    pixels = decode_cut(content, photo.box, margin=_CONTEXT)
    image = Image.fromarray(pixels)
    size, dhash = image.size, difference_hash(image)
    if max(size) > max_side:
        image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(image)
    taken: float | None = None
    if match := re.search(r"(?<!\d)(\d{14})(?!\d)", photo.path.name):  # as in 20240131235959
        with suppress(ValueError):
            taken = datetime.strptime(f"{match[1]}Z", "%Y%m%d%H%M%S%z").timestamp()
    known = vars(photo) | {"sha256": hashlib.sha256(content).hexdigest()}
    return TrainingExample(**known, dhash=dhash, pixels=pixels, taken=taken, size=size)


def reading_side(recipe: Recipe) -> int:
    """The pixels on the longest side with which photos are read to learn from: half more than the
    largest size that the network sees, as random crops take part of them."""
    sizes = [(recipe.input.height, recipe.input.width), *(stage.size for stage in recipe.stages)]
    return round(1.5 * max(max(size) for size in sizes))


def read_examples(
    photos: Iterable[LabelledPhoto], max_side: int
) -> tuple[Examples, list[tuple[str, str]]]:
    """The photos that can be read, and for each of the others its name and why not."""
    examples: Examples = []
    refused: list[tuple[str, str]] = []
    for photo in photos:
        try:
            examples.append(_read_example(photo, max_side))
        except (OSError, PhotoRefusedError) as error:
            refused.append((photo.name, str(error)))
    return examples, refused


def reading_report(
    examples: Examples, refused: list[str], repeated: list[str], two_labels: list[str]
) -> dict[str, Any]:
    """What was read, and the names of what was left out and why, as plain JSON."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        counts[example.source][example.label] += 1
    groups = Counter(example.group for example in examples).values()
    return {
        "photos": len(examples),
        "by_source": {name: dict(sorted(counts[name].items())) for name in sorted(counts)},
        "refused": refused,
        "exact_duplicates_dropped": repeated,
        "two_labels_dropped": two_labels,
        "groups_of_near_duplicates": sum(size > 1 for size in groups),
        "photos_in_such_groups": sum(size for size in groups if size > 1),
    }


def group(examples: Examples, rule: SplitRule) -> Examples:
    """The examples with `group` set: near-duplicates and bursts share one."""
    parents = list(range(len(examples)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    pairs = near_pairs(examples, rule.near_distance)
    timed = sorted(
        (example.source, example.label, example.taken, place)
        for place, example in enumerate(examples)
        if example.taken is not None
    )
    for before, after in pairwise(timed):
        if before[:2] == after[:2] and after[2] - before[2] <= rule.burst_seconds:
            pairs.append((before[3], after[3]))
    for first, second in pairs:
        parents[root(second)] = root(first)
    return [replace(example, group=root(place)) for place, example in enumerate(examples)]


def near_pairs(examples: Examples, distance: int) -> list[tuple[int, int]]:
    """The places of every two examples whose hashes differ in at most `distance` bits."""
    hashes = np.array([example.dhash for example in examples], dtype=np.uint64)
    pairs: list[tuple[int, int]] = []
    for place in range(len(examples) - 1):
        differing = np.bitwise_count(hashes[place + 1 :] ^ hashes[place])
        near = np.flatnonzero(differing <= distance).tolist()
        pairs += [(place, place + 1 + offset) for offset in near]
    return pairs


@dataclass(frozen=True)
class Conflict:
    """Two photos that look alike and have two labels; `difference` is that of small copies, in
    steps of 255 on average."""

    first: TrainingExample
    second: TrainingExample
    difference: float


def conflicts(examples: Examples, distance: int) -> list[Conflict]:
    """Pairs with two labels that share a hash and are alike in colour: a hash may be chance. Those
    that differ least come first."""
    pairs = []
    for places in near_pairs(examples, distance):
        first, second = (examples[place] for place in places)
        if first.label == second.label:
            continue
        small = [
            np.asarray(Image.fromarray(photo.pixels).resize((16, 16), _BILINEAR), dtype=np.float32)
            for photo in (first, second)
        ]
        difference = float(np.abs(small[0] - small[1]).mean())
        if difference <= _ALIKE:
            pairs.append(Conflict(first, second, difference))
    return sorted(pairs, key=lambda pair: (pair.difference, pair.first.name, pair.second.name))


def without_conflicts(examples: Examples, distance: int) -> tuple[Examples, list[str]]:
    """The examples without those that are one picture with two labels, of which nobody knows which
    is right; and the names of those."""
    same = [pair for pair in conflicts(examples, distance) if pair.difference <= _SAME_PICTURE]
    names = sorted({photo.name for pair in same for photo in (pair.first, pair.second)})
    return [example for example in examples if example.name not in names], names


def split(
    examples: Examples, rule: SplitRule, earlier: held_out.Split = MappingProxyType({})
) -> Parts:
    """Train, validation and test: whole groups, seeded, in shares of each label and source.

    Groups with a file in `earlier` keep its part; train goes before the others. When too few are
    left to fill test and validation, both get less, in the same proportion. Raises
    `TrainingError` if a label is left without a training photo, or a part is empty.
    """
    shares = {"test": rule.test, "validation": rule.validation}
    parts: Parts = {"train": [], "validation": [], "test": []}
    for stratum, groups in sorted(_strata(examples).items()):
        groups.sort(key=lambda members: members[0].sha256)
        np.random.default_rng([rule.seed, *"/".join(stratum).encode()]).shuffle(groups)
        total = sum(map(len, groups))
        room = {part: round(share * total) for part, share in shares.items()}
        free = []
        for members in groups:
            kept = {earlier.get(example.sha256) for example in members}
            part = next((part for part in parts if part in kept), "")
            if not part:
                free.append(members)
                continue
            parts[part] += members
            if part in room:
                room[part] = max(0, room[part] - len(members))
        short = min(1.0, sum(map(len, free)) / max(1, sum(room.values())))
        room = {part: round(short * size) for part, size in room.items()}
        for members in free:
            part = next((part for part in room if len(members) <= room[part]), "train")
            parts[part] += members
            if part in room:
                room[part] -= len(members)
    labels = {example.label for example in parts["train"]}
    missing = sorted({example.label for example in examples} - labels)
    if missing:
        raise TrainingError(
            f"Too few photos of {', '.join(missing)}: none is left to train on after the split."
        )
    for part, share in shares.items():
        if not parts[part]:
            raise TrainingError(
                f"Too few photos: none is left for {part}. It takes {math.ceil(0.5 / share)} of at "
                "least one label; ten of each are better."
            )
    return parts


def _strata(examples: Examples) -> dict[tuple[str, str], list[Examples]]:
    """The groups by the label and source of most of their members."""
    groups: dict[int, Examples] = defaultdict(list)
    for example in examples:
        groups[example.group].append(example)
    strata: dict[tuple[str, str], list[Examples]] = defaultdict(list)
    for members in groups.values():
        counts = Counter((example.label, example.source) for example in members)
        members.sort(key=lambda example: example.sha256)
        strata[counts.most_common(1)[0][0]].append(members)
    return strata


def fingerprint(parts: Parts) -> str:
    """SHA-256 of which file is in which part: the same for models measured on the same photos."""
    return held_out.fingerprint(split_of(parts))


def split_of(parts: Parts) -> held_out.Split:
    """The part of each file, by its SHA-256."""
    return {example.sha256: part for part, members in parts.items() for example in members}


def fit_all(examples: Examples, spec: InputSpec) -> NDArray[np.uint8]:
    """The examples as `fit_photo` makes them: uint8 (examples, height, width, 3)."""
    fitted = [fit_photo(example, spec) for example in examples]
    return np.stack(fitted) if fitted else np.zeros((0, spec.height, spec.width, 3), np.uint8)


def fit_photo(photo: LabelledPhoto, spec: InputSpec) -> NDArray[np.uint8]:
    """A photo exactly as the server sees it. Raises `OSError` or `PhotoRefusedError`."""
    return fit_input(decode_cut(photo.path.read_bytes(), photo.box, working_side(spec)), spec)


def truths_of(examples: Examples, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Each example's place in the label order."""
    return np.array([names.index(example.label) for example in examples], dtype=np.int64)
