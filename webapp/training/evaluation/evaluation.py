"""What a published version answers for each photo, as while serving, and how long it takes."""

import time
from collections.abc import Callable
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
from webapp.training.evaluation.photos import EvaluationPhoto, PhotoSelection, Watch

_T = TypeVar("_T")


@dataclass(frozen=True)
class EvaluationAnswer:
    """What the version answers for a photo."""

    probabilities: NDArray[np.float32]  # of shape (labels,), temperature-scaled
    decision: str  # a label or `UNCLASSIFIED`
    familiarity: float | None = None  # in [0, 1]; None when the version cannot tell
    familiar: bool = True

    @property
    def confidence(self) -> float:
        """The first probability."""
        return float(self.probabilities.max())

    @property
    def decided(self) -> bool:
        """Whether a label was named."""
        return self.decision != UNCLASSIFIED


@dataclass(frozen=True)
class PredictedPhoto:
    """A photo and the answer; times are in milliseconds."""

    photo: EvaluationPhoto
    answer: EvaluationAnswer
    decode_ms: float  # from bytes to pixels
    network_ms: float  # from pixels to the answer
    mirrored: EvaluationAnswer | None = None  # mean of the answer and that to the mirrored photo
    mirror_ms: float = 0.0


@dataclass(frozen=True)
class PredictedSelection:
    """The answers for a selection; `refused` has a sentence for each file that is no photo."""

    selection: PhotoSelection
    photos: list[PredictedPhoto]
    refused: list[str]


@dataclass(frozen=True)
class Evaluation:
    """What was measured."""

    card: ModelCard
    engine: str  # what predicts: "litert" or "keras"
    layout: str
    split_known: bool  # whether the version says which photos it was trained on
    include_training: bool
    known: PredictedSelection  # photos of the version's labels
    others: PredictedSelection | None = None  # of other things

    @property
    def mirrored(self) -> bool:
        """Whether every photo was looked at twice."""
        return self.known.photos[0].mirrored is not None


def predict_photos(
    classifier: Classifier, selection: PhotoSelection, *, mirror: bool = False, watch: Watch = iter
) -> PredictedSelection:
    """Rank each photo, with `mirror` also turned. Raises `TrainingError` when none can be read."""
    results: list[PredictedPhoto] = []
    refused: list[str] = []
    side = working_side(classifier.card.input)
    for photo in watch(selection.photos):
        try:
            content = photo.file.path.read_bytes()
            pixels, decode_ms = _timed(decode_cut, content, photo.file.box, side)
        except (OSError, PhotoRefusedError) as error:
            refused.append(f"{photo.name}: {error}")
            continue
        output, network_ms = _timed(classifier.predict, pixels)
        answer, mirrored, mirror_ms = _answer(output, classifier.card), None, 0.0
        if mirror:
            turned, mirror_ms = _timed(classifier.predict, np.ascontiguousarray(pixels[:, ::-1]))
            mirrored = _answer(_mean(output, turned), classifier.card)
        results.append(PredictedPhoto(photo, answer, decode_ms, network_ms, mirrored, mirror_ms))
    if not results:
        files = f"{len(selection.photos):,} files"
        raise TrainingError(f"Not one of the {files} can be read as a photo. {refused[0]}")
    return PredictedSelection(selection, results, refused)


def _mean(output: NetworkOutput, turned: NetworkOutput) -> NetworkOutput:
    """The mean of what a network answers for a photo and for the mirrored photo."""
    pairs = (
        (output.probabilities, turned.probabilities),
        (output.embedding, turned.embedding),
        (output.feature_map, turned.feature_map[:, ::-1]),
    )
    probabilities, embedding, feature_map = (
        ((first + second) / 2).astype(np.float32) for first, second in pairs
    )
    known = [value for value in (output.familiarity, turned.familiarity) if value is not None]
    familiarity = sum(known) / len(known) if known else None
    return NetworkOutput(probabilities, embedding, feature_map, familiarity)


def _answer(output: NetworkOutput, card: ModelCard) -> EvaluationAnswer:
    familiar = is_familiar(output.familiarity, card)
    decision = decide(output, card)
    return EvaluationAnswer(output.probabilities, decision, output.familiarity, familiar)


def _timed(function: Callable[..., _T], *arguments: Any) -> tuple[_T, float]:
    """What the function returns, and its milliseconds."""
    started = time.perf_counter()
    result = function(*arguments)
    return result, (time.perf_counter() - started) * 1000
