"""An exam for a published version: which photos it may be asked about, and what it says about each, as it would while serving."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.card import ModelCard
from webapp.inference.classifier import Classifier, decide, is_familiar
from webapp.inference.held_out import HELD_OUT, Split
from webapp.inference.images import working_side
from webapp.training.dataset import decode, short_name
from webapp.training.readers import Box, Listing
from webapp.values import UNCLASSIFIED, Reading

NEW = "new"
"""The part of photos that a version's list of files does not name."""
LEARNT, CHOSE = "train", "validation"
ASKED = (HELD_OUT, NEW)
"""The parts that a version may be asked about: it has neither learnt from them nor were its limits chosen by them."""

Watch = Callable[[Sequence["Question"]], Iterable["Question"]]
T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A photo that is asked about. `truth` is a label of the card, "" for a photo of another thing; `part` that of the version's split."""

    path: Path
    truth: str
    source: str
    sha256: str
    part: str
    box: Box | None = None

    @property
    def name(self) -> str:
        """Folder, label and file name: enough to find the file again."""
        return short_name(self.path)


@dataclass(frozen=True)
class Questions:
    """The photos to ask about, and what became of the others: `left_out` by part, `repeated` (further copies of a file), `two_labels`
    (names of files under two labels), `unknown_labels` (photos by labels that the version does not have), `missing` (lines that led to no
    photo)."""

    asked: tuple[Question, ...]
    left_out: Mapping[str, int]
    repeated: int = 0
    two_labels: tuple[str, ...] = ()
    unknown_labels: Mapping[str, int] | None = None
    missing: tuple[str, ...] = ()

    @property
    def flattering(self) -> dict[str, int]:
        """Photos among those asked about that the version has learnt from or was chosen by, by part."""
        return dict(Counter(one.part for one in self.asked if one.part not in ASKED))


@dataclass(frozen=True)
class Said:
    """What the version said about a photo. `probabilities` is float32 of shape (labels,), temperature-scaled; `decision` a label or
    `UNCLASSIFIED`; `familiarity` in [0, 1] how like the photos it learned from the photo looks, None when the version cannot tell."""

    probabilities: NDArray[np.float32]
    decision: str
    familiarity: float | None = None
    familiar: bool = True

    @property
    def confidence(self) -> float:
        """The first probability."""
        return float(self.probabilities.max())

    @property
    def decided(self) -> bool:
        """True when a label was named."""
        return self.decision != UNCLASSIFIED


@dataclass(frozen=True)
class Answered:
    """A photo and the answer; `mirrored` is the mean of the answer and that to the mirrored photo, if it was asked for.

    Times are in milliseconds: `decode_ms` from bytes to pixels, `network_ms` from pixels to the answer, `mirror_ms` for the second look.
    """

    question: Question
    said: Said
    decode_ms: float
    network_ms: float
    mirrored: Said | None = None
    mirror_ms: float = 0.0


# ---- which photos ----


def choose_questions(
    listings: Iterable[tuple[Listing, str]], card: ModelCard, split: Split | None, *, include_training: bool = False
) -> Questions:
    """The photos of the (listing, source) pairs that the version has never seen, each content once; all of them with `include_training`.

    Labels are matched by name, else by display name or alias. Raises `TrainingError` when no photo is left, and says why.
    """
    pairs = list(listings)
    copies, unknown = _labelled(pairs, card, split or {})
    labels: dict[str, set[str]] = defaultdict(set)
    for one in copies:
        labels[one.sha256].add(one.truth)
    torn = {digest for digest, truths in labels.items() if len(truths) > 1}
    clear = _first_of_each(one for one in copies if one.sha256 not in torn)
    questions = Questions(
        *_may_be_asked(clear, include_training),
        repeated=sum(one.sha256 not in torn for one in copies) - len(clear),
        two_labels=tuple(one.name for one in copies if one.sha256 in torn),
        unknown_labels=dict(sorted(unknown.items())),
        missing=tuple(line for listing, _ in pairs for line in listing.missing),
    )
    if not questions.asked:
        raise TrainingError(_nothing_left(card, questions, bool(copies)))
    return questions


def choose_others(folder: Path, split: Split | None, *, known: Iterable[Question] = (), include_training: bool = False) -> Questions:
    """The files in a folder of other things, each content once, without those that chose or taught the version and those in `known`.

    Raises `TrainingError` when none is left.
    """
    files = [one for one in sorted(folder.rglob("*")) if one.is_file() and not one.name.startswith(".")]
    copies = [_question(path, "", folder.resolve().name, split or {}) for path in files]
    ours = {one.sha256 for one in known}
    clear = _first_of_each(one for one in copies if one.sha256 not in ours)
    questions = Questions(*_may_be_asked(clear, include_training), repeated=len(files) - len(clear))
    if not questions.asked:
        raise TrainingError(f"There is no photo of other things in {folder} that the version has not seen.")
    return questions


def fingerprint(questions: Iterable[Question]) -> str:
    """SHA-256 over the sorted SHA-256 of the photos: two evaluations with the same one asked about the same photos."""
    return hashlib.sha256("\n".join(sorted(one.sha256 for one in questions)).encode("ascii")).hexdigest()


def in_parts(counts: Mapping[str, int], card: ModelCard) -> str:
    """How many photos taught the version and how many chose its limits, in words."""
    refitted = "validation" in str(card.split.get("learnt_from", ""))  # such a version has learnt from its validation part in the end
    chose = "which chose its temperature and threshold" + (" and were learnt after that" if refitted else "")
    words = {LEARNT: "{} that it has learnt from", CHOSE: "{} of its validation part, " + chose}
    return " and ".join(text.format(f"{counts[part]:,}") for part, text in words.items() if counts.get(part))


def _names_of(card: ModelCard) -> dict[str, str]:
    """What data may call a label (its name, or in lower case its display name and aliases) and its name; what means two is left out."""
    found: dict[str, set[str]] = {}
    for label in card.labels:
        for word in (label.name, label.display, *label.aliases):
            found.setdefault(word.casefold(), set()).add(label.name)
    clear = {word: next(iter(names)) for word, names in found.items() if len(names) == 1}
    return clear | {label.name: label.name for label in card.labels}


def _labelled(pairs: Iterable[tuple[Listing, str]], card: ModelCard, split: Split) -> tuple[list[Question], Counter[str]]:
    """Every photo with a label of the card, and the numbers of those with other labels."""
    known = _names_of(card)
    questions: list[Question] = []
    unknown: Counter[str] = Counter()
    for listing, source in pairs:
        for one in listing.photos:
            name = known.get(one.label) or known.get(listing.labels.get(one.label, one.label).casefold())
            if name is None:
                unknown[one.label] += 1
            else:
                questions.append(_question(one.path, name, source, split, one.box))
    return questions, unknown


def _question(path: Path, truth: str, source: str, split: Split, box: Box | None = None) -> Question:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TrainingError(f"{short_name(path)} cannot be read: {error.strerror}.") from error
    return Question(path, truth, source, digest, split.get(digest, NEW), box)


def _first_of_each(questions: Iterable[Question]) -> list[Question]:
    """One question for each content."""
    first: dict[str, Question] = {}
    for one in questions:
        first.setdefault(one.sha256, one)
    return list(first.values())


def _may_be_asked(questions: list[Question], include_training: bool) -> tuple[tuple[Question, ...], dict[str, int]]:
    """The photos to ask about, and how many of the others are in which part."""
    asked = tuple(one for one in questions if include_training or one.part in ASKED)
    return asked, dict(Counter(one.part for one in questions if not include_training and one.part not in ASKED))


def _nothing_left(card: ModelCard, found: Questions, any_known: bool) -> str:
    version = f"{card.name} {card.version}"
    if not any_known:
        theirs, ours = (_some(names) for names in (list(found.unknown_labels or {}), list(card.label_names)))
        return f"No photo has a label that {version} knows. The data has {theirs}; the version knows {ours}."
    if found.two_labels and not found.left_out:
        return f"Every photo lies under two labels, such as {found.two_labels[0]}: nobody can tell which one is true."
    return (
        f"{version} has seen every one of these photos: {in_parts(found.left_out, card)}. "
        "Its figures would say how well it remembers, not how well it sees. "
        "Name photos that are new to it, or insist with --include-training and mistrust the result."
    )


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# ---- what the version says ----


def ask(
    classifier: Classifier, questions: Sequence[Question], *, mirror: bool = False, watch: Watch = iter
) -> tuple[list[Answered], list[str]]:
    """What a version says about each photo, one after the other as while serving; and a sentence for each file that is no photo.

    With `mirror` it looks at each photo a second time, turned left to right, and the two answers are averaged. Raises `TrainingError`
    when not a single file is a photo.
    """
    answered: list[Answered] = []
    refused: list[str] = []
    side = working_side(classifier.card.input)
    for one in watch(questions):
        try:
            content = one.path.read_bytes()
            pixels, decode_ms = _timed(decode, content, one.box, side)
        except (OSError, PhotoRefusedError) as error:
            refused.append(f"{one.name}: {error}")
            continue
        reading, network_ms = _timed(classifier.rank, pixels)
        answer = Answered(one, _say(reading, classifier.card), decode_ms, network_ms)
        answered.append(_look_again(classifier, pixels, reading, answer) if mirror else answer)
    if not answered:
        raise TrainingError(f"Not one of the {len(questions):,} files can be read as a photo. {refused[0] if refused else ''}".strip())
    return answered, refused


def _look_again(classifier: Classifier, pixels: NDArray[np.uint8], first: Reading, answer: Answered) -> Answered:
    second, mirror_ms = _timed(classifier.rank, np.ascontiguousarray(pixels[:, ::-1]))
    turned = second.feature_map[:, ::-1]
    familiarities = [one.familiarity for one in (first, second) if one.familiarity is not None]
    both = Reading(
        _mean(first.probabilities, second.probabilities),
        _mean(first.embedding, second.embedding),
        _mean(first.feature_map, turned),
        sum(familiarities) / len(familiarities) if familiarities else None,
    )
    return Answered(answer.question, answer.said, answer.decode_ms, answer.network_ms, _say(both, classifier.card), mirror_ms)


def _mean(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return ((one + other) / 2).astype(np.float32)


def _say(reading: Reading, card: ModelCard) -> Said:
    familiar = is_familiar(reading.familiarity, card)
    return Said(reading.probabilities, decide(reading, card), reading.familiarity, familiar)


def _timed(work: Callable[..., T], *given: Any) -> tuple[T, float]:
    """What the work gives, and its milliseconds."""
    started = time.perf_counter()
    done = work(*given)
    return done, (time.perf_counter() - started) * 1000
