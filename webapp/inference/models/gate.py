"""May a challenger take the champion's place: both on the same photos, what is fixed, what is broken, a verdict with reasons."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from webapp.errors import ModelRefusedError, PhotoRefusedError
from webapp.inference.classifier import Classifier, rank_labels
from webapp.inference.decoding.crop import Box, decode_cut
from webapp.inference.decoding.images import working_side
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import LabelledPhoto
from webapp.inference.models.label_set import canonical_label, in_terms_of, right_answers

FALL = 0.05
"""A label may lose at most this share of its photos."""
LEAST = 10
"""Photos that a label needs before its fall counts."""
LEAST_LOST = 2
"""Photos that a label must lose, on balance, before its fall counts: one may be chance."""
BETTER, SAME, WORSE = "better", "same", "worse"


@dataclass(frozen=True)
class Said:
    """The first labels that both versions gave a photo whose label is `truth`."""

    photo: str
    sha256: str
    truth: str
    champion: str
    challenger: str

    @property
    def fixed(self) -> bool:
        """Only the challenger is right."""
        return self.challenger == self.truth != self.champion

    @property
    def broken(self) -> bool:
        """Only the champion is right."""
        return self.champion == self.truth != self.challenger


@dataclass(frozen=True)
class LabelChange:
    """On how many of a label's `n` photos each version is right."""

    label: str
    n: int
    champion: int
    challenger: int

    @property
    def change(self) -> float:
        """Share of the label's photos that the challenger wins (over 0) or loses, in [-1, 1]."""
        return (self.challenger - self.champion) / self.n

    @property
    def falls(self) -> bool:
        """True when the label loses more than may be, on enough photos."""
        return (
            self.n >= LEAST
            and self.champion - self.challenger >= LEAST_LOST
            and self.change < -FALL
        )


@dataclass(frozen=True)
class Comparison:
    """What came out. `p_value` is McNemar's; `verdict` is "better", "same" or "worse"; `photos` names the set of photos (SHA-256)."""

    champion: int
    challenger: int
    n: int
    champion_right: int
    challenger_right: int
    fixed: tuple[Said, ...]
    broken: tuple[Said, ...]
    labels: tuple[LabelChange, ...]
    p_value: float
    verdict: str
    reasons: tuple[str, ...]
    photos: str

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return asdict(self)


def rank_both(
    champion: Classifier,
    challenger: Classifier,
    photos: Iterable[LabelledPhoto],
    cards: tuple[ModelCard, ModelCard],
) -> tuple[list[Said], list[str]]:
    """What both say about each photo, decoded for each as in serving, as `cards` read labels; and a sentence for each file that is no
    photo."""
    right = right_answers(cards[0]), right_answers(cards[1])
    said: list[Said] = []
    refused: list[str] = []
    for photo in photos:
        try:
            content = photo.path.read_bytes()
            first = _first_label(champion, cards[0], content, photo.box)
            second = _first_label(challenger, cards[1], content, photo.box)
        except (OSError, PhotoRefusedError) as error:
            refused.append(f"{photo.name}: {error}")
            continue
        truth = canonical_label(cards[1], photo.label)
        said.append(
            Said(
                photo.name,
                photo.sha256,
                truth,
                in_terms_of(truth, first, right[0]),
                in_terms_of(truth, second, right[1]),
            )
        )
    return said, refused


def compare(champion: int, challenger: int, said: Sequence[Said]) -> Comparison:
    """Weigh what both versions said. Raises `ModelRefusedError` when there is no photo to weigh."""
    if not said:
        raise ModelRefusedError("There is no photo left to compare the two versions on.")
    fixed, broken = (
        tuple(one for one in said if one.fixed),
        tuple(one for one in said if one.broken),
    )
    labels = tuple(_label_changes(said))
    p_value = mcnemar(len(fixed), len(broken))
    right = (
        sum(one.champion == one.truth for one in said),
        sum(one.challenger == one.truth for one in said),
    )
    fallen = [one for one in labels if one.falls]
    verdict = (
        WORSE
        if len(broken) > len(fixed) or fallen
        else SAME
        if len(fixed) == len(broken)
        else BETTER
    )
    reasons = [
        f"Version {challenger} is right on {right[1]} of {len(said)} photos, version {champion} on {right[0]}.",
        _fixes(len(fixed), len(broken), p_value),
        *(
            f"{one.label} falls: {one.champion} of {one.n} were right, now {one.challenger}."
            for one in fallen
        ),
    ]
    if not fallen:
        reasons.append(f"No label with at least {LEAST} photos loses more than {FALL:.0%} of them.")
    photos = hashlib.sha256(
        "\n".join(sorted(one.sha256 for one in said)).encode("ascii")
    ).hexdigest()
    return Comparison(
        champion,
        challenger,
        len(said),
        *right,
        fixed,
        broken,
        labels,
        p_value,
        verdict,
        tuple(reasons),
        photos,
    )


def mcnemar(fixed: int, broken: int) -> float:
    """McNemar's exact p-value, two-sided, in (0, 1]: how often chance alone parts the photos on which the two differ at least so unevenly.

    Twice the smaller tail of a binomial of fixed + broken tosses with p = 1/2, at most 1 (McNemar 1947, "Note on the sampling error of
    the difference between correlated proportions or percentages"; the exact form as in Fagerland, Lydersen and Laake 2013, "The
    McNemar test for binary matched-pairs data", eq. 2).
    """
    tosses = fixed + broken
    tail = sum(math.comb(tosses, hits) for hits in range(min(fixed, broken) + 1))
    return min(1.0, 2 * tail / 2**tosses)


def _fixes(fixed: int, broken: int, p_value: float) -> str:
    if not fixed and not broken:
        return "Where one is right the other is too: it fixes nothing and breaks nothing."
    chance = "more than chance explains" if p_value < 0.05 else "which may be chance"
    return (
        f"It fixes {fixed} and breaks {broken}, {chance} (McNemar’s exact test, p = {p_value:.2g})."
    )


def _label_changes(said: Sequence[Said]) -> Iterable[LabelChange]:
    for label in sorted({one.truth for one in said}):
        own = [one for one in said if one.truth == label]
        yield LabelChange(
            label,
            len(own),
            sum(one.champion == label for one in own),
            sum(one.challenger == label for one in own),
        )


def _first_label(classifier: Classifier, card: ModelCard, content: bytes, box: Box | None) -> str:
    pixels = decode_cut(content, box, working_side(card.input))
    return rank_labels(classifier.predict(pixels).probabilities, card)[0].label
