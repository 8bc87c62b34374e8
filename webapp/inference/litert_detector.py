"""A detector whose compiled network runs in the LiteRT runtime."""

from pathlib import Path

from webapp.inference.detector import Detector, Floats
from webapp.inference.litert_network import LiteRTNetwork
from webapp.inference.models.detector_card import DetectorCard


class LiteRTDetector(Detector):
    """Runs `model.tflite`, in as many threads as ask."""

    def __init__(self, folder: Path, card: DetectorCard) -> None:
        super().__init__(card)
        self._network = LiteRTNetwork(folder, card)
        shapes, cells = self._network.outputs, len(self.strides)
        scores = [index for index, shape in shapes.items() if shape == (1, cells)]
        distances = [index for index, shape in shapes.items() if shape == (1, cells, 4)]
        if not len(scores) == len(distances) == 1 or len(shapes) != 2:
            raise self._network.refused(f"scores ({cells}) and distances ({cells}, 4)")
        self._outputs = scores[0], distances[0]

    def _run(self, batch: Floats) -> tuple[Floats, Floats]:
        scores, distances = self._network.run(batch, self._outputs)
        return scores, distances
