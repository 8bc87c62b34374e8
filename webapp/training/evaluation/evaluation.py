"""What a published version answers for each photo, as while serving, and how long it takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from webapp.domain import Answer, NetworkOutput
from webapp.errors import PhotoRefusedError, TrainingError
from webapp.inference.classifier import Classifier, make_answer
from webapp.inference.decoding.crop import decode_cut
from webapp.inference.decoding.images import working_side
from webapp.inference.models.card import ModelCard
from webapp.inference.models.held_out import LabelledPhoto
from webapp.training.evaluation.photos import PhotoSelection, Watch

TOP = 5  # labels that an answer keeps
_NOTHING = np.empty(0, dtype=np.float32)
_T = TypeVar("_T")


@dataclass(frozen=True)
class PredictedPhoto:
    """A photo and what the version answers, without embedding or feature map; in milliseconds."""

    photo: LabelledPhoto
    answer: Answer
    decode_ms: float  # from bytes to pixels
    network_ms: float  # from pixels to the answer
    mirrored: Answer | None = None  # to the mean of the photo and the mirrored photo
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
            content = photo.path.read_bytes()
            pixels, decode_ms = _timed(decode_cut, content, photo.box, side)
        except (OSError, PhotoRefusedError) as error:
            refused.append(f"{photo.name}: {error}")
            continue
        output, network_ms = _timed(classifier.predict, pixels)
        output = replace(output, embedding=_NOTHING, feature_map=_NOTHING)
        mirrored, mirror_ms = None, 0.0
        answer = make_answer(classifier.card, output, decode_ms + network_ms, TOP)
        if mirror:
            turned, mirror_ms = _timed(classifier.predict, np.ascontiguousarray(pixels[:, ::-1]))
            both, elapsed_ms = _mean(output, turned), answer.elapsed_ms + mirror_ms
            mirrored = make_answer(classifier.card, both, elapsed_ms, TOP)
        results.append(PredictedPhoto(photo, answer, decode_ms, network_ms, mirrored, mirror_ms))
    if not results:
        files = f"{len(selection.photos):,} files"
        raise TrainingError(f"Not one of the {files} can be read as a photo. {refused[0]}")
    return PredictedSelection(selection, results, refused)


def _mean(output: NetworkOutput, turned: NetworkOutput) -> NetworkOutput:
    """The mean of what a network answers for a photo and for the mirrored photo."""
    probabilities = ((output.probabilities + turned.probabilities) / 2).astype(np.float32)
    known = [value for value in (output.familiarity, turned.familiarity) if value is not None]
    familiarity = sum(known) / len(known) if known else None
    return NetworkOutput(probabilities, _NOTHING, _NOTHING, familiarity)


def _timed(function: Callable[..., _T], *arguments: Any) -> tuple[_T, float]:
    """What the function returns, and its milliseconds."""
    started = time.perf_counter()
    result = function(*arguments)
    return result, (time.perf_counter() - started) * 1000
