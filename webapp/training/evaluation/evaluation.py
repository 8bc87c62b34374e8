"""An exam for a published version: what it says about each photo, as it would while serving, and how long it takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from webapp.domain import UNCLASSIFIED, NetworkOutput
from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.classifier import Classifier, decide, is_familiar
from webapp.inference.decoding.crop import decode_cut
from webapp.inference.decoding.images import working_side
from webapp.inference.models.card import ModelCard
from webapp.training.evaluation.photos import Question, Watch

T = TypeVar("T")


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


def ask(
    classifier: Classifier,
    questions: Sequence[Question],
    *,
    mirror: bool = False,
    watch: Watch = iter,
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
            pixels, decode_ms = _timed(decode_cut, content, one.box, side)
        except (OSError, PhotoRefusedError) as error:
            refused.append(f"{one.name}: {error}")
            continue
        output, network_ms = _timed(classifier.predict, pixels)
        answer = Answered(one, _say(output, classifier.card), decode_ms, network_ms)
        answered.append(_look_again(classifier, pixels, output, answer) if mirror else answer)
    if not answered:
        raise TrainingError(
            f"Not one of the {len(questions):,} files can be read as a photo. {refused[0] if refused else ''}".strip()
        )
    return answered, refused


def _look_again(
    classifier: Classifier, pixels: NDArray[np.uint8], first: NetworkOutput, answer: Answered
) -> Answered:
    second, mirror_ms = _timed(classifier.predict, np.ascontiguousarray(pixels[:, ::-1]))
    turned = second.feature_map[:, ::-1]
    familiarities = [one.familiarity for one in (first, second) if one.familiarity is not None]
    both = NetworkOutput(
        _mean(first.probabilities, second.probabilities),
        _mean(first.embedding, second.embedding),
        _mean(first.feature_map, turned),
        sum(familiarities) / len(familiarities) if familiarities else None,
    )
    return Answered(
        answer.question,
        answer.said,
        answer.decode_ms,
        answer.network_ms,
        _say(both, classifier.card),
        mirror_ms,
    )


def _mean(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return ((one + other) / 2).astype(np.float32)


def _say(output: NetworkOutput, card: ModelCard) -> Said:
    familiar = is_familiar(output.familiarity, card)
    return Said(output.probabilities, decide(output, card), output.familiarity, familiar)


def _timed(work: Callable[..., T], *given: Any) -> tuple[T, float]:
    """What the work gives, and its milliseconds."""
    started = time.perf_counter()
    done = work(*given)
    return done, (time.perf_counter() - started) * 1000
