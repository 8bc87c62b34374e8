"""The ready detector that ours is compared with and that draws boxes for training: the SSD on
MobileNetV2 of the npm package @mediapipe/objectron (Apache-2.0), for 300 x 300 pixels."""

from collections.abc import Iterator

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

_CAR = 23  # of 24 classes
_SIDE = 300
Floats = NDArray[np.float64]


class Teacher:
    """An SSD with the anchors of Liu et al. 2016 on grids of 19, 10, 5, 3, 2 and 1, from its
    LiteRT file, on one core. Boxes with a lower score than `least_score` are not told."""

    def __init__(self, network: bytes, least_score: float) -> None:
        self._least_score = least_score
        self._interpreter = Interpreter(model_content=network, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        self._places, self._classes = sorted(outputs, key=lambda output: int(output["shape"][2]))
        self._anchors = np.array(list(_anchors()))

    def find(self, image: Image.Image) -> tuple[Floats, Floats]:
        """Boxes (n, 4) as shares, unclipped, and scores (n,); several for a car."""
        small = image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        pixels = np.asarray(small, np.float32)[np.newaxis] / 127.5 - 1
        self._interpreter.set_tensor(self._input, pixels)
        self._interpreter.invoke()
        places = self._interpreter.get_tensor(self._places["index"])[0].astype(np.float64)
        logits = self._interpreter.get_tensor(self._classes["index"])[0][:, _CAR]
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
        middles = places[:, [1, 0]] / 10 * self._anchors[:, 2:] + self._anchors[:, :2]
        halves = np.exp(places[:, [3, 2]] / 5) * self._anchors[:, 2:] / 2
        kept = scores >= self._least_score
        return np.concatenate([middles - halves, middles + halves], axis=1)[kept], scores[kept]


def _anchors() -> Iterator[tuple[float, float, float, float]]:
    """Middle (x, y), width and height of each anchor, as shares."""
    scales = [*np.linspace(0.2, 0.95, 6).tolist(), 1.0]
    for layer, cells in enumerate((19, 10, 5, 3, 2, 1)):
        shapes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        if layer:
            shapes = [(scales[layer], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)]
            shapes.append(((scales[layer] * scales[layer + 1]) ** 0.5, 1.0))
        for row in range(cells):
            for column in range(cells):
                for scale, ratio in shapes:
                    root = ratio**0.5
                    middle = (column + 0.5) / cells, (row + 0.5) / cells
                    yield *middle, scale * root, scale / root
