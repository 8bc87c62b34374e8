"""The Keras model in TensorFlow: the reference, and the way out for what does not compile."""

import threading
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier, Floats
from webapp.inference.models.card import KERAS_FILE, ModelCard


class KerasClassifier(Classifier):
    """Serves `model.keras` through one traced function, one thread at a time."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        super().__init__(folder, card)
        self.golden_tolerance = max(self.golden_tolerance, card.keras_tolerance)
        try:
            model = keras.saving.load_model(folder / KERAS_FILE, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises many kinds; each means the same to us
            raise ModelUnavailableError(
                f"{card}: {KERAS_FILE} cannot be loaded ({error})"
            ) from error
        shape = (1, card.input.height, card.input.width, 3)
        self._function = tf.function(
            lambda batch: model(batch, training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
        )
        self._lock = threading.Lock()
        self._weights = model.weights

    def _run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        with self._lock:
            outputs = self._function(batch)
        names = ("probabilities", "embedding", "feature_map")
        first, second, third = (np.asarray(outputs[name])[0] for name in names)
        return first, second, third

    def _constants(self) -> list[Floats]:
        labels = len(self.card.labels)
        return [
            np.asarray(weight.value)
            for weight in self._weights
            if labels in weight.shape and len(weight.shape) <= 2
        ]
