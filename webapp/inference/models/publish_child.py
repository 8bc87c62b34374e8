"""The child process of publishing: load, compile, compare and complete the card."""

import contextlib
import hashlib
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from webapp.errors import MarqueError, ModelRefusedError
from webapp.inference.classifier import GOLDEN_TOLERANCE, Classifier, self_test
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.keras_classifier import KerasClassifier
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.models.card import CARD_FILE, COMPILED_FILE, Golden, ModelCard
from webapp.inference.models.compiling import compile_network, load_keras, median_milliseconds
from webapp.inference.models.detector_card import DetectorCard, read_card
from webapp.inference.models.publish import GOLDEN_FOLDER, REFUSAL_FILE, end_with_parent
from webapp.inference.models.publish_detector import complete_detector

OUTPUTS = ("probabilities", "embedding", "feature_map")
_HALF_TOLERANCE = 0.05
_EMBEDDING_TOLERANCE = 0.1  # of its largest number
_REFUSED = 3


def main(arguments: list[str], task: Callable[[Path], object]) -> int:
    """Run a task on the folder named first, limited by the seconds and gigabytes that follow, and
    by the life of the process whose number is last.

    Returns the exit status: 3 when the folder was refused, with a sentence in `REFUSAL_FILE`.
    """
    folder, seconds, memory = Path(arguments[0]), int(arguments[1]), int(arguments[2]) * 1024**3
    end_with_parent(int(arguments[3]))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds * 4, seconds * 4))  # four cores
    with contextlib.suppress(ValueError, OSError):  # where a lower limit is set, it stays
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        task(folder)
    except MarqueError as error:
        (folder / REFUSAL_FILE).write_text(str(error), encoding="utf-8")
        return _REFUSED
    return 0


def _complete(folder: Path) -> None:
    """Check `model.keras` against the card, write or check `model.tflite`, complete the card."""
    card = read_card(folder)
    golden_files = sorted((folder / GOLDEN_FOLDER).iterdir())
    complete_card: ModelCard | DetectorCard
    if isinstance(card, DetectorCard):
        complete_card, figures = complete_detector(folder, card, golden_files)
    else:
        complete_card, figures = _complete_classifier(folder, card, golden_files)
    complete_card = replace(
        complete_card,
        files={
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != CARD_FILE
        },
        libraries=card.libraries | {"ai-edge-litert": library_version("ai-edge-litert")},
        metrics=card.metrics | {"compiled": {"golden_photos": len(golden_files), **figures}},
    )
    complete_card.check()
    (folder / CARD_FILE).write_text(complete_card.to_json(), encoding="utf-8")


def _complete_classifier(
    folder: Path, card: ModelCard, golden_files: list[Path]
) -> tuple[ModelCard, dict[str, Any]]:
    """The card with its golden answers, and figures of the compiled network."""
    model = load_network(folder, card)
    if (folder / COMPILED_FILE).is_file():  # its golden answers are those of where it was compiled
        compiled = LiteRTClassifier(folder, card)
        _, largest = compare(KerasClassifier(folder, card), compiled, golden_files)
        self_test(compiled, folder)
    else:
        try:  # what was made elsewhere is to answer as it did there
            half = "imported" not in card.training
            card, largest = _compile(model, folder, card, golden_files, half=half)
        except ModelRefusedError:  # float16 holds no number over 65,504, and few digits
            card, largest = _compile(model, folder, card, golden_files, half=False)
        compiled = LiteRTClassifier(folder, card)
    milliseconds = round(median_milliseconds(compiled.predict), 1)
    return card, {"largest_difference": round(largest, 7), "milliseconds": milliseconds}


def load_network(folder: Path, card: ModelCard) -> keras.Model:
    """The network in `model.keras`. Raises `ModelRefusedError` when it cannot be loaded or does not
    fit the card."""
    model, answers = load_keras(folder, card, OUTPUTS)
    probabilities = answers["probabilities"].shape
    if tuple(probabilities) != (None, len(card.labels)):
        raise ModelRefusedError(
            f"The model answers {probabilities[-1]} probabilities, "
            f"the card names {len(card.labels)} labels."
        )
    return model


def _compile(
    model: keras.Model, folder: Path, card: ModelCard, golden_files: list[Path], *, half: bool
) -> tuple[ModelCard, float]:
    """Write `model.tflite`; returns the card with its golden answers and their largest difference
    from Keras'. Raises `ModelRefusedError` from compiling and comparing."""
    compile_network(model, folder, half=half)
    card = replace(card, keras_tolerance=_HALF_TOLERANCE if half else GOLDEN_TOLERANCE)
    compiled = LiteRTClassifier(folder, card)
    golden, largest = compare(KerasClassifier(folder, card), compiled, golden_files)
    return replace(card, golden=golden), largest


def compare(
    reference: Classifier, compiled: Classifier, photos: list[Path]
) -> tuple[tuple[Golden, ...], float]:
    """The compiled network's answers for the golden photos, and the largest difference of a
    probability from the reference. Raises `ModelRefusedError` when answers are not numbers, differ
    by more than the card allows or are all the same."""
    golden: list[Golden] = []
    embeddings: set[bytes] = set()
    largest = 0.0
    for path in photos:
        file = f"{GOLDEN_FOLDER}/{path.name}"
        pixels = decode_photo(path.read_bytes(), max_side=working_side(reference.card.input)).pixels
        first, second = reference.predict(pixels), compiled.predict(pixels)
        if not (np.isfinite(first.probabilities).all() and np.isfinite(first.embedding).all()):
            raise ModelRefusedError(
                f"The model answers {file} with something that is not a number."
            )
        difference = _distance(first.probabilities, second.probabilities)
        if not difference <= reference.golden_tolerance:
            raise ModelRefusedError(
                f"The compiled network differs from Keras on {file} by "
                f"{difference:.2g}; {reference.golden_tolerance:.2g} is allowed."
            )
        scale = float(np.abs(first.embedding).max()) or 1.0
        embedding = _distance(first.embedding, second.embedding) / scale
        if not embedding <= _EMBEDDING_TOLERANCE:
            raise ModelRefusedError(
                f"The compiled network's embedding of {file} differs from Keras by "
                f"{embedding:.2g}; {_EMBEDDING_TOLERANCE} is allowed."
            )
        golden.append(Golden(file, tuple(round(float(p), 6) for p in second.probabilities)))
        embeddings.add(first.embedding.tobytes())
        largest = max(largest, difference)
    if len(golden) > 1 and len(embeddings) == 1:
        raise ModelRefusedError("The model gives the same answer for every photo.")
    return tuple(golden), largest


def _distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.abs(first - second).max())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _complete))
