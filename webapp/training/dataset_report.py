"""What to know about photos before training on them: counts, duplicates, doubtful labels."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from webapp.inference.models.held_out import LabelledPhoto
from webapp.training.dataset import Conflict, TrainingExample, conflicts, group, read_examples
from webapp.training.readers import list_data
from webapp.training.recipe import Recipe

_TINY_SIDE = 100  # pixels
_KEPT_SIDE = 32  # pixels that are kept of a photo once it is hashed
_LISTED = 20  # entries of a long list in the text; --json has them all
_Watch = Callable[[Iterable[LabelledPhoto]], Iterable[LabelledPhoto]]


def make_report(recipe: Recipe, folders: Iterable[Path], watch: _Watch = iter) -> dict[str, Any]:
    """All findings about the photos, each read as training would, as plain JSON.

    Files are named by folder, label and file name; duplicates come in lists. `imbalance` are the
    photos of the largest label for each of the smallest. `watch` is handed the photos before they
    are read. Raises `TrainingError` for another layout.
    """
    listing = list_data(folders, recipe)
    displays = {label.name: label.display for label in recipe.labels} or listing.labels
    examples, unreadable = read_examples(watch(listing.photos), _KEPT_SIDE)
    counts: dict[str, dict[str, int]] = {
        label: {} for label in sorted({*displays, *listing.labels})
    }
    for example in sorted(examples, key=lambda example: example.source):
        sources = counts[example.label]
        sources[example.source] = sources.get(example.source, 0) + 1
    totals = [sum(sources.values()) for sources in counts.values() if sources]
    unique = {example.sha256: example for example in group(examples, recipe.split)}.values()
    return {
        "photos": len(examples),
        "imbalance": round(max(totals) / min(totals), 2) if totals else None,
        "name": recipe.name,
        "labels": {label: displays.get(label, label) for label in counts},
        "counts": counts,  # label -> source -> photos
        "unreadable": [{"file": name, "why": why} for name, why in unreadable],
        "missing": list(listing.missing),
        "tiny": [
            {"file": example.name, "width": example.size[0], "height": example.size[1]}
            for example in examples
            if min(example.size) < _TINY_SIDE
        ],
        "exact_duplicates": _alike(examples, lambda example: example.sha256),
        "near_duplicates": _alike(unique, lambda example: example.group),
        "two_labels": [_told(pair) for pair in conflicts(examples, recipe.split.near_distance)],
        "unknown_labels": sorted(listing.labels.keys() - displays.keys()),
        "empty_labels": [label for label, sources in counts.items() if not sources],
    }


def _alike(
    examples: Iterable[TrainingExample], key: Callable[[TrainingExample], object]
) -> list[list[str]]:
    """The names of the examples that share a key with another one."""
    groups: dict[object, list[str]] = defaultdict(list)
    for example in examples:
        groups[key(example)].append(example.name)
    return [sorted(names) for names in groups.values() if len(names) > 1]


def _told(conflict: Conflict) -> dict[str, Any]:
    first, second = conflict.first, conflict.second
    return {
        "first": first.name,
        "first_label": first.label,
        "second": second.name,
        "second_label": second.label,
        "same_file": first.sha256 == second.sha256,
        "difference": round(conflict.difference, 1),
    }


# ---- as text ----


def report_lines(report: dict[str, Any]) -> list[str]:
    """The report as lines for people; long lists are cut short."""
    counts = report["counts"]
    sources = sorted({source for photos in counts.values() for source in photos})
    totals = {label: sum(photos.values()) for label, photos in counts.items() if photos}
    plural = "" if len(sources) == 1 else "s"
    lines = [
        f"{report['name']}: {report['photos']:,} photos, {len(totals)} labels, "
        f"{len(sources)} source{plural}",
        "",
        *_count_table(report, sources if len(sources) > 1 else []),
        "",
        "No photo can be read.",
    ]
    if totals:
        largest, smallest = (pick(totals, key=lambda label: totals[label]) for pick in (max, min))
        lines[-1] = (
            f"The largest label ({largest}, {totals[largest]}) has {report['imbalance']} times the "
            f"photos of the smallest ({smallest}, {totals[smallest]})."
        )
    lists = {
        "No photo at all": report["empty_labels"],
        "Not a label of the recipe": report["unknown_labels"],
        "Cannot be read": [f"{file['file']}: {file['why']}" for file in report["unreadable"]],
        "Listed, but not usable": report["missing"],
        f"Smaller than {_TINY_SIDE} pixels": [
            f"{photo['file']}: {photo['width']} x {photo['height']}" for photo in report["tiny"]
        ],
        "The same file more than once": [" = ".join(names) for names in report["exact_duplicates"]],
        "Near-duplicates and bursts, kept together when photos are split": [
            " ~ ".join(names) for names in report["near_duplicates"]
        ],
        "Look alike, but have two labels (is one of them wrong?)": [
            f"{pair['first']} {'=' if pair['same_file'] else '~'} {pair['second']}"
            for pair in report["two_labels"]
        ],
    }
    for heading, entries in lists.items():
        lines.append(f"{heading}: {len(entries) or 'none.'}")
        lines += [f"  {entry}" for entry in entries[:_LISTED]]
        if len(entries) > _LISTED:
            lines.append(f"  … and {len(entries) - _LISTED} more: see --json")
    return lines


def _count_table(report: dict[str, Any], sources: list[str]) -> list[str]:
    names = {
        label: label if display == label else f"{label} ({display})"
        for label, display in report["labels"].items()
    }
    width = max(map(len, names.values()), default=0) + 2
    heading = f"{'label':<{width}}{'all' if sources else 'photos':>8}"
    lines = [heading + "".join(f"{source:>{len(source) + 3}}" for source in sources)]
    for label, counts in report["counts"].items():
        columns = "".join(f"{counts.get(source, 0):>{len(source) + 3}}" for source in sources)
        lines.append(f"{names[label]:<{width}}{sum(counts.values()):>8}{columns}")
    return lines
