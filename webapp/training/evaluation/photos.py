"""Which photos a published version may be measured on: those that it has never seen."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import CALIBRATED_ON_IT, HELD_OUT, Split
from webapp.training.dataset import group, read_example, short_name
from webapp.training.readers import ListedPhoto, Listing, files_in
from webapp.training.recipe import SplitRule

_NEW = "new"  # the part of photos that a version's list of files does not name
_NEAR = "near"  # the part of new photos that nearly repeat one that the version has seen
_SEEN = ("train", "validation")
_UNSEEN = (HELD_OUT, _NEW)
_HASHED_SIDE = 32  # pixels that are kept of a photo once it is hashed


@dataclass(frozen=True)
class EvaluationPhoto:
    """A photo to measure on, its label one of the card; `part` is that of the version's split."""

    file: ListedPhoto
    source: str
    sha256: str
    part: str

    @property
    def truth(self) -> str:
        """A label of the card, "" for a photo of another thing."""
        return self.file.label

    @property
    def name(self) -> str:
        """Folder, label and file name, as text also when it is not UTF-8."""
        return short_name(self.file.path).encode("utf-8", "replace").decode("utf-8")


Watch = Callable[[Sequence[EvaluationPhoto]], Iterable[EvaluationPhoto]]


@dataclass(frozen=True)
class PhotoSelection:
    """The photos to measure on, and what became of the others."""

    photos: tuple[EvaluationPhoto, ...]
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
    listings: Sequence[tuple[Listing, str]],
    card: ModelCard,
    split: Split | None,
    *,
    rule: SplitRule | None = None,
    include_training: bool = False,
    watch: Watch = iter,
) -> PhotoSelection:
    """The photos of (listing, source) pairs that the version has never seen, each once.

    Labels are matched by name, else by display name or alias. New photos that nearly repeat one
    that the version was trained on count as seen; `watch` is handed the photos that are compared.
    Raises `TrainingError` if no photo is left.
    """
    copies, unknown = _labelled(listings, card, split or {})
    labels: dict[str, set[str]] = defaultdict(set)
    for photo in copies:
        labels[photo.sha256].add(photo.truth)
    clear = [photo for photo in copies if len(labels[photo.sha256]) == 1]
    unique = _first_of_each(clear)
    selection = _select(_mark_near(unique, rule or SplitRule(), watch), include_training)
    selection = replace(
        selection,
        repeated=len(clear) - len(unique),
        two_labels=tuple(photo.name for photo in copies if len(labels[photo.sha256]) > 1),
        unknown_labels=dict(sorted(unknown.items())),
        missing=tuple(line for listing, _ in listings for line in listing.missing),
    )
    if not selection.photos:
        raise TrainingError(_why_none(card, selection, any_known=bool(copies)))
    return selection


def choose_others(
    folder: Path,
    split: Split | None,
    *,
    known: Iterable[EvaluationPhoto] = (),
    include_training: bool = False,
) -> PhotoSelection:
    """The files of other things that it has not seen, each once. Raises `TrainingError` if none."""
    files, source = files_in(folder), folder.resolve().name
    copies = [_photo(ListedPhoto(path, ""), source, split or {}) for path in files]
    ours = {photo.sha256 for photo in known}
    unique = _first_of_each(photo for photo in copies if photo.sha256 not in ours)
    selection = _select(unique, include_training)
    if not selection.photos:
        raise TrainingError(
            f"There is no photo of other things in {folder} that the version has not seen."
        )
    return replace(selection, repeated=len(files) - len(unique))


def fingerprint(photos: Iterable[EvaluationPhoto]) -> str:
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


def _labelled(
    pairs: Iterable[tuple[Listing, str]], card: ModelCard, split: Split
) -> tuple[list[EvaluationPhoto], Counter[str]]:
    """Every photo with a label of the card, and the numbers of those with other labels.

    Data may call a label by its name, display name or alias, if that means no other one.
    """
    meanings: dict[str, set[str]] = defaultdict(set)  # display name and aliases in lower case
    for label in card.labels:
        for text in (label.name, label.display, *label.aliases):
            meanings[text.casefold()].add(label.name)
    names = {text: min(labels) for text, labels in meanings.items() if len(labels) == 1}
    names |= {name: name for name in card.label_names}
    photos: list[EvaluationPhoto] = []
    unknown: Counter[str] = Counter()
    for listing, source in pairs:
        for file in listing.photos:
            display = listing.labels.get(file.label, file.label)
            name = names.get(file.label) or names.get(display.casefold())
            if name is None:
                unknown[file.label] += 1
            else:
                photos.append(_photo(replace(file, label=name), source, split))
    return photos, unknown


def _photo(file: ListedPhoto, source: str, split: Split) -> EvaluationPhoto:
    try:
        digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    except OSError as error:
        raise TrainingError(f"{short_name(file.path)} cannot be read: {error.strerror}.") from error
    return EvaluationPhoto(file, source, digest, split.get(digest, _NEW))


def _mark_near(
    photos: list[EvaluationPhoto], rule: SplitRule, watch: Watch
) -> list[EvaluationPhoto]:
    """The photos, new ones marked that training would have grouped with one it has seen."""
    parts = {photo.sha256: photo.part for photo in photos}
    if _NEW not in parts.values() or not {*parts.values()} & {*_SEEN}:
        return photos
    examples = []
    for photo in watch([photo for photo in photos if photo.part != HELD_OUT]):
        try:
            examples.append(read_example(photo.file, photo.source, _HASHED_SIDE))
        except (OSError, PhotoRefusedError):
            continue  # it is named when it is to be ranked
    grouped = group(examples, rule)
    seen = {example.group for example in grouped if parts[example.sha256] in _SEEN}
    near = {example.sha256 for example in grouped if example.group in seen}
    return [
        replace(photo, part=_NEAR) if photo.part == _NEW and photo.sha256 in near else photo
        for photo in photos
    ]


def _first_of_each(photos: Iterable[EvaluationPhoto]) -> list[EvaluationPhoto]:
    """One photo for each content."""
    first: dict[str, EvaluationPhoto] = {}
    for photo in photos:
        first.setdefault(photo.sha256, photo)
    return list(first.values())


def _select(photos: list[EvaluationPhoto], include_training: bool) -> PhotoSelection:
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
