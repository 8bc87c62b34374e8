"""What to know about photos before training on them: counts, duplicates, doubtful labels."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from webapp.errors import PhotoRefusedError
from webapp.training.dataset import (
    Examples,
    TrainingExample,
    group,
    near_pairs,
    read_example,
    short_name,
)
from webapp.training.readers import ListedPhoto, labels_in, list_photos
from webapp.training.recipe import Recipe

_TINY_SIDE = 100  # pixels
_KEPT_SIDE = 32  # pixels that are kept of a photo once it is hashed
_ALIKE = 15.0  # steps of 255 between small copies; photos that only share a hash differ by 18
_LISTED = 20  # entries of a long list in the text; --json has them all
_BILINEAR = Image.Resampling.BILINEAR
_Watch = Callable[[Iterable[ListedPhoto]], Iterable[ListedPhoto]]


@dataclass(frozen=True)
class _UnreadableFile:
    """A file that cannot be used, and why."""

    file: str
    why: str


@dataclass(frozen=True)
class TinyPhoto:
    """A photo, or what its box cuts out, whose shorter side has fewer than 100 pixels."""

    file: str
    width: int
    height: int


@dataclass(frozen=True)
class LabelConflict:
    """Two photos that look alike and carry different labels."""

    first: str
    first_label: str
    second: str
    second_label: str
    same_file: bool  # equal byte for byte
    difference: float  # of two small copies, in steps of 255 on average


@dataclass(frozen=True)
class DatasetReport:
    """All findings. Files are named by folder, label and file name; duplicates come in lists."""

    name: str
    labels: dict[str, str]  # name -> what people read
    counts: dict[str, dict[str, int]]  # label -> source -> photos
    unreadable: list[_UnreadableFile]
    missing: list[str]
    tiny: list[TinyPhoto]
    exact_duplicates: list[list[str]]
    near_duplicates: list[list[str]]
    two_labels: list[LabelConflict]
    unknown_labels: list[str]
    empty_labels: list[str]

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
        totals = self.totals.values()
        return round(max(totals) / min(totals), 2) if totals else None

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {"photos": self.photos, "imbalance": self.imbalance} | asdict(self)


def make_report(
    recipe: Recipe, folders: Iterable[tuple[Path, str]], watch: _Watch = iter
) -> DatasetReport:
    """Read every photo of the (folder, source) pairs as training would.

    `watch` is handed those of each folder before. Raises `TrainingError` for another layout.
    """
    listings = [(list_photos(folder, recipe.layout), source) for folder, source in folders]
    named = labels_in(listing for listing, _ in listings)
    displays = {label.name: label.display for label in recipe.labels} or named
    counts: dict[str, Counter[str]] = {label: Counter() for label in sorted({*displays, *named})}
    examples: Examples = []
    unreadable: list[_UnreadableFile] = []
    for listing, source in listings:
        for photo in watch(listing.photos):
            try:
                examples.append(read_example(photo, source, _KEPT_SIDE))
                counts[photo.label][source] += 1
            except (OSError, PhotoRefusedError) as error:
                unreadable.append(_UnreadableFile(short_name(photo.path), str(error)))
    unique = {example.sha256: example for example in group(examples, recipe.split)}.values()
    return DatasetReport(
        name=recipe.name,
        labels={label: displays.get(label, label) for label in counts},
        counts={label: dict(sorted(sources.items())) for label, sources in counts.items()},
        unreadable=unreadable,
        missing=[line for listing, _ in listings for line in listing.missing],
        tiny=[
            TinyPhoto(short_name(example.path), *example.size)
            for example in examples
            if min(example.size) < _TINY_SIDE
        ],
        exact_duplicates=_alike(examples, lambda example: example.sha256),
        near_duplicates=_alike(unique, lambda example: example.group),
        two_labels=_conflicts(examples, recipe.split.near_distance),
        unknown_labels=sorted(set(named) - set(displays)),
        empty_labels=[label for label, sources in counts.items() if not sources],
    )


def _alike(
    examples: Iterable[TrainingExample], key: Callable[[TrainingExample], object]
) -> list[list[str]]:
    """The names of the examples that share a key with another one."""
    groups: dict[object, list[str]] = defaultdict(list)
    for example in examples:
        groups[key(example)].append(short_name(example.path))
    return [sorted(names) for names in groups.values() if len(names) > 1]


def _conflicts(examples: Examples, distance: int) -> list[LabelConflict]:
    """Pairs with two labels that share a hash and are alike in colour: a hash may be chance."""
    conflicts = []
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
            photos = (short_name(first.path), first.label, short_name(second.path), second.label)
            same_file = first.sha256 == second.sha256
            conflicts.append(LabelConflict(*photos, same_file, round(difference, 1)))
    return sorted(conflicts, key=lambda pair: (pair.difference, pair.first, pair.second))


# ---- as text ----


def report_lines(report: DatasetReport) -> list[str]:
    """The report as lines for people; long lists are cut short."""
    sources = sorted({source for counts in report.counts.values() for source in counts})
    plural, totals = "" if len(sources) == 1 else "s", report.totals
    lines = [
        f"{report.name}: {report.photos:,} photos, {len(totals)} labels, "
        f"{len(sources)} source{plural}",
        "",
        *_count_table(report, sources if len(sources) > 1 else []),
        "",
        "No photo can be read.",
    ]
    if totals:
        largest, smallest = (pick(totals, key=lambda label: totals[label]) for pick in (max, min))
        lines[-1] = (
            f"The largest label ({largest}, {totals[largest]}) has {report.imbalance} times the "
            f"photos of the smallest ({smallest}, {totals[smallest]})."
        )
    lists = {
        "No photo at all": report.empty_labels,
        "Not a label of the recipe": report.unknown_labels,
        "Cannot be read": [f"{file.file}: {file.why}" for file in report.unreadable],
        "Listed, but not usable": report.missing,
        f"Smaller than {_TINY_SIDE} pixels": [
            f"{photo.file}: {photo.width} x {photo.height}" for photo in report.tiny
        ],
        "The same file more than once": [" = ".join(names) for names in report.exact_duplicates],
        "Near-duplicates and bursts, kept together when photos are split": [
            " ~ ".join(names) for names in report.near_duplicates
        ],
        "Look alike, but have two labels (is one of them wrong?)": [
            f"{pair.first} {'=' if pair.same_file else '~'} {pair.second}"
            for pair in report.two_labels
        ],
    }
    for heading, entries in lists.items():
        lines.append(f"{heading}: {len(entries) or 'none.'}")
        lines += [f"  {entry}" for entry in entries[:_LISTED]]
        if len(entries) > _LISTED:
            lines.append(f"  … and {len(entries) - _LISTED} more: see --json")
    return lines


def _count_table(report: DatasetReport, sources: list[str]) -> list[str]:
    names = {
        label: label if display == label else f"{label} ({display})"
        for label, display in report.labels.items()
    }
    width = max(map(len, names.values()), default=0) + 2
    heading = f"{'label':<{width}}{'all' if sources else 'photos':>8}"
    lines = [heading + "".join(f"{source:>{len(source) + 3}}" for source in sources)]
    for label, counts in report.counts.items():
        columns = "".join(f"{counts.get(source, 0):>{len(source) + 3}}" for source in sources)
        lines.append(f"{names[label]:<{width}}{sum(counts.values()):>8}{columns}")
    return lines
