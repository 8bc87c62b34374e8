"""Which photos an exam may ask a published version about: those that it has never seen, each content once, with a label that it knows."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.decoding.crop import decode_cut
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import CALIBRATED_ON_IT, HELD_OUT, Split
from webapp.training.dataset import Example, group, make_example, short_name
from webapp.training.readers import Box, Listing
from webapp.training.recipe import SplitRule

NEW = "new"
"""The part of photos that a version's list of files does not name."""
NEAR = "near"
"""The part of such photos that nearly repeat one that taught or chose the version."""
LEARNT, CHOSE = "train", "validation"
ASKED = (HELD_OUT, NEW)
"""The parts that a version may be asked about: it has neither learnt from them nor were its limits chosen by them."""
HASHED_SIDE = 32  # pixels that are kept of a photo once it is hashed

Watch = Callable[[Sequence["Question"]], Iterable["Question"]]


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
        """Folder, label and file name, enough to find the file again, as text that every file takes, also when it is not UTF-8."""
        return short_name(self.path).encode("utf-8", "replace").decode("utf-8")


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


def choose_questions(
    listings: Iterable[tuple[Listing, str]],
    card: ModelCard,
    split: Split | None,
    *,
    rule: SplitRule | None = None,
    include_training: bool = False,
    watch: Watch = iter,
) -> Questions:
    """The photos of the (listing, source) pairs that the version has never seen, each content once; all of them with `include_training`.

    Labels are matched by name, else by display name or alias. New photos that nearly repeat one of these pairs' photos that taught the
    version count as seen; `rule` says what near is, and `watch` is handed the photos that are compared. Raises `TrainingError` when no
    photo is left, and says why.
    """
    pairs = list(listings)
    copies, unknown = _labelled(pairs, card, split or {})
    labels: dict[str, set[str]] = defaultdict(set)
    for one in copies:
        labels[one.sha256].add(one.truth)
    torn = {digest for digest, truths in labels.items() if len(truths) > 1}
    clear = _mark_near(
        _first_of_each(one for one in copies if one.sha256 not in torn), rule or SplitRule(), watch
    )
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


def choose_others(
    folder: Path,
    split: Split | None,
    *,
    known: Iterable[Question] = (),
    include_training: bool = False,
) -> Questions:
    """The files in a folder of other things, each content once, without those that chose or taught the version and those in `known`.

    Raises `TrainingError` when none is left.
    """
    files = [
        one for one in sorted(folder.rglob("*")) if one.is_file() and not one.name.startswith(".")
    ]
    copies = [_question(path, "", folder.resolve().name, split or {}) for path in files]
    ours = {one.sha256 for one in known}
    clear = _first_of_each(one for one in copies if one.sha256 not in ours)
    questions = Questions(*_may_be_asked(clear, include_training), repeated=len(files) - len(clear))
    if not questions.asked:
        raise TrainingError(
            f"There is no photo of other things in {folder} that the version has not seen."
        )
    return questions


def fingerprint(questions: Iterable[Question]) -> str:
    """SHA-256 over the sorted SHA-256 of the photos: two evaluations with the same one asked about the same photos."""
    return hashlib.sha256(
        "\n".join(sorted(one.sha256 for one in questions)).encode("ascii")
    ).hexdigest()


def in_parts(counts: Mapping[str, int], card: ModelCard) -> str:
    """How many photos taught the version, how many chose its limits, and how many nearly repeat one of these, in words."""
    refitted = "validation" in str(
        card.split.get("learnt_from", "")
    )  # such a version has learnt from its validation part in the end
    chose = (
        "epoch"
        if CALIBRATED_ON_IT in str(card.split.get("learnt_from", ""))
        else "temperature and threshold"
    )
    words = {
        LEARNT: "{} that it has learnt from",
        CHOSE: f"{{}} of its validation part, which chose its {chose}"
        + (" and were learnt after that" if refitted else ""),
        NEAR: "{} that nearly repeat one that it has seen",
    }
    return "; ".join(
        text.format(f"{counts[part]:,}") for part, text in words.items() if counts.get(part)
    )


def _names_of(card: ModelCard) -> dict[str, str]:
    """What data may call a label (its name, or in lower case its display name and aliases) and its name; what means two is left out."""
    found: dict[str, set[str]] = {}
    for label in card.labels:
        for word in (label.name, label.display, *label.aliases):
            found.setdefault(word.casefold(), set()).add(label.name)
    clear = {word: next(iter(names)) for word, names in found.items() if len(names) == 1}
    return clear | {label.name: label.name for label in card.labels}


def _labelled(
    pairs: Iterable[tuple[Listing, str]], card: ModelCard, split: Split
) -> tuple[list[Question], Counter[str]]:
    """Every photo with a label of the card, and the numbers of those with other labels."""
    known = _names_of(card)
    questions: list[Question] = []
    unknown: Counter[str] = Counter()
    for listing, source in pairs:
        for one in listing.photos:
            name = known.get(one.label) or known.get(
                listing.labels.get(one.label, one.label).casefold()
            )
            if name is None:
                unknown[one.label] += 1
            else:
                questions.append(_question(one.path, name, source, split, one.box))
    return questions, unknown


def _question(
    path: Path, truth: str, source: str, split: Split, box: Box | None = None
) -> Question:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TrainingError(f"{short_name(path)} cannot be read: {error.strerror}.") from error
    return Question(path, truth, source, digest, split.get(digest, NEW), box)


def _mark_near(questions: list[Question], rule: SplitRule, watch: Watch) -> list[Question]:
    """The questions, with new ones marked that training would have grouped with a photo that the version has seen."""
    present = {one.part for one in questions}
    if NEW not in present or not present & {LEARNT, CHOSE}:
        return questions
    compared = [one for one in questions if one.part != HELD_OUT]
    examples = [example for one in watch(compared) for example in _hashed(one)]
    parts = {one.sha256: one.part for one in questions}
    grouped = group(examples, rule)
    seen = {one.group for one in grouped if parts[one.sha256] in (LEARNT, CHOSE)}
    near = {one.sha256 for one in grouped if one.group in seen and parts[one.sha256] == NEW}
    return [replace(one, part=NEAR) if one.sha256 in near else one for one in questions]


def _hashed(one: Question) -> list[Example]:
    """The photo with its difference hash; nothing when it cannot be read: who asks about it will say so."""
    try:
        content = one.path.read_bytes()
        pixels = decode_cut(content, one.box)
    except (OSError, PhotoRefusedError):
        return []
    return [
        make_example(
            one.path, one.truth, one.source, content, pixels, max_side=HASHED_SIDE, box=one.box
        )
    ]


def _first_of_each(questions: Iterable[Question]) -> list[Question]:
    """One question for each content."""
    first: dict[str, Question] = {}
    for one in questions:
        first.setdefault(one.sha256, one)
    return list(first.values())


def _may_be_asked(
    questions: list[Question], include_training: bool
) -> tuple[tuple[Question, ...], dict[str, int]]:
    """The photos to ask about, and how many of the others are in which part."""
    asked = tuple(one for one in questions if include_training or one.part in ASKED)
    return asked, dict(
        Counter(one.part for one in questions if not include_training and one.part not in ASKED)
    )


def _nothing_left(card: ModelCard, found: Questions, any_known: bool) -> str:
    version = f"{card.name} {card.version}"
    if not any_known:
        theirs, ours = (
            _some(names) for names in (list(found.unknown_labels or {}), list(card.label_names))
        )
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
