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

import keras
import numpy as np
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
_EMBEDDING_TOLERANCE = 0.02
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
    is_compiled = (folder / COMPILED_FILE).is_file()
    compile_network(folder, card)
    compiled = LiteRTClassifier(folder, card)
    golden_files = sorted((folder / GOLDEN_FOLDER).iterdir())
    golden, largest = compare(KerasClassifier(folder, card), compiled, golden_files)
    if is_compiled:  # its golden answers are those of where it was compiled
        self_test(compiled, folder)
        golden = card.golden
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
        golden=golden,
        libraries=card.libraries | {"ai-edge-litert": library_version("ai-edge-litert")},
        metrics=card.metrics | {"compiled": figures},
    )
    complete_card.check()
    (folder / CARD_FILE).write_text(complete_card.to_json(), encoding="utf-8")


def compile_network(folder: Path, card: ModelCard) -> None:
    """Write `model.tflite`, unless it is there already. Raises `ModelRefusedError` when the
    model cannot be loaded, does not fit the card, or does not compile."""
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
    if (folder / COMPILED_FILE).is_file():
        return
    try:
        model.export(folder / COMPILED_FILE, format="litert", verbose=False)
    except Exception as error:  # the compiler raises many kinds
        raise ModelRefusedError(f"The model does not compile: {error}") from error


def compare(
    reference: Classifier, compiled: Classifier, photos: list[Path]
) -> tuple[tuple[Golden, ...], float]:
    """The reference's answers for the golden photos, and the largest difference from them. Raises
    `ModelRefusedError` when answers are not numbers, differ too much or are all the same."""
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
        if not difference <= GOLDEN_TOLERANCE:
            raise ModelRefusedError(
                f"The compiled network differs from Keras on {file} by "
                f"{difference:.2g}; {GOLDEN_TOLERANCE:.2g} is allowed."
            )
        scale = float(np.abs(first.embedding).max()) or 1.0
        embedding = _distance(first.embedding, second.embedding) / scale
        if not embedding <= _EMBEDDING_TOLERANCE:
            raise ModelRefusedError(
                f"The compiled network's embedding of {file} differs from Keras by "
                f"{embedding:.2g}; {_EMBEDDING_TOLERANCE} is allowed."
            )
        golden.append(Golden(file, tuple(round(float(p), 6) for p in first.probabilities)))
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
