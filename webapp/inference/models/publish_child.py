"""The child process of publishing: load, compile, compare and complete the card."""

import contextlib
import hashlib
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.errors import MarqueError, ModelRefusedError
from webapp.inference.classifier import GOLDEN_TOLERANCE, Classifier, self_test
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.keras_classifier import KerasClassifier
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.model_import.hdf5 import check_archive_weights
from webapp.inference.models.card import CARD_FILE, COMPILED_FILE, KERAS_FILE, Golden, ModelCard
from webapp.inference.models.publish import GOLDEN_FOLDER, REFUSAL_FILE, end_with_parent

OUTPUTS = ("probabilities", "embedding", "feature_map")
# Weights as float16 are half the file and as quick: XNNPACK computes with them in float32. On 600
# photos and 8 golden ones they changed a probability by at most 0.037.
_HALF: dict[str, Any] = {
    "optimizations": [tf.lite.Optimize.DEFAULT],
    "target_spec": {"supported_types": [tf.float16]},
}
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
    card = ModelCard.read(folder)
    model = load_network(folder, card)
    golden_files = sorted((folder / GOLDEN_FOLDER).iterdir())
    if (folder / COMPILED_FILE).is_file():  # its golden answers are those of where it was compiled
        compiled = LiteRTClassifier(folder, card)
        _, largest = compare(KerasClassifier(folder, card), compiled, golden_files)
        self_test(compiled, folder)
    else:
        try:
            card, largest = _compile(model, folder, card, golden_files, half=True)
        except ModelRefusedError:  # float16 holds no number over 65,504, and few digits
            card, largest = _compile(model, folder, card, golden_files, half=False)
        compiled = LiteRTClassifier(folder, card)
    figures = {
        "golden_photos": len(golden_files),
        "largest_difference": round(largest, 7),
        "milliseconds": round(_milliseconds(compiled), 1),
    }
    complete_card = replace(
        card,
        files={
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != CARD_FILE
        },
        libraries=card.libraries | {"ai-edge-litert": library_version("ai-edge-litert")},
        metrics=card.metrics | {"compiled": figures},
    )
    complete_card.check()
    (folder / CARD_FILE).write_text(complete_card.to_json(), encoding="utf-8")


def load_network(folder: Path, card: ModelCard) -> keras.Model:
    """The network in `model.keras`. Raises `ModelRefusedError` when it cannot be loaded or does not
    fit the card."""
    check_archive_weights(folder / KERAS_FILE)
    try:
        model = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds
        raise ModelRefusedError(f"The Keras model cannot be loaded: {error}") from error
    shape = (None, card.input.height, card.input.width, 3)
    if tuple(model.input_shape) != shape:
        raise ModelRefusedError(f"The model takes {model.input_shape}, the card says {shape}.")
    answers = model(keras.Input(shape[1:]))
    if not isinstance(answers, dict) or set(answers) != set(OUTPUTS):
        actual = ", ".join(answers) if isinstance(answers, dict) else "one tensor or a list"
        raise ModelRefusedError(
            f"The model must answer a dict of {', '.join(OUTPUTS)}; it answers {actual}."
        )
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


def compile_network(model: keras.Model, folder: Path, *, half: bool = True) -> None:
    """Write `model.tflite` with weights as float16, or as float32 when not `half`. Raises
    `ModelRefusedError` when the network does not compile."""
    options = _HALF if half else {}
    try:
        model.export(folder / COMPILED_FILE, format="litert", verbose=False, **options)
    except Exception as error:  # the compiler raises many kinds
        raise ModelRefusedError(f"The model does not compile: {error}") from error


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


def _milliseconds(classifier: Classifier) -> float:
    """Median time to classify a photo on one core, in milliseconds, resizing included."""
    pixels = np.full((512, 768, 3), 127, dtype=np.uint8)
    durations = []
    for _ in range(15):
        started = time.perf_counter()
        classifier.predict(pixels)
        durations.append((time.perf_counter() - started) * 1000)
    return statistics.median(durations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], _complete))
