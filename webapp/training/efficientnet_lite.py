"""EfficientNet-Lite 0 to 2: EfficientNet without squeeze-and-excitation, with ReLU6, and with a
first and a last convolution that do not grow (github.com/tensorflow/tpu, models/official/
efficientnet/lite/efficientnet_lite_builder.py; Tan and Le 2019)."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from webapp.errors import TrainingError
from webapp.training.torch_file import read_torch_file


class _Stage(NamedTuple):
    """Some blocks in a row; only the first one has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    features: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280  # features of the first and the last convolution
_SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))  # width and depth of Lite 0, 1 and 2
_NORM = ("weight", "bias", "running_mean", "running_var")  # in the order of Keras' weights


def efficientnet_lite(size: int) -> Callable[[keras.KerasTensor], keras.Model]:
    """A function that builds EfficientNet-Lite `size` (0, 1 or 2) on RGB in 0..255, without top.

    Its layers bear the names that `lite_weights` looks for.
    """
    width, depth = _SCALES[size]

    def build(photo: keras.KerasTensor) -> keras.Model:
        flow = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling")(photo)
        flow = _normed(_convolution(_STEM, 3, 2, "conv_stem")(flow), "bn0")
        place = 0
        for stage in _STAGES:
            fixed = stage in (_STAGES[0], _STAGES[-1])
            for repeat in range(stage.blocks if fixed else math.ceil(depth * stage.blocks)):
                features = _rounded(width * stage.features)
                block = stage._replace(features=features, stride=1 if repeat else stage.stride)
                flow = _inverted_residual(flow, block, f"blocks.{place}")
                place += 1
        flow = _normed(_convolution(_HEAD, 1, 1, "conv_head")(flow), "bn1")
        return keras.Model(photo, flow)

    return build


def _inverted_residual(flow: keras.KerasTensor, block: _Stage, name: str) -> keras.KerasTensor:
    """A block of a network: wider, convolved by feature, narrower (Sandler et al. 2018, part 3)."""
    first, wide = flow, block.expansion * flow.shape[-1]
    if block.expansion > 1:
        flow = _normed(_convolution(wide, 1, 1, f"{name}.expand_conv")(flow), f"{name}.bn0")
    depthwise = layers.DepthwiseConv2D(
        block.kernel,
        strides=block.stride,
        padding="same",
        use_bias=False,
        name=f"{name}.depthwise_conv",
    )
    flow = _normed(depthwise(flow), f"{name}.bn1")
    flow = _convolution(block.features, 1, 1, f"{name}.project_conv")(flow)
    flow = _normed(flow, f"{name}.bn2", relu=False)
    return layers.Add()([first, flow]) if first.shape == flow.shape else flow


def _convolution(features: int, kernel: int, stride: int, name: str) -> layers.Conv2D:
    return layers.Conv2D(
        features, kernel, strides=stride, padding="same", use_bias=False, name=name
    )


def _normed(flow: keras.KerasTensor, name: str, *, relu: bool = True) -> keras.KerasTensor:
    flow = layers.BatchNormalization(epsilon=1e-3, name=name)(flow)
    return layers.ReLU(6.0)(flow) if relu else flow


def _rounded(features: float) -> int:
    """The multiple of 8 that is nearest, and not over a tenth smaller."""
    nearest = max(8, int(features + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * features else nearest + 8


def lite_weights(body: keras.Model, path: Path) -> list[NDArray[Any]]:
    """The weights for `body` from a PyTorch checkpoint, see `read_torch_file`.

    Its names are those of github.com/lukemelas/EfficientNet-PyTorch, with or without leading
    underscores. Raises `TrainingError` when it is of another network.
    """
    arrays = {
        ".".join(part.lstrip("_") for part in name.split(".")): array
        for name, array in read_torch_file(path).items()
        if not name.endswith("num_batches_tracked")
    }
    for name in ("fc.weight", "fc.bias"):  # the classifier of ImageNet
        arrays.pop(name, None)
    weights: list[NDArray[Any]] = []
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            weights += [arrays.pop(f"{layer.name}.{part}", np.empty(0)) for part in _NORM]
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            kernel = arrays.pop(f"{layer.name}.weight", np.empty((0, 0, 0, 0)))
            is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
            weights.append(kernel.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0)))
    wanted = [tuple(weight.shape) for weight in body.weights]
    if arrays or [array.shape for array in weights] != wanted:
        raise TrainingError(f"The weights file {path.name} is of another network.")
    return weights
