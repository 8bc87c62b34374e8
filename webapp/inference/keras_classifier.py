"""The Keras model in TensorFlow: the reference, and the way out for what does not compile."""

import threading
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from webapp.errors import ModelUnavailableError
from webapp.inference.classifier import Classifier, Floats
from webapp.inference.models.card import KERAS_FILE, ModelCard, VersionCard


class KerasNetwork:
    """A version's `model.keras` as one traced function, used by one thread at a time."""

    def __init__(self, folder: Path, card: VersionCard) -> None:
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
        self.weights = model.weights

    def run(self, batch: Floats) -> dict[str, Floats]:
        """The outputs by name for a batch of one, without their first axis."""
        with self._lock:
            outputs = self._function(batch)
        return {name: np.asarray(output)[0] for name, output in outputs.items()}


class KerasClassifier(Classifier):
    """Serves `model.keras`, one thread at a time."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        super().__init__(folder, card)
        self.golden_tolerance = max(self.golden_tolerance, card.keras_tolerance)
        self._network = KerasNetwork(folder, card)

    def _run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        outputs = self._network.run(batch)
        return outputs["probabilities"], outputs["embedding"], outputs["feature_map"]

    def _constants(self) -> list[Floats]:
        labels = len(self.card.labels)
        return [
            np.asarray(weight.value)
            for weight in self._network.weights
            if labels in weight.shape and len(weight.shape) <= 2
        ]
