"""The classifier contract, and what every keeper of it shares: scaling, deciding, the golden self-test."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from webapp.domain import UNCLASSIFIED, NetworkOutput, RankedLabel
from webapp.errors import ModelUnavailableError
from webapp.inference.decoding.images import decode_photo, fit_input, working_side
from webapp.inference.models.card import ModelCard
from webapp.inference.models.label_set import added_up, outputs

GOLDEN_TOLERANCE = 1e-3


class Classifier(Protocol):
    """Ranks photos with one model version. Safe to share between threads."""

    @property
    def card(self) -> ModelCard:
        """The card of the version."""
        ...

    @property
    def head(self) -> NDArray[np.float32] | None:
        """The last layer's weights, float32 of shape (labels, features), when it works on the mean of the feature map; else None."""
        ...

    def predict(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """What the network says about a decoded photo: uint8 RGB, any size, shape (height, width, 3)."""
        ...


def scale(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Temperature-scale a softmax output of shape (labels,): softmax(log p / T), float32, sums to 1.

    The same as dividing the logits by T (Guo et al. 2017, eq. 9), since log p differs from the logits by a constant.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    exponentials = np.exp(logits - logits.max())
    return (exponentials / exponentials.sum()).astype(np.float32)


def rank_labels(
    probabilities: NDArray[np.float32], card: ModelCard, top: int | None = None
) -> tuple[RankedLabel, ...]:
    """The first `top` labels of `card`, or all, as labels read today, most probable first; equal ones in the card's order. Merged ones are
    added up."""
    places = outputs(card)
    names = list(places)
    sums = added_up(probabilities, card)
    order = np.argsort(-sums, kind="stable")[:top]
    return tuple(
        RankedLabel(
            rank=rank,
            label=names[index],
            class_id=places[names[index]][0],
            probability=float(sums[index]),
        )
        for rank, index in enumerate(order, start=1)
    )


def decide(output: NetworkOutput, card: ModelCard) -> str:
    """The first label when its probability reaches the card's threshold and the photo looks familiar enough, else `UNCLASSIFIED`."""
    sums = added_up(output.probabilities, card)
    best = int(np.argmax(sums))
    return (
        list(outputs(card))[best] if is_sure(sums[best], output.familiarity, card) else UNCLASSIFIED
    )


def is_sure(best: np.float32, familiarity: float | None, card: ModelCard) -> bool:
    """Whether the first label is named: its probability reaches the card's threshold and the photo looks familiar enough."""
    return bool(best >= card.threshold) and is_familiar(familiarity, card)


def is_familiar(familiarity: float | None, card: ModelCard) -> bool:
    """Whether a photo looks enough like those that the version learned from. True when nobody measured that."""
    return (
        familiarity is None or not card.familiarity or familiarity >= card.familiarity["threshold"]
    )


def self_test(classifier: Classifier, folder: Path) -> float:
    """Rank the card's golden photos again and return the largest difference in probability from the card.

    Raises `ModelUnavailableError` when it is over `GOLDEN_TOLERANCE` or a golden photo is missing: this machine would give other answers.
    """
    worst = 0.0
    for golden in classifier.card.golden:
        path = folder / golden.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelUnavailableError(
                f"{classifier.card.name} {classifier.card.version}: golden photo {golden.file} is missing"
            ) from error
        got = classifier.predict(
            decode_photo(content, max_side=working_side(classifier.card.input)).pixels
        ).probabilities
        difference = np.abs(got - np.asarray(golden.probabilities, dtype=np.float32))
        place = int(np.argmax(difference))
        worst = max(worst, float(difference[place]))
        if worst > GOLDEN_TOLERANCE:
            raise ModelUnavailableError(
                f"{classifier.card.name} {classifier.card.version} gives another answer on this machine: {golden.file} is "
                f"{classifier.card.label_names[place]} with {got[place]:.4f}, the card says {golden.probabilities[place]:.4f}"
            )
    return worst


def blank_photo(card: ModelCard) -> NDArray[np.uint8]:
    """A grey photo of the input's size, to look at what a network does."""
    return np.full((card.input.height, card.input.width, 3), 127, dtype=np.uint8)


def prepare(pixels: NDArray[np.uint8], card: ModelCard) -> NDArray[np.float32]:
    """The network's input for a decoded photo: float32 RGB in 0..255 of shape (1, height, width, 3); scaling is inside the network."""
    return fit_input(pixels, card.input).astype(np.float32)[np.newaxis]
