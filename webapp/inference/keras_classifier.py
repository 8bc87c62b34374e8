"""The Keras model in TensorFlow: the reference, and the way out for what does not compile."""

import threading
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from webapp.domain import NetworkOutput
from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import blank_photo, prepare, scale
from webapp.inference.familiarity import read_familiarity
from webapp.inference.heat_map import find_head
from webapp.inference.models.card import KERAS_FILE, ModelCard


class KerasClassifier:
    """Serves `model.keras` through one traced function, one thread at a time."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.card = card
        self._familiarity = read_familiarity(folder, card)
        try:
            model = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises many kinds; each means the same to us
            raise ModelUnavailableError(
                f"{card}: {KERAS_FILE} cannot be loaded ({error})"
            ) from error
        shape = (1, card.input.height, card.input.width, 3)
        self._run = tf.function(
            lambda batch: model(batch, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )
        self._lock = threading.Lock()
        self._weights = model.weights

    @cached_property
    def head(self) -> NDArray[np.float32] | None:
        """See `Classifier.head`."""
        constants = [
            np.asarray(weight.value)
            for weight in self._weights
            if len(self.card.labels) in weight.shape and len(weight.shape) <= 2
        ]
        return find_head(constants, self.predict(blank_photo(self.card)), self.card)

    def predict(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """See `Classifier.predict`."""
        batch = prepare(pixels, self.card)
        with self._lock:
            outputs = self._run(batch)
        probabilities, embedding, feature_map = (
            np.asarray(outputs[name])[0] for name in ("probabilities", "embedding", "feature_map")
        )
        familiarity = self._familiarity.of_one(embedding) if self._familiarity else None
        return NetworkOutput(
            scale(probabilities, self.card.temperature), embedding, feature_map, familiarity
        )
