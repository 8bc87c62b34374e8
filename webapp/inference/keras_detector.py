"""A detector whose Keras model runs in TensorFlow: the reference."""

from pathlib import Path

from webapp.inference.detector import Detector, Floats
from webapp.inference.keras_classifier import KerasNetwork
from webapp.inference.models.detector_card import DetectorCard


class KerasDetector(Detector):
    """Serves `model.keras`, one thread at a time."""

    def __init__(self, folder: Path, card: DetectorCard) -> None:
        super().__init__(card)
        self._network = KerasNetwork(folder, card)

    def _run(self, batch: Floats) -> tuple[Floats, Floats]:
        outputs = self._network.run(batch)
        return outputs["scores"], outputs["distances"]
