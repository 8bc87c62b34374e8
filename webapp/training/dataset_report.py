"""What there is to know about photos before training on them: counts, duplicates, files and labels that want a look."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from webapp.errors import PhotoRefusedError
from webapp.inference.decoding.crop import decode_cut
from webapp.training.dataset import Example, group, make_example, near_pairs, short_name
from webapp.training.readers import Found, labels_in, list_photos
from webapp.training.recipe import Recipe

TINY_SIDE = 100
KEPT_SIDE = 32  # the report needs few pixels once they are hashed
ALIKE = 15.0  # steps of 255 by which two small copies may differ on average: photos that only share a hash differ by 18 and more
SHOWN = 20  # entries of a long list in the text; --json has them all
Watch = Callable[[Iterable[Found]], Iterable[Found]]


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be used, and why."""

    file: str
    why: str


@dataclass(frozen=True)
class Tiny:
    """A photo, or what its box cuts out, whose shorter side has fewer than `TINY_SIDE` pixels."""

    file: str
    width: int
    height: int


@dataclass(frozen=True)
class Pair:
    """Two photos that look alike and carry different labels; `same_file` when they are equal byte for byte, else `difference` says how
    far apart two small copies are, in steps of 255 on average."""

    first: str
    first_label: str
    second: str
    second_label: str
    same_file: bool
    difference: float


@dataclass(frozen=True)
class DatasetReport:
    """All findings. Files are named by folder, label and file name; each group of duplicates is a list of them."""

    name: str
    labels: dict[str, str]  # name -> what people read
    counts: dict[str, dict[str, int]]  # label -> source -> photos
    unreadable: list[Unreadable] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    tiny: list[Tiny] = field(default_factory=list)
    exact_duplicates: list[list[str]] = field(default_factory=list)
    near_duplicates: list[list[str]] = field(default_factory=list)
    two_labels: list[Pair] = field(default_factory=list)
    unknown_labels: list[str] = field(default_factory=list)
    empty_labels: list[str] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, int]:
        """Photos of each label that has any."""
        return {label: sum(sources.values()) for label, sources in self.counts.items() if sources}

    @property
    def photos(self) -> int:
        """All readable photos."""
        return sum(self.totals.values())

    @property
    def imbalance(self) -> float | None:
        """Photos of the largest label for each one of the smallest, None without photos."""
        return (
            round(max(self.totals.values()) / min(self.totals.values()), 2) if self.totals else None
        )

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {"photos": self.photos, "imbalance": self.imbalance} | asdict(self)


def report(
    recipe: Recipe, folders: Iterable[tuple[Path, str]], watch: Watch = lambda photos: photos
) -> DatasetReport:
    """Read every photo of the (folder, source) pairs as training would, and say what was found. `watch` sees each photo before it is read.

    Raises `TrainingError` when a folder does not have the recipe's layout.
    """
    listings = [(list_photos(folder, recipe.layout), source) for folder, source in folders]
    named = labels_in(listing for listing, _ in listings)
    shown = {label.name: label.display for label in recipe.labels} or named
    expected = list(shown)
    counts: dict[str, Counter[str]] = {label: Counter() for label in sorted({*expected, *named})}
    examples: list[Example] = []
    unreadable: list[Unreadable] = []
    tiny: list[Tiny] = []
    for listing, source in listings:
        for one in watch(listing.photos):
            try:
                content = one.path.read_bytes()
                pixels = decode_cut(content, one.box)
            except (OSError, PhotoRefusedError) as error:
                unreadable.append(Unreadable(short_name(one.path), str(error)))
                continue
            examples.append(
                make_example(
                    one.path, one.label, source, content, pixels, max_side=KEPT_SIDE, box=one.box
                )
            )
            counts[one.label][source] += 1
            if min(pixels.shape[:2]) < TINY_SIDE:
                tiny.append(Tiny(short_name(one.path), pixels.shape[1], pixels.shape[0]))
    return DatasetReport(
        recipe.name,
        {label: shown.get(label, label) for label in counts},
        {label: dict(sorted(sources.items())) for label, sources in counts.items()},
        unreadable,
        [line for listing, _ in listings for line in listing.missing],
        tiny,
        _groups(examples, lambda one: one.sha256),
        _groups(_first_of_each(group(examples, recipe.split)), lambda one: one.group),
        _two_labels(examples, recipe.split.near_distance),
        sorted(set(named) - set(expected)),
        [label for label, sources in counts.items() if not sources],
    )


def _groups(examples: Iterable[Example], key: Callable[[Example], Any]) -> list[list[str]]:
    """The names of the examples that share a key with another one."""
    found: dict[Any, list[str]] = defaultdict(list)
    for one in examples:
        found[key(one)].append(one.short_name)
    return [sorted(names) for names in found.values() if len(names) > 1]


def _first_of_each(examples: Iterable[Example]) -> list[Example]:
    """One example for each content: exact duplicates have a list of their own."""
    return list({one.sha256: one for one in examples}.values())


def _two_labels(examples: list[Example], distance: int) -> list[Pair]:
    """Pairs that share a hash and, looked at again in colour, are alike: two cars before a plain sky may share a hash by chance."""
    pairs = []
    for first, second in near_pairs(examples, distance):
        one, other = examples[first], examples[second]
        if one.label != other.label:
            difference = float(np.abs(_small(one) - _small(other)).mean())
            if difference <= ALIKE:
                same = one.sha256 == other.sha256
                pairs.append(
                    Pair(
                        one.short_name,
                        one.label,
                        other.short_name,
                        other.label,
                        same,
                        round(difference, 1),
                    )
                )
    return sorted(pairs, key=lambda pair: (pair.difference, pair.first, pair.second))


def _small(one: Example) -> NDArray[np.float32]:
    return np.asarray(
        Image.fromarray(one.pixels).resize((16, 16), Image.Resampling.BILINEAR), dtype=np.float32
    )


# ---- in words ----


def in_words(found: DatasetReport) -> list[str]:
    """The report as lines for people: what to know first, then the lists, the longest of them cut short."""
    sources = sorted({source for one in found.counts.values() for source in one})
    names = {
        label: label if display == label else f"{label} ({display})"
        for label, display in found.labels.items()
    }
    lines = [
        f"{found.name}: {found.photos:,} photos, {len(found.totals)} labels, {len(sources)} source{'s' if len(sources) != 1 else ''}",
        "",
    ]
    width = max((len(name) for name in names.values()), default=0) + 2
    lines.append(
        f"{'label':<{width}}{('all' if len(sources) > 1 else 'photos'):>8}"
        + "".join(f"{source:>{len(source) + 3}}" for source in sources if len(sources) > 1)
    )
    for label, counts in found.counts.items():
        shares = "".join(
            f"{counts.get(source, 0):>{len(source) + 3}}" for source in sources if len(sources) > 1
        )
        lines.append(f"{names[label]:<{width}}{sum(counts.values()):>8}{shares}")
    lines += ["", _imbalance(found)]
    lines += _listed("No photo at all", found.empty_labels)
    lines += _listed("Not a label of the recipe", found.unknown_labels)
    lines += _listed("Cannot be read", [f"{one.file}: {one.why}" for one in found.unreadable])
    lines += _listed("Listed, but not usable", found.missing)
    lines += _listed(
        f"Smaller than {TINY_SIDE} pixels",
        [f"{one.file}: {one.width} x {one.height}" for one in found.tiny],
    )
    lines += _listed(
        "The same file more than once", [" = ".join(names) for names in found.exact_duplicates]
    )
    lines += _listed(
        "Near-duplicates and bursts, kept together when photos are split",
        [" ~ ".join(names) for names in found.near_duplicates],
    )
    pairs = [
        f"{one.first} {'=' if one.same_file else '~'} {one.second}" for one in found.two_labels
    ]
    lines += _listed("Look alike, but have two labels (is one of them wrong?)", pairs)
    return lines


def _imbalance(found: DatasetReport) -> str:
    labels = found.totals
    if not labels:
        return "No photo can be read."
    largest, smallest = (
        max(labels, key=lambda one: labels[one]),
        min(labels, key=lambda one: labels[one]),
    )
    most, fewest = f"{largest}, {labels[largest]}", f"{smallest}, {labels[smallest]}"
    return f"The largest label ({most}) has {found.imbalance} times the photos of the smallest ({fewest})."


def _listed(heading: str, entries: list[str]) -> list[str]:
    if not entries:
        return [f"{heading}: none."]
    more = [f"  … and {len(entries) - SHOWN} more: see --json"] if len(entries) > SHOWN else []
    return [f"{heading}: {len(entries)}", *(f"  {one}" for one in entries[:SHOWN]), *more]
