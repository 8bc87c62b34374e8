"""The child process of publishing: load, compile, compare, complete the card. Run as `python -m webapp.inference.models.publish_child FOLDER`."""

import contextlib
import hashlib
import resource
import statistics
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version as library_version
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from webapp.domain import NetworkOutput
from webapp.errors import MarqueError, ModelRefusedError
from webapp.inference.classifier import GOLDEN_TOLERANCE, Classifier, self_test
from webapp.inference.decoding.images import decode_photo, working_side
from webapp.inference.keras_classifier import KerasClassifier
from webapp.inference.litert_classifier import LiteRTClassifier
from webapp.inference.model_import.hdf5 import check_archive_weights
from webapp.inference.models.card import (
    CARD_FILE,
    COMPILED_FILE,
    FAMILIARITY_FILE,
    KERAS_FILE,
    Golden,
    ModelCard,
)
from webapp.inference.models.held_out import SPLIT_FILE
from webapp.inference.models.publish import GOLDEN_FOLDER, REFUSAL_FILE

OUTPUTS = ("probabilities", "embedding", "feature_map")
REFUSED = 3


@dataclass(frozen=True)
class Compared:
    """What the reference said about one golden photo, and how far the compiled network was from it."""

    file: str
    reference: NetworkOutput
    probabilities: float
    embedding: float


def main(arguments: list[str]) -> int:
    """Complete the version folder named first; seconds and gigabytes follow. Exit status 3 and a sentence in a file when it is refused."""
    folder, seconds, gigabytes = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    limit(seconds, gigabytes)
    try:
        complete(folder)
    except MarqueError as error:
        (folder / REFUSAL_FILE).write_text(str(error), encoding="utf-8")
        return REFUSED
    return 0


def limit(seconds: int, gigabytes: int) -> None:
    """Bound this process: seconds on each of four cores, and the memory it may ask for."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds * 4, seconds * 4))
    with contextlib.suppress(ValueError, OSError):  # a lower limit of the surroundings stays
        resource.setrlimit(resource.RLIMIT_AS, (gigabytes * 1024**3, gigabytes * 1024**3))


def complete(folder: Path) -> ModelCard:
    """Check `model.keras` against the card, write `model.tflite` (or check the one that is there) and the completed card.

    Raises `ModelRefusedError`.
    """
    card = ModelCard.read(folder)
    carried = (folder / COMPILED_FILE).is_file()
    compile_network(folder, card, compiled=carried)
    compiled = LiteRTClassifier(folder, card)
    compared = compare(
        KerasClassifier(folder, card), compiled, sorted((folder / GOLDEN_FOLDER).iterdir())
    )
    check_answers(compared)
    golden = tuple(
        Golden(one.file, tuple(round(float(value), 6) for value in one.reference.probabilities))
        for one in compared
    )
    if carried:  # what it answered where it was made
        self_test(compiled, folder)
        golden = card.golden
    files = {path.relative_to(folder).as_posix(): _digest(path) for path in _files(folder)}
    complete_card = replace(
        card,
        files=files,
        golden=golden,
        libraries=card.libraries | {"ai-edge-litert": library_version("ai-edge-litert")},
        metrics=card.metrics
        | {
            "compiled": {
                "golden_photos": len(compared),
                "largest_difference": round(max(one.probabilities for one in compared), 7),
                "milliseconds": round(_milliseconds(compiled), 1),
            }
        },
    )
    complete_card.check()
    (folder / CARD_FILE).write_text(complete_card.to_json(), encoding="utf-8")
    return complete_card


def compile_network(folder: Path, card: ModelCard, *, compiled: bool = False) -> None:
    """Write `model.tflite`, unless it is `compiled` already.

    Raises `ModelRefusedError` when the model cannot be loaded, does not fit the card, or does not compile.
    """
    check_archive_weights(folder / KERAS_FILE)
    try:
        model = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds; each means the same to us
        raise ModelRefusedError(f"The Keras model cannot be loaded: {error}") from error
    wanted = (None, card.input.height, card.input.width, 3)
    if tuple(model.input_shape) != wanted:
        raise ModelRefusedError(f"The model takes {model.input_shape}, the card says {wanted}.")
    answers = model(keras.Input(wanted[1:]))
    if not isinstance(answers, dict) or set(answers) != set(OUTPUTS):
        got = ", ".join(answers) if isinstance(answers, dict) else "one tensor or a list"
        raise ModelRefusedError(
            f"The model must answer a dict of {', '.join(OUTPUTS)}; it answers {got}."
        )
    if tuple(answers["probabilities"].shape) != (None, len(card.labels)):
        raise ModelRefusedError(
            f"The model answers {answers['probabilities'].shape[-1]} probabilities, the card names {len(card.labels)} labels."
        )
    if compiled:
        return
    try:
        model.export(folder / COMPILED_FILE, format="litert", verbose=False)
    except Exception as error:  # the compiler raises many kinds; each means the same to us
        raise ModelRefusedError(f"The model does not compile: {error}") from error


def compare(reference: Classifier, compiled: Classifier, golden: list[Path]) -> list[Compared]:
    """Rank every golden photo with both."""
    rows = []
    for path in golden:
        pixels = decode_photo(path.read_bytes(), max_side=working_side(reference.card.input)).pixels
        first, second = reference.predict(pixels), compiled.predict(pixels)
        scale = float(np.abs(first.embedding).max()) or 1.0
        rows.append(
            Compared(
                f"{GOLDEN_FOLDER}/{path.name}",
                first,
                _distance(first.probabilities, second.probabilities),
                _distance(first.embedding, second.embedding) / scale,
            )
        )
    return rows


def check_answers(compared: list[Compared]) -> None:
    """Raise `ModelRefusedError` when an answer is no distribution, when the two differ, or when all photos get the same answer."""
    for one in compared:
        if not (
            np.isfinite(one.reference.probabilities).all()
            and np.isfinite(one.reference.embedding).all()
        ):
            raise ModelRefusedError(
                f"The model answers {one.file} with something that is not a number."
            )
        if not one.probabilities <= GOLDEN_TOLERANCE:
            raise ModelRefusedError(
                f"The compiled network differs from Keras on {one.file} by {one.probabilities:.2g}; {GOLDEN_TOLERANCE:.2g} is allowed."
            )
        if not one.embedding <= 0.02:
            raise ModelRefusedError(
                f"The compiled network's embedding of {one.file} differs from Keras by {one.embedding:.2g}; 0.02 is allowed."
            )
    if len(compared) > 1 and len({one.reference.embedding.tobytes() for one in compared}) == 1:
        raise ModelRefusedError("The model says the same about every photo.")


def _distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(np.abs(first - second).max())


def _milliseconds(classifier: Classifier, times: int = 15) -> float:
    """Median time of one ranking on one core, in milliseconds, resize included."""
    pixels = np.full((512, 768, 3), 127, dtype=np.uint8)
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        classifier.predict(pixels)
        spent.append((time.perf_counter() - started) * 1000)
    return statistics.median(spent)


def _files(folder: Path) -> list[Path]:
    return sorted(
        one
        for one in folder.rglob("*")
        if one.is_file() and one.name in (KERAS_FILE, COMPILED_FILE, FAMILIARITY_FILE, SPLIT_FILE)
    ) + sorted((folder / GOLDEN_FOLDER).iterdir())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
