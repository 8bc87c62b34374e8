"""May a challenger replace the champion: both on the same photos, a verdict with reasons."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from webapp.errors import ModelRefusedError, PhotoRefusedError
from webapp.inference.classifier import Classifier, rank_labels
from webapp.inference.decoding.crop import Box, decode_cut
from webapp.inference.decoding.images import working_side
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import LabelledPhoto
from webapp.inference.models.label_set import canonical_label, in_terms_of, right_answers

_FALL = 0.05  # a label may lose at most this share of its photos
_FALL_LEAST = 10  # photos that a label needs before its fall counts
_FALL_LOST = 2  # photos that a label must lose, on balance: one may be chance
BETTER, SAME, WORSE = "better", "same", "worse"


class AnyComparison(Protocol):
    """What every comparison of two versions has: of classifiers, or of detectors."""

    @property
    def champion(self) -> int:
        """The version that was live."""

    @property
    def challenger(self) -> int:
        """The version that wants its place."""

    @property
    def verdict(self) -> str:
        """`BETTER`, `SAME` or `WORSE`."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences that say why."""

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""


@dataclass(frozen=True)
class ComparedPhoto:
    """The first labels that both versions gave a photo whose label is `truth`."""

    photo: str
    sha256: str
    truth: str
    champion: str
    challenger: str


@dataclass(frozen=True)
class _LabelDifference:
    """On how many of a label's `n` photos each version is right."""

    label: str
    n: int
    champion: int
    challenger: int

    @property
    def falls(self) -> bool:
        """True when the label loses more than it may, on enough photos."""
        return falls(self.n, self.champion, self.challenger)


@dataclass(frozen=True)
class Comparison:
    """Two versions on `n` photos.

    `p_value` is McNemar's; `verdict` is "better", "same" or "worse"; `photos` is the SHA-256 of the
    set of photos.
    """

    champion: int
    challenger: int
    n: int
    champion_right: int
    challenger_right: int
    fixed: tuple[ComparedPhoto, ...]
    broken: tuple[ComparedPhoto, ...]
    labels: tuple[_LabelDifference, ...]
    p_value: float
    verdict: str
    reasons: tuple[str, ...]
    photos: str

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return asdict(self)


def classify_with_both(
    classifiers: tuple[Classifier, Classifier],
    photos: Iterable[LabelledPhoto],
    cards: tuple[ModelCard, ModelCard],
) -> tuple[list[ComparedPhoto], list[str]]:
    """The first labels of both versions for each photo, decoded as in serving, as in `cards`.

    Also returns a sentence for each file that cannot be read as a photo.
    """
    answers = [right_answers(card) for card in cards]
    compared: list[ComparedPhoto] = []
    refused: list[str] = []
    for photo in photos:
        try:
            content = photo.path.read_bytes()
            first = [
                _first_label(classifier, card, content, photo.box)
                for classifier, card in zip(classifiers, cards, strict=True)
            ]
        except (OSError, PhotoRefusedError) as error:
            refused.append(f"{photo.name}: {error}")
            continue
        truth = canonical_label(cards[1], photo.label)
        labels = (in_terms_of(truth, *pair) for pair in zip(first, answers, strict=True))
        compared.append(ComparedPhoto(photo.name, photo.sha256, truth, *labels))
    return compared, refused


def compare(champion: int, challenger: int, photos: Sequence[ComparedPhoto]) -> Comparison:
    """The verdict on two versions. Raises `ModelRefusedError` without photos."""
    if not photos:
        raise ModelRefusedError("There is no photo left to compare the two versions on.")
    fixed = tuple(photo for photo in photos if photo.challenger == photo.truth != photo.champion)
    broken = tuple(photo for photo in photos if photo.champion == photo.truth != photo.challenger)
    labels = tuple(_label_differences(photos))
    fallen = [label for label in labels if label.falls]
    p_value = mcnemar(len(fixed), len(broken))
    champion_right = sum(photo.champion == photo.truth for photo in photos)
    challenger_right = sum(photo.challenger == photo.truth for photo in photos)
    verdict = SAME if len(fixed) == len(broken) else BETTER
    if len(broken) > len(fixed) or fallen:
        verdict = WORSE
    reasons = [
        f"Version {challenger} is right on {challenger_right} of {len(photos)} photos, "
        f"version {champion} on {champion_right}.",
        _fixes(len(fixed), len(broken), p_value),
        *(
            f"{label.label} falls: {label.champion} of {label.n} were right, "
            f"now {label.challenger}."
            for label in fallen
        ),
    ]
    if not fallen:
        reasons.append(
            f"No label with at least {_FALL_LEAST} photos loses more than {_FALL:.0%} of them."
        )
    digests = "\n".join(sorted(photo.sha256 for photo in photos))
    return Comparison(
        champion,
        challenger,
        len(photos),
        champion_right,
        challenger_right,
        fixed,
        broken,
        labels,
        p_value,
        verdict,
        tuple(reasons),
        hashlib.sha256(digests.encode("ascii")).hexdigest(),
    )


def mcnemar(fixed: int, broken: int) -> float:
    """McNemar's exact p-value, two-sided, in (0, 1].

    How often chance alone divides the photos on which two versions differ at least so unevenly:
    twice the smaller tail of a binomial of fixed + broken tosses with p = 1/2, at most 1 (McNemar
    1947, "Note on the sampling error of the difference between correlated proportions or
    percentages"; the exact form as in Fagerland, Lydersen and Laake 2013, "The McNemar test for
    binary matched-pairs data", eq. 2).
    """
    tosses = fixed + broken
    tail = sum(math.comb(tosses, hits) for hits in range(min(fixed, broken) + 1))
    return min(1.0, 2 * tail / 2**tosses)


def _fixes(fixed: int, broken: int, p_value: float) -> str:
    if not fixed and not broken:
        return "Where one is right the other is too: it fixes nothing and breaks nothing."
    return f"It fixes {fixed} and breaks {broken}, {more_than_chance(p_value)}."


def more_than_chance(p_value: float) -> str:
    """What McNemar's p-value says of a difference, as the end of a sentence."""
    chance = "more than chance explains" if p_value < 0.05 else "which may be chance"
    return f"{chance} (McNemar’s exact test, p = {p_value:.2g})"


def falls(n: int, champion: int, challenger: int) -> bool:
    """True when the challenger is right on fewer of `n` photos than it may, if they are enough."""
    lost = champion - challenger
    return n >= _FALL_LEAST and lost >= _FALL_LOST and lost / n > _FALL


def _label_differences(photos: Sequence[ComparedPhoto]) -> Iterable[_LabelDifference]:
    for label in sorted({photo.truth for photo in photos}):
        own = [photo for photo in photos if photo.truth == label]
        champion = sum(photo.champion == label for photo in own)
        challenger = sum(photo.challenger == label for photo in own)
        yield _LabelDifference(label, len(own), champion, challenger)


def _first_label(classifier: Classifier, card: ModelCard, content: bytes, box: Box | None) -> str:
    pixels = decode_cut(content, box, working_side(card.input))
    return rank_labels(classifier.predict(pixels).probabilities, card)[0].label
