"""Which photos a published version may be measured on: those that it has never seen."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webapp.errors import TrainingError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import (
    CALIBRATED_ON_IT,
    HELD_OUT,
    LabelledPhoto,
    Split,
    hashed,
    once_each,
)
from webapp.training.data_files import files_in
from webapp.training.dataset import group, read_examples
from webapp.training.readers import Listing
from webapp.training.recipe import SplitRule

_NEW = "new"  # the part of photos that a version's list of files does not name
_NEAR = "near"  # the part of new photos that nearly repeat one that the version has seen
_SEEN = ("train", "validation")
_UNSEEN = (HELD_OUT, _NEW)
_HASHED_SIDE = 32  # pixels that are kept of a photo once it is hashed


Watch = Callable[[Sequence[LabelledPhoto]], Iterable[LabelledPhoto]]


@dataclass(frozen=True)
class PhotoSelection:
    """The photos to measure on, and what became of the others."""

    photos: tuple[LabelledPhoto, ...]
    left_out: Mapping[str, int]  # by part
    repeated: int = 0  # further copies of a file
    two_labels: tuple[str, ...] = ()  # names of files under two labels
    unknown_labels: Mapping[str, int] = field(default_factory=dict)  # photos by strange labels
    missing: tuple[str, ...] = ()  # lines that led to no photo

    @property
    def flattering(self) -> dict[str, int]:
        """How many of the photos the version was trained on or chosen by, by part."""
        return dict(Counter(photo.part for photo in self.photos if photo.part not in _UNSEEN))


def choose_photos(
    listing: Listing,
    card: ModelCard,
    split: Split | None,
    *,
    rule: SplitRule | None = None,
    include_training: bool = False,
    watch: Watch = iter,
) -> PhotoSelection:
    """The photos of a listing that the version has never seen, each once.

    Labels are matched by name, else by display name or alias. New photos that nearly repeat one
    that the version was trained on count as seen; `watch` is handed the photos that are compared.
    Raises `TrainingError` if no photo is left.
    """
    photos, unknown = _labelled(listing, card)
    unique, repeated, two_labels = once_each(_with_part(photo, split) for photo in photos)
    selection = replace(
        _select(_mark_near(unique, rule or SplitRule(), watch), include_training),
        repeated=len(repeated),
        two_labels=tuple(two_labels),
        unknown_labels=dict(sorted(unknown.items())),
        missing=listing.missing,
    )
    if not selection.photos:
        raise TrainingError(_why_none(card, selection, any_known=bool(photos)))
    return selection


def choose_others(
    folder: Path,
    split: Split | None,
    *,
    known: Iterable[LabelledPhoto] = (),
    include_training: bool = False,
) -> PhotoSelection:
    """The files of other things that it has not seen, each once. Raises `TrainingError` if none."""
    ours, source = {photo.sha256 for photo in known}, folder.resolve().name
    photos = [
        _with_part(LabelledPhoto(path, "", source=source), split) for path in files_in(folder)
    ]
    unique = once_each(photo for photo in photos if photo.sha256 not in ours)[0]
    selection = _select(unique, include_training)
    if not selection.photos:
        raise TrainingError(
            f"There is no photo of other things in {folder} that the version has not seen."
        )
    return replace(selection, repeated=len(photos) - len(unique))


def fingerprint(photos: Iterable[LabelledPhoto]) -> str:
    """SHA-256 over the sorted SHA-256 of the photos: the same for two evaluations of the same."""
    digests = sorted(photo.sha256 for photo in photos)
    return hashlib.sha256("\n".join(digests).encode("ascii")).hexdigest()


def describe_seen(counts: Mapping[str, int], card: ModelCard) -> str:
    """How many photos trained the version, chose its limits, or nearly repeat one of these."""
    trained_on = str(card.split.get("learnt_from", ""))
    chose = "epoch" if CALIBRATED_ON_IT in trained_on else "temperature and threshold"
    refitted = " and were trained on after that" if "validation" in trained_on else ""
    words = {
        "train": "{:,} that it was trained on",
        "validation": f"{{:,}} of its validation part, which chose its {chose}{refitted}",
        _NEAR: "{:,} that nearly repeat one that it has seen",
    }
    return "; ".join(text.format(counts[part]) for part, text in words.items() if counts.get(part))


def _labelled(listing: Listing, card: ModelCard) -> tuple[list[LabelledPhoto], Counter[str]]:
    """Every photo with a label of the card, and the numbers of those with other labels.

    Data may call a label by its name, display name or alias, if that means no other one.
    """
    meanings: dict[str, set[str]] = defaultdict(set)  # display name and aliases in lower case
    for label in card.labels:
        for text in (label.name, label.display, *label.aliases):
            meanings[text.casefold()].add(label.name)
    names = {text: min(labels) for text, labels in meanings.items() if len(labels) == 1}
    names |= {name: name for name in card.label_names}
    photos: list[LabelledPhoto] = []
    unknown: Counter[str] = Counter()
    for photo in listing.photos:
        display = listing.labels.get(photo.label, photo.label)
        name = names.get(photo.label) or names.get(display.casefold())
        if name is None:
            unknown[photo.label] += 1
        else:
            photos.append(replace(photo, label=name))
    return photos, unknown


def _with_part(photo: LabelledPhoto, split: Split | None) -> LabelledPhoto:
    try:
        photo = hashed(photo)
    except OSError as error:
        raise TrainingError(f"{photo.name} cannot be read: {error.strerror}.") from error
    return replace(photo, part=(split or {}).get(photo.sha256, _NEW))


def _mark_near(photos: list[LabelledPhoto], rule: SplitRule, watch: Watch) -> list[LabelledPhoto]:
    """The photos, new ones marked that training would have grouped with one it has seen."""
    parts = {photo.part for photo in photos}
    if _NEW not in parts or not parts & {*_SEEN}:
        return photos
    compared = watch([photo for photo in photos if photo.part != HELD_OUT])
    # a file that cannot be read is named when it is to be ranked
    examples = group(read_examples(compared, _HASHED_SIDE)[0], rule)
    seen = {example.group for example in examples if example.part in _SEEN}
    near = {example.sha256 for example in examples if example.group in seen}
    return [
        replace(photo, part=_NEAR) if photo.part == _NEW and photo.sha256 in near else photo
        for photo in photos
    ]


def _select(photos: list[LabelledPhoto], include_training: bool) -> PhotoSelection:
    kept = [photo for photo in photos if include_training or photo.part in _UNSEEN]
    left_out = Counter(photo.part for photo in photos) - Counter(photo.part for photo in kept)
    return PhotoSelection(tuple(kept), dict(left_out))


def _why_none(card: ModelCard, selection: PhotoSelection, any_known: bool) -> str:
    version = f"{card.name} {card.version}"
    if not any_known:
        return (
            f"No photo has a label that {version} knows. "
            f"The data has {shortened(list(selection.unknown_labels), 5)}; "
            f"the version knows {shortened(card.label_names, 5)}."
        )
    if selection.two_labels and not selection.left_out:
        return (
            f"Every photo lies under two labels, such as {selection.two_labels[0]}: "
            "nobody can tell which is true."
        )
    return (
        f"{version} has seen every one of these photos: {describe_seen(selection.left_out, card)}. "
        "Its figures would say how well it remembers, not how well it sees. "
        "Name photos that are new to it, or insist with --include-training and mistrust the result."
    )


def shortened(names: Sequence[str], most: int) -> str:
    """The first names of a long list, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
