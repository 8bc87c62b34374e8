"""A version's Keras model, loaded with its shapes checked, and compiled for LiteRT."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.errors import ModelRefusedError
from webapp.inference.model_import.hdf5 import check_archive_weights
from webapp.inference.models.card import COMPILED_FILE, KERAS_FILE, VersionCard

# Weights as float16 are half the file and as quick: XNNPACK computes with them in float32. On 600
# photos and 8 golden ones they changed a probability by at most 0.037.
_HALF: dict[str, Any] = {
    "optimizations": [tf.lite.Optimize.DEFAULT],
    "target_spec": {"supported_types": [tf.float16]},
}


def load_keras(
    folder: Path, card: VersionCard, outputs: tuple[str, ...]
) -> tuple[keras.Model, dict[str, keras.KerasTensor]]:
    """The network in `model.keras`, and what it answers by name.

    Raises `ModelRefusedError` when it cannot be loaded, takes another size than the card says, or
    does not answer a dict of `outputs`.
    """
    check_archive_weights(folder / KERAS_FILE)
    try:
        model = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds
        raise ModelRefusedError(f"The Keras model cannot be loaded: {error}") from error
    shape = (None, card.input.height, card.input.width, 3)
    if tuple(model.input_shape) != shape:
        raise ModelRefusedError(f"The model takes {model.input_shape}, the card says {shape}.")
    answers = model(keras.Input(shape[1:]))
    if not isinstance(answers, dict) or set(answers) != set(outputs):
        actual = ", ".join(answers) if isinstance(answers, dict) else "one tensor or a list"
        raise ModelRefusedError(
            f"The model must answer a dict of {', '.join(outputs)}; it answers {actual}."
        )
    return model, answers


def compile_network(model: keras.Model, folder: Path, *, half: bool = True) -> None:
    """Write `model.tflite` with weights as float16, or as float32 when not `half`. Raises
    `ModelRefusedError` when the network does not compile."""
    options = _HALF if half else {}
    try:
        model.export(folder / COMPILED_FILE, format="litert", verbose=False, **options)
    except Exception as error:  # the compiler raises many kinds
        raise ModelRefusedError(f"The model does not compile: {error}") from error


def median_milliseconds(use: Callable[[NDArray[np.uint8]], object]) -> float:
    """Median time to use a network on a photo on one core, in milliseconds, resizing included."""
    pixels = np.full((512, 768, 3), 127, dtype=np.uint8)
    durations = []
    for _ in range(15):
        started = time.perf_counter()
        use(pixels)
        durations.append((time.perf_counter() - started) * 1000)
    return statistics.median(durations)
