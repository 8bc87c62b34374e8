"""A classifier whose compiled network runs in the LiteRT runtime."""

from contextlib import suppress
from pathlib import Path

import numpy as np

from webapp.inference.classifier import Classifier, Floats
from webapp.inference.litert_network import LiteRTNetwork
from webapp.inference.models.card import ModelCard


class LiteRTClassifier(Classifier):
    """Runs `model.tflite`, in as many threads as ask."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        super().__init__(folder, card)
        self._network = LiteRTNetwork(folder, card)
        self._outputs = _find_outputs(self._network, card)

    def _run(self, batch: Floats) -> tuple[Floats, Floats, Floats]:
        first, second, third = self._network.run(batch, self._outputs)
        return first, second, third

    def _constants(self) -> list[Floats]:
        constants = []
        with self._network.borrowed() as interpreter:
            for tensor in interpreter.get_tensor_details():
                shape, kind = tensor["shape"], tensor["dtype"]
                if len(self.card.labels) not in shape or len(shape) > 2:
                    continue
                if kind in (np.float16, np.float32):
                    with suppress(ValueError):  # a value that exists only while the network runs
                        constants.append(np.array(interpreter.get_tensor(tensor["index"])))
        return constants


def _find_outputs(network: LiteRTNetwork, card: ModelCard) -> tuple[int, int, int]:
    """The tensor indices of probabilities, embedding and feature map, told apart by their shapes.
    Raises `ModelUnavailableError`."""
    labels, shapes = len(card.labels), network.outputs
    flat = {index: shape for index, shape in shapes.items() if len(shape) == 2}
    probabilities = [index for index, shape in flat.items() if shape[1] == labels]
    embeddings = [index for index, shape in flat.items() if shape[1] != labels]
    maps = [index for index, shape in shapes.items() if len(shape) == 4]
    if not len(probabilities) == len(embeddings) == len(maps) == 1:
        raise network.refused(f"probabilities ({labels}), embedding and feature map")
    return probabilities[0], embeddings[0], maps[0]
